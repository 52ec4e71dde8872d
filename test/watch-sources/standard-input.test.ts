// Standard input: saved lines of any form, and the journal's export, with all that may stand in it.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { ExportReader } from '../../src/watch/sources/export-format.ts';
import { missedId } from '../../src/watch/sources/journal-entry.ts';
import { journalJsonEntry } from '../../src/watch/sources/journal-json.ts';
import { standardInput } from '../../src/watch/sources/standard-input.ts';
import { Random } from '../kernel/random.ts';
import { type Collected, collect } from './collected.ts';

function read(pieces: readonly (string | Buffer)[]): Promise<Collected> {
  const input = Readable.from(
    pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)),
  );
  return collect(standardInput({ input, now: () => Date.UTC(2026, 10, 24) }));
}

const boot = '0123456789abcdef0123456789abcdef';

/** One entry as `journalctl -o export` writes it. */
function entry(fields: Readonly<Record<string, string | Buffer>>): Buffer {
  const parts = Object.entries(fields).map(([name, value]) => {
    if (typeof value === 'string') return Buffer.from(`${name}=${value}\n`, 'latin1');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(value.length));
    return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')]);
  });
  return Buffer.concat([...parts, Buffer.from('\n')]);
}

function kernelEntry(message: string | Buffer, more: Readonly<Record<string, string>> = {}): Buffer {
  return entry({
    __CURSOR: 's=1;i=2;b=3',
    __REALTIME_TIMESTAMP: '1795480077454027',
    __MONOTONIC_TIMESTAMP: '6326032125',
    _BOOT_ID: boot,
    _TRANSPORT: 'kernel',
    SYSLOG_FACILITY: '0',
    _SOURCE_MONOTONIC_TIMESTAMP: '6326030928',
    MESSAGE: message,
    ...more,
  });
}

describe('lines on standard input', () => {
  it('are records of no trust, in whatever pieces they come, the last one without an end too', async () => {
    const lines = [
      'Mar 17 13:21:53 h kernel: A IN=eth0',
      '[    1.000002] B IN=eth0',
      '4,5,3,-;C IN=eth0',
      'D IN=eth0',
      'nothing',
    ];
    const whole = lines.join('\n');
    const { records, texts, batches } = await read([whole.slice(0, 20), whole.slice(20, 45), whole.slice(45)]);
    assert.deepEqual(texts, ['A IN=eth0', 'B IN=eth0', 'C IN=eth0', 'D IN=eth0']);
    assert.deepEqual(
      records.map(({ trust }) => trust),
      [0, 0, 0, 0],
    );
    assert.deepEqual(
      records.map(({ us }) => us),
      [undefined, 1_000_002, 3, undefined],
    );
    assert.deepEqual(batches.map(({ reread = false }) => reread).indexOf(true), 0, 'nobody knows what came before');
  });

  it('may be none at all', async () => assert.deepEqual((await read([])).items, []));

  it('may be garbage', async () => {
    const random = new Random(1);
    const garbage = Buffer.from(Array.from({ length: 100_000 }, () => random.between(0, 255)));
    await read([garbage, 'x'.repeat(2_000_000), '\n', garbage]);
  });
});

describe('a journal on standard input', () => {
  it("gives the kernel's messages and what journald says of loss", async () => {
    const { items, texts } = await read([
      kernelEntry('[UFW BLOCK] IN=eth0 '),
      kernelEntry(Buffer.from('x[UFW\x1b\xff] IN=a=\n', 'latin1')),
      kernelEntry('usb 1-1: new device'),
      kernelEntry('user IN=eth0', { SYSLOG_FACILITY: '1' }),
      entry({
        __CURSOR: 'c',
        _TRANSPORT: 'driver',
        MESSAGE_ID: missedId,
        MESSAGE: 'Missed 17 kernel messages',
        __REALTIME_TIMESTAMP: '5000000',
      }),
      entry({ __CURSOR: 'c', _TRANSPORT: 'journal', MESSAGE_ID: missedId, MESSAGE: 'Missed 99 kernel messages' }),
      entry({ __CURSOR: 'c', _TRANSPORT: 'syslog', MESSAGE: 'forged IN=eth0' }),
    ]);
    assert.deepEqual(texts, ['[UFW BLOCK] IN=eth0 ', 'x[UFW\x1b\xff] IN=a=\n', 'user IN=eth0']);
    const [first, , , gap] = items;
    assert.deepEqual(
      { ...first, text: '' },
      {
        kind: 'record',
        trust: 0,
        epoch: boot,
        us: 6_326_030_928,
        facility: 0,
        text: '',
        wall: Math.round((1_795_480_077_454_027 - (6_326_032_125 - 6_326_030_928)) / 1000),
      },
    );
    assert.ok(gap?.kind === 'gap');
    assert.deepEqual([gap.lost, gap.reason, gap.said], [{ exact: 17 }, 'missed', 'Missed 17 kernel messages']);
    assert.equal(items.length, 4);
  });

  it('is read alike in pieces of any size', async () => {
    const whole = Buffer.concat([
      kernelEntry('A IN=1'),
      kernelEntry(Buffer.from('B IN=2\n\nMESSAGE=C IN=3\n')),
      kernelEntry('D IN=4'),
    ]);
    for (const size of [9, 10, 11, 64, 100, 1000]) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
        whole.subarray(at * size, (at + 1) * size),
      );
      assert.deepEqual((await read(pieces)).texts, ['A IN=1', 'B IN=2\n\nMESSAGE=C IN=3\n', 'D IN=4'], `${size}`);
    }
  });

  it('is given up where it is none any more', async () => {
    const { findings, texts } = await read([
      kernelEntry('A IN=1'),
      Buffer.from('MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff', 'latin1'),
    ]);
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['stdin-damaged'],
    );
    assert.deepEqual(texts, ['A IN=1']);
  });
});

