import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type KernelLog,
  KernelLogOverrun,
  type KernelRecord,
  linesBetween,
  openKernelLog,
  parseKernelRecord,
} from '../../src/lab/kernel-log.ts';
import { buildScene, type Lab } from '../../src/lab/namespaces.ts';
import { joinLabs, type Membership } from '../../src/lab/registry.ts';
import { parseIp } from '../../src/model/ip.ts';
import { assertPrompt } from '../support/slowness.ts';
import { skipWithoutRoot as skip } from './root.ts';
import { guestAddress, guestName, linkedBridges } from './scenes.ts';

describe('a record of /dev/kmsg', () => {
  const rows: readonly [raw: string, record: KernelRecord | undefined][] = [
    [
      '6,339,5140900,-;RULE 16 -- DENY IN=virbr6 OUT=virbr6 \n',
      { sequence: 339, us: 5_140_900, facility: 0, level: 6, text: 'RULE 16 -- DENY IN=virbr6 OUT=virbr6 ' },
    ],
    ['12,7,0,-;from user space\n', { sequence: 7, us: 0, facility: 1, level: 4, text: 'from user space' }],
    ['4,8,1,-,caller=T1;IN=\n', { sequence: 8, us: 1, facility: 0, level: 4, text: 'IN=' }],
    ['6,9,2,c;a\n SUBSYSTEM=net\n DEVICE=n2\n', { sequence: 9, us: 2, facility: 0, level: 6, text: 'a' }],
    ['6,9,2,-;T\\xc3\\xbcr \\x5cx41 \\x0a;\n', { sequence: 9, us: 2, facility: 0, level: 6, text: 'Tür \\x41 \n;' }],
    ['', undefined],
    ['6,9,-;x\n', undefined],
  ];
  for (const [raw, record] of rows) {
    it(JSON.stringify(raw), () => assert.deepEqual(parseKernelRecord(Buffer.from(raw, 'latin1')), record));
  }
});

describe('lines between two marks', () => {
  const log = (sequence: number, text: string, facility = 0) => ({ sequence, us: 0, facility, level: 6, text });
  const records = [
    log(1, 'IN=a OUT='),
    log(2, 'mark', 1),
    log(3, 'IN=b OUT='),
    log(4, 'br0: port 1(vk63) entered forwarding state'),
    log(5, 'forged by a program: IN=c OUT=', 1),
    log(6, 'RULE 2 -- DENY IN= OUT=vmh2 '),
    log(7, 'mark', 1),
    log(8, 'IN=d OUT='),
  ];
  const sequences = (lines: readonly KernelRecord[]) => lines.map(({ sequence }) => sequence);

  it('are those of the kernel that a LOG rule wrote', () => {
    assert.deepEqual(sequences(linesBetween(records, { sequence: 2 }, { sequence: 7 })), [3, 6]);
  });

  it('are refused when any record between is lost, with their number', () => {
    const holed = records.filter(({ sequence }) => sequence !== 4 && sequence !== 5);
    assert.throws(
      () => linesBetween(holed, { sequence: 2 }, { sequence: 7 }),
      (error) => error instanceof KernelLogOverrun && error.code === 'kernel-log-overrun' && error.lost === 2,
    );
  });

  it('do not mind what was lost elsewhere', () => {
    const holed = records.filter(({ sequence }) => sequence !== 1 && sequence !== 8);
    assert.deepEqual(sequences(linesBetween(holed, { sequence: 2 }, { sequence: 7 })), [3, 6]);
  });
});

describe('the kernel log of a lab', { skip }, () => {
  let membership: Membership;
  let lab: Lab;
  let log: KernelLog;
  const prefix = `klog${process.pid} `;
  const address = parseIp(guestAddress(1)) ?? { family: 4, bits: 0n };
  const ping = (ident: number) => lab.node(guestName(0)).ping({ address, ident, sequence: 1 });
  const own = (lines: readonly KernelRecord[]) => lines.filter(({ text }) => text.startsWith(prefix));
  const idents = (lines: readonly KernelRecord[]) => own(lines).map(({ text }) => / ID=(\d+) SEQ=/.exec(text)?.[1]);

  before(async () => {
    membership = await joinLabs();
    lab = await buildScene(linkedBridges(2, 2));
    const rule = ['iptables', '-A', 'FORWARD', '-p', 'icmp', '--icmp-type', '8', '-j', 'LOG', '--log-prefix', prefix];
    await lab.node('host').output(rule);
    log = openKernelLog();
  });
  after(async () => {
    log?.close();
    await lab?.close();
    await membership?.leave();
  });

  it('has a line for each bridge that a ping crosses, between its marks', async () => {
    const { firstIdent } = membership.slot;
    const marks = [await log.mark()];
    for (const ident of [firstIdent, firstIdent + 1]) {
      assert.ok((await ping(ident)).answered);
      marks.push(await log.mark());
    }
    const [first, second, third] = marks;
    assert.ok(first && second && third);
    assert.deepEqual(idents(log.linesBetween(first, second)), [`${firstIdent}`, `${firstIdent}`]);
    assert.deepEqual(idents(log.linesBetween(second, third)), [`${firstIdent + 1}`, `${firstIdent + 1}`]);
    const [line, next] = own(log.linesBetween(first, third));
    assert.match(line?.text ?? '', /IN=tbr0 OUT=tbr0 PHYSIN=vk0 PHYSOUT=l0a MAC=.* PROTO=ICMP TYPE=8 CODE=0 /);
    assert.match(next?.text ?? '', /IN=tbr1 OUT=tbr1 PHYSIN=l0b PHYSOUT=vk1 /);
    assert.equal(line?.facility, 0);
    assert.ok((next?.us ?? 0) >= (line?.us ?? Number.POSITIVE_INFINITY));
    log.forget(second);
    assert.equal(own(log.linesBetween(second, third)).length, 2);
  });

  it('can be marked more often than one descriptor may write', async () => {
    const marks = await Promise.all(Array.from({ length: 40 }, () => log.mark()));
    assert.equal(new Set(marks.map(({ sequence }) => sequence)).size, 40);
  });

  it('waits for lines that are still to come', async () => {
    const mark = await log.mark();
    const waiting = log.linesUntil(mark, (lines) => own(lines).length >= 4, { timeoutMs: 60_000 });
    await ping(1);
    await ping(2);
    assert.equal(own(await waiting).length, 4);
    const start = performance.now();
    assert.equal(own(await log.linesUntil(mark, (lines) => own(lines).length > 4, { timeoutMs: 50 })).length, 4);
    assertPrompt(performance.now() - start, 1_000);
  });
});
