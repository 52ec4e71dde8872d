import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { cvt, modelineWords, refreshOf } from '../../src/display/cvt.ts';

// size; normal: clock, horizontal start, end, total, vertical start, end, total; reduced: the same. From xcvt 0.1.2.
const vectors = `
640x480      23.75 664 720 800    483 487 500     23.50 688 720 800    483 487 494
800x600      38.25 832 912 1024   603 607 624     35.50 848 880 960    603 607 618
1024x768     63.50 1072 1176 1328 771 775 798     56.00 1072 1104 1184 771 775 790
1280x720     74.50 1344 1472 1664 723 728 748     63.75 1328 1360 1440 723 728 741
1280x800     83.50 1352 1480 1680 803 809 831     71.00 1328 1360 1440 803 809 823
1368x768     85.25 1440 1576 1784 771 781 798     72.25 1416 1448 1528 771 781 790
1440x900    106.50 1528 1672 1904 903 909 934     88.75 1488 1520 1600 903 909 926
1600x900    118.25 1696 1856 2112 903 908 934     97.50 1648 1680 1760 903 908 926
1680x1050   146.25 1784 1960 2240 1053 1059 1089 119.00 1728 1760 1840 1053 1059 1080
1920x1080   173.00 2048 2248 2576 1083 1088 1120 138.50 1968 2000 2080 1083 1088 1111
1920x1200   193.25 2056 2256 2592 1203 1209 1245 154.00 1968 2000 2080 1203 1209 1235
2560x1440   312.25 2752 3024 3488 1443 1448 1493 241.50 2608 2640 2720 1443 1448 1481
2560x1600   348.50 2760 3032 3504 1603 1609 1658 268.50 2608 2640 2720 1603 1609 1646
3440x1440   419.50 3696 4064 4688 1443 1453 1493 319.75 3488 3520 3600 1443 1453 1481
3840x2160   712.75 4160 4576 5312 2163 2168 2237 533.00 3888 3920 4000 2163 2168 2222
5120x2880  1276.50 5560 6128 7136 2883 2888 2982 938.25 5168 5200 5280 2883 2888 2962`
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));

describe('CVT', () => {
  for (const [size = '', ...numbers] of vectors) {
    const [width, height] = size.split('x').map(Number) as [number, number];
    for (const [blanking, wanted, name, flags] of [
      ['normal', numbers.slice(0, 7), `${size}_60.00`, ['-hsync', '+vsync']],
      ['reduced', numbers.slice(7), `${size}R`, ['+hsync', '-vsync']],
    ] as const) {
      test(`${size} ${blanking}`, () => {
        const [clock = '', hs, he, ht, vs, ve, vt] = wanted;
        const words = [name, clock, `${width}`, hs, he, ht, `${height}`, vs, ve, vt, ...flags];
        assert.deepEqual(modelineWords(cvt(width, height, 60, blanking)), words);
      });
    }
  }

  test('all 32 vectors are there', () => assert.equal(vectors.length * 2, 32));

  test('1366 pixels become 1368, and the picture keeps its rate within half a percent', () => {
    const mode = cvt(1366, 768, 60, 'normal');
    assert.equal(mode.horizontal.shown, 1368);
    assert.ok(Math.abs(refreshOf(mode) - 60) < 0.3);
  });
});

const hasCvt = (() => {
  try {
    execFileSync('cvt', ['640', '480']);
    return true;
  } catch {
    return false;
  }
})();

type Asked = readonly [width: number, height: number, hz: number, blanking: 'normal' | 'reduced'];

/** What `cvt` says, as the words behind `Modeline`; one shell asks for all. */
function references(asked: readonly Asked[]): readonly (readonly string[])[] {
  const lines = asked.map(([w, h, hz, blanking]) => `${blanking === 'reduced' ? '-r ' : ''}${w} ${h} ${hz}`);
  const script = 'while read -r words; do cvt $words; done';
  const text = execFileSync('sh', ['-c', script], { input: `${lines.join('\n')}\n`, encoding: 'utf8' });
  const modes = text.split('\n').filter((line) => line.startsWith('Modeline'));
  return modes.map((line) => line.replace('Modeline', '').replaceAll('"', '').trim().split(/\s+/));
}

function compare(asked: readonly Asked[]): void {
  const wanted = references(asked);
  assert.equal(wanted.length, asked.length);
  for (const [at, one] of asked.entries()) assert.deepEqual(modelineWords(cvt(...one)), wanted[at]);
}

const heights = [480, 600, 720, 768, 800, 900, 1024, 1050, 1080, 1200, 1440, 1600, 2160, 2880];
const rates = [24, 30, 50, 75, 85, 120];

/** Every width with every height and rate is 16,000 calls of cvt: BRIDGEKEEPER_FULL=1. */
const isFull = process.env.BRIDGEKEEPER_FULL === '1';

/** Of the widths those that fall to one of so many turns: all of them together ask for every width. */
function share(widths: readonly number[], turn: number, turns: number): readonly number[] {
  return isFull ? widths : widths.filter((_width, at) => at % turns === turn);
}

describe(`every width from 640 to 5120 in steps of 8, ${isFull ? 'each in every way' : 'in turns'}, as Debian's cvt says`, {
  skip: hasCvt ? false : 'cvt is not there (package xcvt)',
}, () => {
  const widths = Array.from({ length: 561 }, (_, at) => 640 + 8 * at);
  for (const [turn, height] of heights.entries()) {
    for (const blanking of ['normal', 'reduced'] as const) {
      test(`${height} lines, ${blanking}`, () =>
        compare(share(widths, turn, heights.length).map((width) => [width, height, 60, blanking])));
    }
  }

  const some = widths.filter((width) => width % 64 === 0);
  for (const [turn, hz] of rates.entries()) {
    test(`${hz} Hz`, () => compare(share(some, turn, rates.length).map((width) => [width, 1080, hz, 'normal'])));
  }
});
