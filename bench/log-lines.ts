// Firewall log lines for the benchmarks, the same in every run: what a server on the internet with ufw, and a host with
// bridges of ours, write into kern.log. Mostly IPv4, some IPv6, ICMP errors and ARP.
import { closeSync, openSync, writeSync } from 'node:fs';

/** Marsaglia's xorshift32: enough for variety, and without a seed from outside. */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % limit;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export type LineOptions = {
  readonly lines: number;
  /** So many addresses send; the n-th line has the n-th of them. */
  readonly sources: number;
};

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const begin = Date.UTC(2026, 3, 6, 13, 0, 0);
const targetPorts = [22, 23, 25, 80, 110, 135, 443, 445, 1433, 1900, 3306, 3389, 5060, 6379, 8080, 8123];

/** Writes the file and gives its size. */
export function writeLogFile(path: string, { lines, sources }: LineOptions): number {
  const chance = new Chance(20_260_406);
  const fd = openSync(path, 'w');
  let size = 0;
  try {
    let chunk: string[] = [];
    for (let number = 0; number < lines; number++) {
      chunk.push(`${head(number, lines)}${body(number % sources, number, chance)} \n`);
      if (chunk.length < 5_000 && number < lines - 1) continue;
      size += writeSync(fd, chunk.join(''), undefined, 'latin1');
      chunk = [];
    }
  } finally {
    closeSync(fd);
  }
  return size;
}

/** rsyslog's traditional form, with the kernel's stamp: all within a day. */
function head(number: number, lines: number): string {
  const us = 1_240_000_000_000 + Math.floor((number * 86_000_000_000) / lines);
  const date = new Date(begin + Math.floor((number * 36_000_000) / lines));
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${time} host7 kernel: [${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, '0')}] `;
}

function body(source: number, number: number, chance: Chance): string {
  const kind = chance.below(100);
  if (kind < 5) return ip6(source, chance);
  if (kind < 8) return icmpError(source, chance);
  if (kind < 10) return arp(source);
  return kind < 60 ? ufw(source, number, chance) : bridge(source, chance);
}

function address(source: number): string {
  return `${11 + ((source >>> 20) % 200)}.${(source >>> 12) & 255}.${(source >>> 4) & 255}.${1 + (source & 15)}`;
}

const hostMac = '52:54:00:d5:4a:9b:52:54:00:fc:27:c5';

function ufw(source: number, number: number, chance: Chance): string {
  const verdict = number % 20 === 0 ? 'ALLOW' : 'BLOCK';
  const start = `[UFW ${verdict}] IN=eth0 OUT= MAC=${hostMac}:08:00 SRC=${address(source)} DST=192.168.10.11`;
  return chance.below(4) === 0 ? `${start} ${udp(chance)}` : `${start} ${tcp(chance)}`;
}

function tcp(chance: Chance): string {
  const ports = `SPT=${1024 + chance.below(60_000)} DPT=${chance.of(targetPorts)}`;
  const ip = `LEN=44 TOS=0x00 PREC=0x00 TTL=${40 + chance.below(80)} ID=${chance.below(65_536)}`;
  return `${ip} PROTO=TCP ${ports} WINDOW=${chance.of([1024, 14_600, 65_535])} RES=0x00 SYN URGP=0`;
}

function udp(chance: Chance): string {
  const ip = `LEN=445 TOS=0x00 PREC=0x00 TTL=57 ID=${chance.below(65_536)} DF`;
  return `${ip} PROTO=UDP SPT=${5000 + chance.below(500)} DPT=${4000 + chance.below(2000)} LEN=425`;
}

function bridge(source: number, chance: Chance): string {
  const rule = chance.of([2, 5, 10, 16, 18, 20, 47]);
  const ports = chance.of(['PHYSIN=vk63 PHYSOUT=vethb2', 'PHYSIN=vethb1 PHYSOUT=vk42', 'PHYSIN=vk42 PHYSOUT=vmh1']);
  const mac = 'MAC=52:54:00:f2:a4:8d:52:54:00:b1:5d:1f:08:00';
  const start = `RULE ${rule} -- DENY IN=virbr6 OUT=virbr6 ${ports} ${mac} SRC=${address(source)} DST=192.168.50.14`;
  if (chance.below(3) === 0) return `${start} ${tcp(chance)}`;
  const ip = `LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=${chance.below(65_536)} DF`;
  return `${start} ${ip} PROTO=ICMP TYPE=8 CODE=0 ID=${chance.below(4000)} SEQ=${1 + chance.below(9)}`;
}

function ip6(source: number, chance: Chance): string {
  const hex = source.toString(16).padStart(8, '0');
  const src = `2001:0db8:0210:0000:0000:0000:${hex.slice(0, 4)}:${hex.slice(4)}`;
  const ip = `SRC=${src} DST=2001:0db8:0210:0000:0000:0000:0000:0011 LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=${chance.below(1 << 20)}`;
  const ports = `SPT=${1024 + chance.below(60_000)} DPT=${chance.of(targetPorts)}`;
  return `[UFW BLOCK] IN=eth0 OUT= MAC=${hostMac}:86:dd ${ip} PROTO=TCP ${ports} WINDOW=1024 RES=0x00 SYN URGP=0`;
}

function icmpError(source: number, chance: Chance): string {
  const nested = `[SRC=192.168.10.11 DST=10.9.8.7 LEN=32 TOS=0x00 PREC=0x00 TTL=64 ID=${chance.below(65_536)} PROTO=UDP SPT=53 DPT=33434 LEN=12 ]`;
  const ip = `LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=${chance.below(65_536)}`;
  return `[UFW BLOCK] IN=eth0 OUT= MAC=${hostMac}:08:00 SRC=${address(source)} DST=192.168.10.11 ${ip} PROTO=ICMP TYPE=3 CODE=3 ${nested}`;
}

function arp(source: number): string {
  const payload = `MACSRC=52:54:00:66:66:66 IPSRC=${address(source)} MACDST=52:54:00:00:00:11 IPDST=192.168.50.11`;
  return `RULE 11 -- DENY IN=vk64 OUT= ARP HTYPE=1 PTYPE=0x0800 OPCODE=2 ${payload}`;
}
