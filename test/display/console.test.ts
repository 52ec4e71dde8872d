// The cells of the matrix on real QEMU with Debian's real display drivers: what is predicted is what the picture shows.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kmsModes } from '../../src/display/mode-lists.ts';
import { predictConsole, screenshots } from '../../src/display/predict.ts';
import { printSize } from '../../src/display/size.ts';
import { type Cell, cells } from './cells.ts';
import { MiniGuest, needsMiniGuests } from './guests/mini-guest.ts';

const predictedOf = ({ device, boot }: Cell) =>
  Array.from({ length: device.heads }, (_, head) => predictConsole(device, `Virtual-${head + 1}`, boot));

describe('what is predicted', () => {
  for (const cell of cells) {
    test(cell.name, () => {
      const predicted = predictedOf(cell);
      assert.deepEqual(
        screenshots(
          cell.device,
          predicted.map(({ size }) => ({ size, side: 'right' })),
        ).map(printSize),
        cell.pictures,
      );
      if (cell.modes !== undefined) assert.equal(kmsModes(cell.device, cell.boot.hearing).length, cell.modes);
    });
  }

  test('at least 24 cells of 5 devices, and shortfalls among them', () => {
    assert.ok(cells.length >= 24);
    assert.ok(new Set(cells.map(({ machine }) => /^[^,]+/.exec(machine.devices[1] ?? '')?.[0])).size >= 5);
    const short = cells.filter((cell) => predictedOf(cell).some(({ limit }) => limit !== undefined));
    assert.ok(short.length >= 6, `${short.length}`);
  });

  test('in every run some of each device boot, and at least 6 shortfalls', () => {
    const booted = cells.filter(({ boots }) => boots);
    const typesOf = (some: readonly Cell[]): ReadonlySet<string> => new Set(some.map(({ device }) => device.model));
    assert.deepEqual(typesOf(booted), typesOf(cells));
    const short = booted.filter((cell) => predictedOf(cell).some(({ limit }) => limit !== undefined));
    assert.ok(short.length >= 6, `${short.length}`);
  });
});

describe('what the picture shows', { skip: needsMiniGuests, concurrency: 2 }, () => {
  for (const cell of cells.filter(({ boots }) => boots)) {
    test(cell.name, async () => {
      const guest = await MiniGuest.boot(cell.machine);
      try {
        const heads = [...cell.pictures.keys()];
        const pictures: string[] = [];
        for (const head of heads) pictures.push(printSize((await guest.picture(head)) ?? assert.fail('no picture')));
        assert.deepEqual(pictures, cell.pictures);
        if (cell.modes === undefined) return;
        const [first] = guest.seen.connectors;
        assert.deepEqual(first?.modes, kmsModes(cell.device, cell.boot.hearing).map(printSize));
      } finally {
        await guest.close();
      }
    });
  }
});
