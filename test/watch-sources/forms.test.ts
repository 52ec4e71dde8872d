// The forms that sources write: bytes and lines in, parts out.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timeWithoutYear } from '../../src/watch/sources/calendar.ts';
import { parseDmesgLine } from '../../src/watch/sources/dmesg-line.ts';
import { unescapedDmesg, unescapedKmsg, unescapedSyslog } from '../../src/watch/sources/escapes.ts';
import { parseKmsgRecord } from '../../src/watch/sources/kmsg-record.ts';
import { type LineHead, LineHeads } from '../../src/watch/sources/line-head.ts';
import { lossOf, mayTellLoss } from '../../src/watch/sources/loss-words.ts';
import { copiesOf } from '../../src/watch/sources/older-copies.ts';
import { digestOf, stepBetween, tailLength } from '../../src/watch/sources/overlap.ts';
import { repeatOf } from '../../src/watch/sources/repeats.ts';
import { TextLines } from '../../src/watch/sources/text-lines.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('a record of /dev/kmsg', () => {
  const rows: readonly [
    raw: string,
    parts: readonly [sequence: number, us: number, facility: number, text: string] | undefined,
  ][] = [
    ['6,339,5140900,-;RULE 16 -- DENY IN=virbr6 \n', [339, 5_140_900, 0, 'RULE 16 -- DENY IN=virbr6 ']],
    ['12,7,0,-;from user space\n', [7, 0, 1, 'from user space']],
    ['36,7,0,-;authpriv is 4\n', [7, 0, 4, 'authpriv is 4']],
    ['4,8,1,-,caller=T1;IN=\n', [8, 1, 0, 'IN=']],
    ['6,9,2,c;a\n SUBSYSTEM=net\n DEVICE=n2\n', [9, 2, 0, 'a']],
    ['6,9,2,-;T\\xc3\\xbc \\x5cx41 \\x0a;x\n', [9, 2, 0, 'T\xc3\xbc \\x41 \n;x']],
    ['6,9,2,-;no end', [9, 2, 0, 'no end']],
    ['6,9007199254740993,2,-;x', undefined],
    ['', undefined],
    [' SUBSYSTEM=net', undefined],
    ['6,9,-;x\n', undefined],
    ['6,9,2,-', undefined],
    [',,,;', undefined],
  ];
  for (const [raw, parts] of rows) {
    it(JSON.stringify(raw), () => {
      const record = parseKmsgRecord(bytes(raw));
      const found = record && [record.sequence, record.us, record.facility, record.text.toString('latin1')];
      assert.deepEqual(found, parts);
    });
  }
});

describe('a line of dmesg -r', () => {
  const rows: readonly [raw: string, parts: readonly [us: number, facility: number, text: string] | undefined][] = [
    ['<4>[ 1830.195601] IN=a', [1_830_195_601, 0, 'IN=a']],
    ['<12>[    0.000000] x', [0, 1, 'x']],
    ['<4>[1245761.082097][ T123] x', [1_245_761_082_097, 0, 'x']],
    ['<4>[ 1.000000] \\x1b \\x41 \\', [1_000_000, 0, '\x1b \\x41 \\']],
    ['<12>[ 1.000000] <4>[ 2.000000] forged', [1_000_000, 1, '<4>[ 2.000000] forged']],
    ['<4>no stamp', undefined],
    ['[ 1.000000] no priority', undefined],
    ['', undefined],
  ];
  for (const [raw, parts] of rows) {
    it(JSON.stringify(raw), () => {
      const line = parseDmesgLine(bytes(raw));
      assert.deepEqual(line && [line.us, line.facility, line.text.toString('latin1')], parts);
    });
  }
});

