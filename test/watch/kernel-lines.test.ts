// The running kernel writes lines about crafted frames, by every kind of log rule: every field of the event must be what
// the octets of the frame say.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { parseLogLine } from '../../src/watch/parse-line.ts';
import { missing } from '../simulate/log-bench.ts';
import { randomFrame } from '../simulate/random-frames.ts';
import { lockRing, type RingLock } from '../watch-sources/ring.ts';
import { fieldsOfFrame, type Seen } from './frame-fields.ts';
import { frames, type NamedFrame } from './frames.ts';
import { firstRule, KernelBench, rules, type Written } from './kernel-bench.ts';
import { wordsOfEvent } from './slow-reader.ts';

/** The ring holds some hundred lines, and others write into it too. */
const framesAtOnce = 8;

const randomCount = 160;

describe('lines of the running kernel', { skip: missing() }, () => {
  let bench: KernelBench;
  let lock: RingLock;
  let knowsAe = false;
  const counts = new Map<string, number>();
  const texts: string[] = [];

  before(async () => {
    lock = await lockRing();
    bench = await KernelBench.open();
    const ae = frames.find(({ name }) => name === 'TCP with all flags and AE') as NamedFrame;
    const lines = await bench.linesOf('s0', [ae.bytes], firstRule);
    knowsAe = lines.some(({ text }) => text.includes(' AE '));
  });
  after(async () => {
    await bench?.close();
    await lock?.release();
  });

  function assertLine({ rule, text }: Written, frame: Uint8Array, name: string): void {
    const event = parseLogLine(Buffer.from(text, 'utf8'));
    assert.ok(event !== undefined, text);
    const seen: Seen = { ...rule.place, knowsAe };
    const { partial, ...fields } = fieldsOfFrame(frame, seen);
    assert.deepEqual(wordsOfEvent(event), fields, `${name}: ${text}`);
    assert.equal(event.status, partial ? 'partial' : 'ok', `${name}: ${text}`);
    assert.deepEqual([event.prefix, event.ambiguous, event.damaged], [bench.prefix(rule.name), false, []]);
    counts.set(rule.name, (counts.get(rule.name) ?? 0) + 1);
    texts.push(text);
  }

  /** The line of the first rule begins what is written about the next frame. */
  async function assertFrames(ifname: string, first: string, list: readonly NamedFrame[]): Promise<void> {
    for (let from = 0; from < list.length; from += framesAtOnce) {
      const part = list.slice(from, from + framesAtOnce);
      const sent = part.map(({ bytes }) => bytes);
      const lines = await bench.linesOf(ifname, sent, first);
      let index = -1;
      for (const line of lines) {
        if (line.rule.name === first) index++;
        const frame = part[index];
        assert.ok(frame !== undefined, line.text);
        assertLine(line, frame.bytes, frame.name);
      }
      assert.equal(index, part.length - 1, `a frame of ${part.map(({ name }) => name)} was not logged`);
    }
  }

  test('crafted frames, seen by nft and iptables', () => assertFrames('s0', firstRule, frames));

  test('crafted frames through a bridge', () => assertFrames('s1', 'bridge pre', frames));

  test('random frames', async () => {
    const random = fc.sample(randomFrame, { numRuns: randomCount, seed: 20_260_101 });
    const list = random.map((bytes, index) => ({ name: `random ${index}`, bytes }));
    await assertFrames('s0', firstRule, list);
  });

  test('a packet of a process has its user', async () => {
    const address = { family: 4, bits: 0x0a07_0001n } as const;
    const lines = await bench.linesBy(() =>
      bench.agent.udpSend({ address, port: 4444, sport: 1234 }, { timeoutMs: 50 }),
    );
    const { frames: sent } = await bench.agent.captured();
    const frame = sent.find(({ bytes }) => Buffer.from(bytes).includes(Buffer.from('04d2115c', 'hex')));
    assert.ok(frame !== undefined);
    assert.equal(lines.length, 1);
    for (const line of lines) assertLine(line, frame.bytes, 'UDP of a process');
  });

  test('every rule and every kind of line occurred', () => {
    for (const { name } of rules) assert.ok((counts.get(name) ?? 0) > 0, `no line of ${name}`);
    const all = texts.join('\n');
    for (const kind of kinds) assert.ok(all.includes(kind), `no line with ${kind}`);
    assert.ok(texts.length > 1_000, `only ${texts.length} lines`);
  });
});

const kinds = [
  ...['PHYSIN=', 'PHYSOUT=', 'MAC=', 'MACSRC=', 'VPROTO=8100 VID=', 'MACPROTO=', 'UID=0 GID=0 ', 'MARK=0x1f '],
  ...[
    'ARP HTYPE=1 ',
    'ARP HTYPE=6 ',
    'OPCODE=2 INCOMPLETE [',
    'IPDST=',
    'TRUNCATED',
    'OPT (TRUNCATED)',
    'FRAG:TRUNCATED ',
  ],
  ...[
    ' CE ',
    ' DF ',
    ' MF ',
    'FRAG:16 ',
    'ID:0000002a ',
    'FRAG:0 INCOMPLETE ID:',
    'OPT ( ) ',
    'OPT ( AH SPI=0x',
    'OPT ( ESP SPI=0x',
  ],
  ...['AH INCOMPLETE [', 'ESP INCOMPLETE [', 'OPT ( AH )', 'OPT ( ESP )', 'OPT (0101', 'SEQ=4294967294 ACK=305419896 '],
  ...[
    'RES=0x00 URGP=',
    'PROTO=TCP INCOMPLETE [',
    'PROTO=UDP INCOMPLETE [',
    'PROTO=UDPLITE SPT=',
    'PROTO=132 ',
    'PROTO=2 ',
  ],
  ...[
    'PROTO=ESP SPI=',
    'PROTO=AH SPI=',
    'PROTO=AH INCOMPLETE',
    'PROTO=ICMPv6 ',
    'PROTO=59 ',
    'GATEWAY=',
    'PARAMETER=',
    'POINTER=',
  ],
  ...['[SRC=10.7', '[SRC=fd07', ' MTU=1400 ', '[TRUNCATED] ', 'TYPE=13 CODE=0 INCOMPLETE ['],
];
