// A plan that was kept, and what has happened since: it is carried out only where everything that it stands on is the same.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type GuestFacts, guestFacts } from '../../src/display/guest-facts.ts';
import type { LiveDisplay } from '../../src/display/live/display-facts.ts';
import { assertStillSo, readPlan, writePlan } from '../../src/display/live/saved-plan.ts';
import { type DisplayFacts, planDisplay, type Wish } from '../../src/display/plan.ts';
import { HostError } from '../../src/model/host-error.ts';
import { givenFacts } from './given-facts.ts';

const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-plan-'));
const file = join(folder, 'plan.json');
after(() => rmSync(folder, { recursive: true }));

const definition = `<domain type='kvm'><name>web</name><uuid>0b6c1a52-6d9b-4d51-9a35-64f1f5d0a001</uuid><os/>
  <devices><graphics type='spice' passwd='open-sesame'/><video><model type='qxl' vgamem='16384'/></video></devices>
</domain>`;

const debian: GuestFacts = {
  ...guestFacts(new Map()),
  release: '6.1.0-1-amd64',
  drivers: new Set(['qxl']),
  bootLoader: 'grub',
  readsDropIns: true,
  grubFiles: [{ path: '/etc/default/grub', text: 'GRUB_TIMEOUT=5\n' }],
};

function liveOf(more: Partial<DisplayFacts> = {}, text = definition): LiveDisplay {
  const facts = givenFacts(text, { guest: debian, ...more });
  return {
    uuid: facts.domain.uuid,
    guest: undefined,
    outside: { screenshot: () => assert.fail('no picture'), sendKeys: () => assert.fail('no keys') },
    facts,
  };
}

const wish: Wish = {
  monitors: [{ size: { width: 1920, height: 1080 }, side: 'right' }],
  aims: new Set(['grub', 'tty']),
  via: 'auto',
  inPlace: false,
};

function kept(): void {
  const live = liveOf();
  const plan = planDisplay(live.facts, wish);
  assert.deepEqual(
    plan.steps.map(({ kind }) => kind),
    ['definition', 'guest-file'],
  );
  writePlan(file, live, wish, plan, 'as it was shown\nfor people');
}

function carriedOut(live: LiveDisplay): void {
  const saved = readPlan(file);
  assertStillSo(file, saved, live, planDisplay(live.facts, saved.wish));
}

const guest = (more: Partial<GuestFacts>): LiveDisplay => liveOf({ guest: { ...debian, ...more } });
const grub = (text: string): LiveDisplay => guest({ grubFiles: [{ path: '/etc/default/grub', text }] });
const done = definition.replace("vgamem='16384'/>", "vgamem='16384'><resolution x='1920' y='1080'/></model>");

const rows: readonly (readonly [title: string, now: LiveDisplay, changed: RegExp | undefined])[] = [
  ['nothing', liveOf(), undefined],
  ['who looks', liveOf({ viewing: { spice: 1, vnc: 0, agentListens: true } }), undefined],
  ['which console is shown', guest({ activeConsole: 'tty2', gettys: [2] }), undefined],
  ['the definition, by a blank', liveOf({}, definition.replace('<os/>', '<os />')), /the definition of the domain/],
  ['a file', grub('GRUB_TIMEOUT=1\n'), /\/etc\/default\/grub in the guest/],
  ['a file that was not there', guest({ xorgFile: '' }), /90-bridgekeeper.conf in the guest/],
  ['a file that is gone', guest({ grubFiles: [] }), /\/etc\/default\/grub in the guest/],
  ['a kernel', guest({ release: '6.1.0-2-amd64' }), /the guest's kernel and its arguments/],
  ['a driver', guest({ drivers: new Set() }), /the guest's kernel and its arguments/],
  ['the boot loader', guest({ readsDropIns: false }), /the guest's boot loader/],
  ['it was stopped', liveOf({ running: undefined }), /the display devices that it runs with/],
  ['it was saved', liveOf({ managedSave: true }), /what its next start goes by/],
  ['QEMU', liveOf({ modelsHere: new Set(['vga']) }), /the display models of this host/],
  ['the guest fell silent', liveOf({ guest: undefined, silence: 'no agent' }), /whether the guest can be asked/],
  ['another guest', liveOf({}, definition.replace('0b6c', '0b6d')), /is for another guest/],
];

describe('a plan that was kept', () => {
  kept();

  for (const [title, now, changed] of rows) {
    test(`since then changed: ${title}`, () => {
      if (changed === undefined) return carriedOut(now);
      assert.throws(
        () => carriedOut(now),
        (error) => error instanceof HostError && error.code === 'plan-outdated' && changed.test(error.message),
      );
    });
  }

  test('what it wished is so already: nothing is left to do', () => {
    const [, step] = planDisplay(liveOf().facts, wish).steps;
    const text = step?.kind === 'guest-file' ? step.after : assert.fail('no file');
    const files = [...debian.grubFiles, { path: '/etc/default/grub.d/90-bridgekeeper.cfg', text }];
    carriedOut(liveOf({ guest: { ...debian, grubFiles: files } }, done));
  });

  test('it holds no password, and nobody else may read it', () => {
    assert.ok(!readFileSync(file, 'utf8').includes('open-sesame'));
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  test('its steps are not taken from the file', () => {
    const text = readFileSync(file, 'utf8');
    const sums = /"steps": "([0-9a-f]{64})"/.exec(text)?.[1] ?? assert.fail('no sum');
    writeFileSync(file, text.replace(sums, '0'.repeat(64)));
    assert.throws(() => carriedOut(liveOf()), /this program plans other steps now/);
    writeFileSync(file, text);
    carriedOut(liveOf());
  });

  for (const [title, text] of [
    ['nothing', ''],
    ['another JSON', '{"version":1}'],
    ['one with more in it', JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), run: 'reboot' })],
    ['one of a later version', readFileSync(file, 'utf8').replace('"version": 1', '"version": 2')],
    ['a size that nothing draws', readFileSync(file, 'utf8').replace('1920', '192000')],
  ] as const) {
    test(`no plan: ${title}`, () => {
      const other = join(folder, 'other.json');
      writeFileSync(other, text);
      assert.throws(() => readPlan(other), HostError);
    });
  }
});