describe('escapes are undone where the source makes them, and nowhere else', () => {
  const rows: readonly [undo: (text: Buffer) => Buffer, written: string, meant: string][] = [
    [unescapedKmsg, 'a\\x1b[31m\\x5c', 'a\x1b[31m\\'],
    [unescapedKmsg, 'a\\x5cx41', 'a\\x41'],
    [unescapedKmsg, 'a\\xZZ\\x1', 'a\\xZZ\\x1'],
    [unescapedDmesg, 'a\\x1b\\xff\\x41\\x5c', 'a\x1b\xff\\x41\\x5c'],
    [unescapedSyslog, 'a#033[31m#011#177#041 #12', 'a\x1b[31m\t\x7f#041 #12'],
    [unescapedSyslog, 'plain', 'plain'],
  ];
  for (const [undo, written, meant] of rows) {
    it(`${undo.name} ${JSON.stringify(written)}`, () => assert.equal(undo(bytes(written)).toString('latin1'), meant));
  }

  it('what the kernel escapes comes back as it was, whatever the bytes', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    // msg_add_ext_text() in kernel/printk/printk.c
    const written = [...all].map((byte) =>
      byte < 32 || byte >= 127 || byte === 0x5c
        ? `\\x${byte.toString(16).padStart(2, '0')}`
        : String.fromCharCode(byte),
    );
    assert.deepEqual(unescapedKmsg(bytes(written.join(''))), all);
  });
});

