// A whole Debian's own words and its definition -> the table of stages: what is so, what comes, and what keeps it from more.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseDomainDisplay } from '../../src/display/domain-video.ts';
import { guestFacts, readSections } from '../../src/display/guest-facts.ts';
import { printSize, type Size } from '../../src/display/size.ts';
import { stageRows } from '../../src/display/stages.ts';
import { root } from '../support/run-cli.ts';

const golden = join(root, 'test', 'golden', 'display');
const facts = guestFacts(readSections(readFileSync(join(golden, 'debian-12.txt'), 'utf8'), 'feed'));
const text = readFileSync(join(golden, 'debian-12.xml'), 'utf8');

function table(definition: string, pictures: readonly Size[]): readonly string[] {
  const read = parseDomainDisplay(definition);
  if ('fault' in read) return assert.fail(read.fault.message);
  const size = (one: Size | undefined) => (one === undefined ? '-' : printSize(one));
  return stageRows(read.value, facts, pictures).map(
    ({ stage, monitor, now, next, largest, limit }) =>
      `${stage} ${monitor}: ${size(now)} ${size(next)} ${size(largest)} ${limit?.text ?? ''}`,
  );
}

const desktop = { width: 2560, height: 1440 };

describe('stages of a Debian with a desktop', () => {
  test('it was asked while X ran', () => {
    assert.deepEqual(
      [facts.framebuffer, facts.activeConsole, facts.gettys, facts.sessions.map(({ user }) => user), facts.leftOut],
      ['qxldrmfb', 'tty7', [1], ['desk'], 0],
    );
    assert.equal(facts.sessions[0]?.outputs[0]?.modes.length, 26);
  });

  test('qxl with 16 MiB', () => {
    assert.deepEqual(table(text, [desktop]), [
      'boot menu 1: - 1920x1080 2560x1600 firmware draws on 16 MiB of qxl; 3840x2160 needs 31.6 MiB',
      'early boot 1: - 1920x1080 2560x1600 firmware draws on 16 MiB of qxl; 3840x2160 needs 31.6 MiB',
      'console 1: 1920x1080 1920x1080 2560x1600 vgamem is 16 MiB; 4096x2160 needs 33.8 MiB',
      'session 1: 1920x1080 - 2560x1600 vgamem is 16 MiB; 4096x2160 needs 33.8 MiB',
    ]);
  });

  test('64 MiB: the lists end, nothing keeps it from more', () => {
    const more = text.replace("vgamem='16384'", "vgamem='65536'").replace("ram='65536'", "ram='262144'");
    assert.notEqual(more, text);
    assert.deepEqual(
      table(more, [desktop]).filter((line) => line.startsWith('console')),
      ['console 1: 1920x1080 1920x1080 4096x2160 '],
    );
  });

  test('16 heads of qxl are the four connectors of its driver', () => {
    const rows = table(text.replace(/ heads='\d+'/, " heads='16'"), [desktop]);
    assert.equal(rows.filter((line) => line.startsWith('console')).length, 4);
  });
});