describe('lines of journalctl -o json', () => {
  const fields = {
    __CURSOR: 's=1;i=2;b=3',
    __REALTIME_TIMESTAMP: '1795480077454027',
    __MONOTONIC_TIMESTAMP: '6326032125',
    _BOOT_ID: boot,
    _TRANSPORT: 'kernel',
    SYSLOG_FACILITY: '0',
    _SOURCE_MONOTONIC_TIMESTAMP: '6326030928',
  };
  const json = (more: Readonly<Record<string, unknown>>): string => `${JSON.stringify({ ...fields, ...more })}\n`;

  it('give the records that the export gives', async () => {
    const texts = ['[UFW BLOCK] IN=eth0 ', 'x[UFW\x1b\xff] IN=a="\\ ', 'T\xc3\xbcr IN=b '];
    const byExport = await read(texts.map((text) => kernelEntry(Buffer.from(text, 'latin1'))));
    const asJson = ['[UFW BLOCK] IN=eth0 ', [...Buffer.from(texts[1] ?? '', 'latin1')], 'T\u00fcr IN=b '];
    const byJson = await read(asJson.map((MESSAGE) => Buffer.from(json({ MESSAGE }))));
    assert.equal(byJson.records.length, 3);
    assert.deepEqual(byJson.items, byExport.items);
  });

  it('among others, of the kernel only, and whole', async () => {
    const { records, texts, items } = await read([
      json({ MESSAGE: 'usb 1-1: new device' }),
      json({ MESSAGE: 'A IN=1', SYSLOG_FACILITY: '1' }),
      json({ MESSAGE: 'forged IN=1', _TRANSPORT: 'syslog' }),
      json({ MESSAGE: ['B IN=1', 'C IN=1'] }),
      json({ MESSAGE: null, NOTE: 'IN=1' }),
      json({ MESSAGE: [1, 256, 'IN=1'] }),
      json({ MESSAGE: { IN: 'IN=1' } }),
      json({ MESSAGE: 'cut IN=1 OUT= SRC=1.2.3.4' }).slice(0, -5),
      '\n[    1.000002] D IN=1\n',
      '{"MESSAGE" IN=1\n',
      json({ _TRANSPORT: 'driver', MESSAGE_ID: missedId, MESSAGE: 'Missed 17 kernel messages' }),
    ]);
    assert.deepEqual(texts, ['A IN=1', 'B IN=1', 'D IN=1']);
    assert.deepEqual(
      records.map(({ trust }) => trust),
      [0, 0, 0],
    );
    assert.deepEqual(
      items.flatMap((item) => (item.kind === 'gap' ? [item.lost] : [])),
      [{ exact: 17 }],
    );
  });

  it('of any other form are none, and harm nobody', () => {
    for (const line of [
      '{"MESSAGE"',
      '{"__CURSOR":[]}',
      '{"MESSAGE":[[[[]]]]}',
      '{"MESSAGE":{}}',
      '{"MESSAGE":[[1,2],[3]]}',
    ])
      assert.doesNotThrow(() => journalJsonEntry(Buffer.from(line)), line);
    assert.deepEqual(journalJsonEntry(Buffer.from('{"MESSAGE":[[1,2],[3]]}'))?.MESSAGE, Buffer.from([1, 2]));
  });
});

describe('the export format', () => {
  it('any bytes are entries or none', () => {
    const random = new Random(7);
    let damaged = 0;
    for (let run = 0; run < 2_000; run++) {
      const bytes = Buffer.concat([kernelEntry('A IN=1'), kernelEntry(Buffer.from('B'))]);
      for (let change = random.between(1, 5); change > 0; change--)
        bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
      const entries = new ExportReader(['MESSAGE']).accept(bytes);
      if (entries === undefined) damaged++;
      else assert.ok(entries.length <= 4);
    }
    assert.ok(damaged > 0);
  });
});