describe('what stands before the text of a saved line', () => {
  const notAfter = Date.UTC(2026, 10, 24, 12);
  const now = { notAfter: () => notAfter, zone: 0 };
  const at = (iso: string): number => Date.parse(iso);
  const text = '[UFW BLOCK] IN=eth0 OUT= SRC=1.2.3.4';
  const rows: readonly [line: string, head: Omit<LineHead, 'from'>, rest?: string][] = [
    [`Mar 17 13:21:53 mytux kernel: ${text}`, { wall: at('2026-03-17T13:21:53Z'), wallSpan: 999, kernel: true }],
    [
      `Apr  6 13:19:57 xxx kernel: [1245761.082097] ${text}`,
      { wall: at('2026-04-06T13:19:57Z'), wallSpan: 999, us: 1_245_761_082_097, kernel: true },
    ],
    [`Dec 31 23:59:59 h kernel: ${text}`, { wall: at('2025-12-31T23:59:59Z'), wallSpan: 999, kernel: true }],
    [`Nov 25 11:00:00 h kernel: ${text}`, { wall: at('2026-11-25T11:00:00Z'), wallSpan: 999, kernel: true }],
    [`Feb 29 10:00:00 h kernel: ${text}`, { wall: at('2024-02-29T10:00:00Z'), wallSpan: 999, kernel: true }],
    [`Mar 17 13:21:53.123456 h kernel: ${text}`, { wall: at('2026-03-17T13:21:53.123Z'), kernel: true }],
    [`Mar 17 13:21:53 kernel: ${text}`, { wall: at('2026-03-17T13:21:53Z'), wallSpan: 999, kernel: true }],
    [`Mar 17 13:21:53 h ${text}`, { wall: at('2026-03-17T13:21:53Z'), wallSpan: 999, kernel: false }],
    [`Mar 17 13:21:53 ${text}`, { wall: at('2026-03-17T13:21:53Z'), wallSpan: 999, kernel: false }],
    [
      `Mar 17 13:21:53 h alice: ${text}`,
      { wall: at('2026-03-17T13:21:53Z'), wallSpan: 999, kernel: false },
      `alice: ${text}`,
    ],
    [
      `2024-04-06T13:19:57.082097+02:00 h kernel: [12.000001] ${text}`,
      { wall: at('2024-04-06T11:19:57.082Z'), us: 12_000_001, kernel: true },
    ],
    [`2024-04-06T13:19:57+0200 h kernel: ${text}`, { wall: at('2024-04-06T11:19:57Z'), wallSpan: 999, kernel: true }],
    [`2024-04-06T13:19:57Z h kernel: ${text}`, { wall: at('2024-04-06T13:19:57Z'), wallSpan: 999, kernel: true }],
    [
      `Sun 2024-03-17 13:21:53 UTC h kernel: ${text}`,
      { wall: at('2024-03-17T13:21:53Z'), wallSpan: 999, kernel: true },
    ],
    [`1710678113.123456 h kernel: ${text}`, { wall: 1_710_678_113_123, kernel: true }],
    [`[ 1830.195601] ${text}`, { us: 1_830_195_601, kernel: true }],
    [`[ 1830.195601] h kernel: ${text}`, { us: 1_830_195_601, kernel: true }],
    [`<12>[ 1830.195601] ${text}`, { us: 1_830_195_601, facility: 1, kernel: true }],
    [`[ 1830.195601 <    0.000005>] ${text}`, { us: 1_830_195_601, kernel: true }],
    [`[<    0.000005>] ${text}`, { kernel: true }],
    [`kern  :warn  : [ 1830.195601] ${text}`, { us: 1_830_195_601, facility: 0, kernel: true }],
    [`kern  :warn  : [ 1830.195601] [  C1] ${text}`, { us: 1_830_195_601, facility: 0, kernel: true }],
    [`kern  :notice: ${text}`, { facility: 0, kernel: true }],
    [`user  :warn  : [ 1830.195601] ${text}`, { us: 1_830_195_601, facility: 1, kernel: false }],
    [
      `kern  :warn  : [Sun Nov 22 13:21:53 2026] ${text}`,
      { wall: Date.parse('Nov 22 13:21:53 2026'), wallSpan: 999, facility: 0, kernel: true },
    ],
    [
      `2024-04-06T13:19:57,082097+02:00 blocked ${text}`,
      { wall: at('2024-04-06T11:19:57.082Z'), kernel: true },
      `blocked ${text}`,
    ],
    [`2024-04-06T13:19:57.082097+02:00 h ${text}`, { wall: at('2024-04-06T11:19:57.082Z'), kernel: false }],
    [`[Nov22 13:21] ${text}`, { wall: at('2026-11-22T13:21:00Z'), wallSpan: 59_999, kernel: true }],
    [
      `kern  :info  : [Nov 2 13:21] ${text}`,
      { wall: at('2026-11-02T13:21:00Z'), wallSpan: 59_999, facility: 0, kernel: true },
    ],
    [`[  +0.000275] ${text}`, { kernel: true }],
    [`[ +12.000275] ${text}`, { kernel: true }],
    [`[  -0.000275] ${text}`, { kernel: true }],
    [`[ 1830.195601][    C1] ${text}`, { us: 1_830_195_601, kernel: true }],
    [`[ 1830.195601] [    C1] ${text}`, { us: 1_830_195_601, kernel: true }],
    [`[ 1830.195601] [T1234567] ${text}`, { us: 1_830_195_601, kernel: true }],
    [`[ 1830.195601] [T1] ${text}`, { us: 1_830_195_601, kernel: true }, `[T1] ${text}`],
    [`kern  :loud  : ${text}`, { kernel: false }, `kern  :loud  : ${text}`],
    [`moon  :warn  : ${text}`, { kernel: false }, `moon  :warn  : ${text}`],
    [`[Feb30 13:21] ${text}`, { kernel: false }, `[Feb30 13:21] ${text}`],
    [`4,12731,1830195601,-;${text}`, { us: 1_830_195_601, sequence: 12_731, facility: 0, kernel: true }],
    [text, { kernel: false }],
    ['Mar 17 13:61:53 h kernel: x', { kernel: false }, 'Mar 17 13:61:53 h kernel: x'],
    ['Feb 30 13:21:53 h kernel: x', { kernel: false }, 'Feb 30 13:21:53 h kernel: x'],
    ['', { kernel: false }, ''],
  ];
  for (const [line, wanted, rest = text] of rows) {
    it(line.slice(0, 60) || 'nothing', () => {
      const { from, ...head } = new LineHeads(now).read(bytes(line));
      assert.deepEqual({ ...head, rest: line.slice(from) }, { ...wanted, rest });
    });
  }

  it('years follow the order of the lines', () => {
    const heads = new LineHeads(now);
    const days = ['Nov 30', 'Dec 31', 'Jan  1', 'Feb 28', 'Mar  1', 'Nov 24'];
    const years = days.map((day) =>
      new Date(heads.read(bytes(`${day} 10:00:00 h kernel: x`)).wall ?? 0).getUTCFullYear(),
    );
    assert.deepEqual(years, [2025, 2025, 2026, 2026, 2026, 2026]);
  });

  it('wall time and stamp of imklog lead to one boot', () => {
    const heads = new LineHeads(now);
    const lines = [
      '13:19:57 [1245761.082097]',
      '13:21:03 [1245827.018789]',
      '13:21:16 [1245840.027789]',
      '13:22:26 [1245910.326051]',
    ];
    const bases = lines.map((line) => {
      const { wall = 0, us = 0 } = heads.read(bytes(`Apr  6 ${line.slice(0, 8)} xxx kernel: ${line.slice(9)} IN=`));
      return wall - us / 1000;
    });
    assert.ok(Math.max(...bases) - Math.min(...bases) < 1_000);
  });
});

