// Connections as `conntrack -L -o extended,id` lists them, for tests without a kernel.
import { type Ip, printIp } from '../../src/model/ip.ts';

export type Asked = {
  readonly from: Ip | string;
  readonly to: Ip | string;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | number;
  readonly sport?: number;
  readonly dport?: number;
  readonly type?: number;
  /** Where the destination is translated to, with its port. */
  readonly really?: readonly [ip: string, port: number];
  /** Whom the other side takes for the sender, where the source is translated. */
  readonly masked?: string;
  readonly zone?: number;
};

const numbers = { icmp: 1, tcp: 6, udp: 17 } as const;

export function trackedLine(asked: Asked, entry: number): string {
  const { protocol, sport = 40_000, dport = 0, type = 8, really, zone } = asked;
  const [from, to] = [text(asked.from), text(asked.to)];
  const [back, backPort] = really ?? [to, dport];
  const number = typeof protocol === 'number' ? protocol : numbers[protocol];
  const head = `ipv4     2 ${typeof protocol === 'number' ? 'unknown' : protocol}      ${number} 599`;
  const [there, answer] =
    protocol === 'icmp'
      ? [`type=${type} code=0 id=7`, `type=0 code=0 id=7`]
      : typeof protocol === 'number'
        ? ['', '']
        : [`sport=${sport} dport=${dport}`, `sport=${backPort} dport=${sport}`];
  const state = protocol === 'tcp' ? ' ESTABLISHED' : '';
  const tail = `mark=0${zone === undefined ? '' : ` zone=${zone}`} use=1 id=${entry}`;
  return `${head}${state} src=${from} dst=${to} ${there} src=${back} dst=${asked.masked ?? from} ${answer} [ASSURED] ${tail}`;
}

function text(ip: Ip | string): string {
  return typeof ip === 'string' ? ip : printIp(ip);
}