describe('a time without a year', () => {
  const notAfter = Date.UTC(2026, 0, 2);
  const rows: readonly [month: number, day: number, previous: string | undefined, wanted: string | undefined][] = [
    [0, 2, undefined, '2026-01-02T00:00:00.000Z'],
    [0, 3, undefined, '2026-01-03T00:00:00.000Z'],
    [0, 4, undefined, '2025-01-04T00:00:00.000Z'],
    [11, 31, undefined, '2025-12-31T00:00:00.000Z'],
    [11, 31, '2024-06-01', '2024-12-31T00:00:00.000Z'],
    [0, 1, '2024-12-31', '2025-01-01T00:00:00.000Z'],
    [0, 1, '2025-12-31', '2026-01-01T00:00:00.000Z'],
    [1, 29, undefined, '2024-02-29T00:00:00.000Z'],
    [1, 30, undefined, undefined],
  ];
  for (const [month, day, previous, wanted] of rows) {
    it(`${month + 1}-${day} after ${previous ?? 'nothing'}`, () => {
      const bounds = { notAfter, zone: 0, ...(previous !== undefined && { previous: Date.parse(previous) }) };
      const ms = timeWithoutYear({ month, day, hour: 0, minute: 0 }, bounds);
      assert.equal(ms === undefined ? undefined : new Date(ms).toISOString(), wanted);
    });
  }
});

describe('repeats', () => {
  const line = '[UFW BLOCK] IN=eth0 OUT=';
  const long = `${'x'.repeat(900)} IN=`;
  const rows: readonly [text: string, previous: string | undefined, wanted: ReturnType<typeof repeatOf>][] = [
    [`message repeated 3 times: [ ${line}]`, undefined, { times: 3, text: line }],
    [`message repeated 2 times: [${line}]  `, undefined, { times: 2, text: line }],
    [`message repeated 2 times: [ ${long.slice(0, 799)}]`, long, { times: 2, text: long }],
    [`message repeated 2 times: [ ${long.slice(0, 799)}]`, line, { times: 2, text: long.slice(0, 799) }],
    ['last message repeated 4 times', line, { times: 4 }],
    ['last message repeated 1 time', line, { times: 1 }],
    ['last message repeated x times', line, undefined],
    ['message repeated 9999999999 times: [x]', line, undefined],
    [line, line, undefined],
  ];
  for (const [text, previous, wanted] of rows) {
    it(text.slice(0, 50), () => assert.deepEqual(repeatOf(text, previous), wanted));
  }
});

describe('many repeats', () => {
  it('are believed up to a number, and more with the lines that follow: a few words cannot fill the store', () => {
    const lines = new TextLines({ kernel: 2, other: 1 }, { notAfter: () => 1_700_000_000_000 });
    const line = Buffer.from('Mar 17 13:22:10 host kernel: message repeated 8000 times: [ [UFW BLOCK] IN=eth0 OUT= ]');
    const items = [...lines.items(line), ...lines.items(line), ...lines.items(line)];
    assert.equal(items.filter(({ kind }) => kind === 'record').length, 10_000 + 20);
    const gaps = items.flatMap((item) => (item.kind === 'gap' ? [item.lost] : []));
    assert.deepEqual(gaps, [{ atLeast: 24_000 - 10_020 - 7_990 }, { atLeast: 7_990 }]);
  });
});

describe('a file of lines of journalctl -o json', () => {
  it('is read as they are, trusted as far as the file is', () => {
    const json = (facility: number): Buffer =>
      Buffer.from(JSON.stringify({ _TRANSPORT: 'kernel', SYSLOG_FACILITY: `${facility}`, MESSAGE: 'A#041 IN=b' }));
    for (const [kernel, other] of [
      [2, 1],
      [0, 0],
    ] as const) {
      const lines = new TextLines({ kernel, other }, { notAfter: () => 1_700_000_000_000 });
      const items = [0, 1].flatMap((facility) => lines.items(json(facility)));
      assert.deepEqual(items, [
        { kind: 'record', trust: kernel, facility: 0, text: Buffer.from('A#041 IN=b') },
        { kind: 'record', trust: other, facility: 1, text: Buffer.from('A#041 IN=b') },
      ]);
    }
  });
});

describe('what daemons say of loss', () => {
  const rows: readonly [text: string, lost: ReturnType<typeof lossOf>][] = [
    ['Missed 17 kernel messages', { exact: 17 }],
    ['Forwarding to syslog missed 4 messages.', { exact: 4 }],
    ['imuxsock lost 42 messages from pid 812 due to rate-limiting', { exact: 42 }],
    ['imuxsock[/run/systemd/journal/syslog]: lost 5 messages from pid 1 due to rate-limiting', { exact: 5 }],
    ['imjournal: 712 messages lost due to rate-limiting', { exact: 712 }],
    ['/dev/kmsg buffer overrun, some messages lost.', 'unknown'],
    ['lost carrier on eth0', undefined],
    ['I missed you', undefined],
  ];
  for (const [text, lost] of rows) {
    it(text, () => {
      assert.deepEqual(lossOf(text), lost);
      assert.ok(lost === undefined || mayTellLoss(bytes(text)), 'looked at in the first place');
    });
  }
});

describe('a file and its older copies, newest first', () => {
  const rows: readonly [base: string, names: readonly string[], order: readonly string[]][] = [
    [
      'kern.log',
      ['kern.log.10.gz', 'kern.log', 'kern.log.2.gz', 'kern.log.1'],
      ['kern.log', 'kern.log.1', 'kern.log.2.gz', 'kern.log.10.gz'],
    ],
    [
      'kern.log',
      ['kern.log-20240406.xz', 'kern.log-20240413', 'kern.log'],
      ['kern.log', 'kern.log-20240413', 'kern.log-20240406.xz'],
    ],
    ['kern.log', ['kern.log.1.gz', 'kern.log.1', 'kern.log'], ['kern.log', 'kern.log.1', 'kern.log.1.gz']],
    [
      'messages',
      ['messages-20240406-1712361600.bz2', 'messages-2024-04-07.zst', 'messages'],
      ['messages', 'messages-2024-04-07.zst', 'messages-20240406-1712361600.bz2'],
    ],
    ['kern.log', ['kern.log.0', 'kern.log.old', 'kern.log.1.swp', 'mykern.log', 'kern.log.gz', 'kern.log1'], []],
    ['kern.log', [], []],
  ];
  for (const [base, names, order] of rows) {
    it(names.join(' ') || 'nothing', () =>
      assert.deepEqual(
        copiesOf(base, names).map(({ name }) => name),
        order,
      ),
    );
  }
});

describe('two looks at a ring', () => {
  const lines = (text: string): readonly string[] => [...text].map((letter) => digestOf(bytes(letter)));
  const rows: readonly [before: string, now: string, fresh: string, lost: boolean][] = [
    ['', 'abc', 'abc', false],
    ['', '', '', false],
    ['abc', 'abc', '', false],
    ['abc', 'abcde', 'de', false],
    ['abc', 'bcde', 'de', false],
    ['abc', 'cde', 'de', false],
    ['abc', 'def', 'def', true],
    ['abc', '', '', false],
    ['abc', 'xc', 'xc', true], // a c that is not ours: before it stands something else
    ['aaa', 'aaaa', 'a', false],
    ['xaa', 'xaaa', 'a', false],
    ['abcabc', 'abcabcabc', 'abc', false],
  ];
  for (const [before, now, fresh, lost] of rows) {
    it(`${before || '-'} | ${now || '-'}`, () => {
      const step = stepBetween(lines(before).slice(-tailLength), lines(now));
      assert.deepEqual({ fresh: now.slice(step.fresh), lost: step.lost }, { fresh, lost });
    });
  }
});
