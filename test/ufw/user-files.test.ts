// Where ufw kept the user's rules in its time: they are read there, and put back there when a rule was of no use.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { addRules, type EnablePlan } from '../../src/ufw/enable.ts';
import { readUfwFiles, readUserFiles } from '../../src/ufw/read-machine.ts';
import { needsUfw, UfwMachine } from './ufw-machine.ts';

/** ufw of old times, which writes a rule and then fails; a file in /run says where. */
const failing = 'folder=$(cat /run/folder); for f in "$folder"/user*.rules; do echo "# $*" >>"$f"; done; exit 1';

const plan: EnablePlan = {
  ssh: { sessions: [], listeners: [], idlePorts: [], pending: false },
  judged: [],
  missing: [['allow', '22/tcp']],
  states: { 4: { kind: 'absent' }, 6: { kind: 'absent' } },
};

suite("the places of the user's rules", { skip: needsUfw }, () => {
  let machine: UfwMachine;
  before(async () => {
    machine = await UfwMachine.make();
    for (const folder of ['/lib/ufw', '/var/lib']) machine.inServer('mount', ['-t', 'tmpfs', 'none', folder]);
    machine.inServer('mkdir', ['/var/lib/ufw']);
    machine.replaceUfw(failing);
  });
  after(() => machine?.end());

  const put = (path: string, text: string): string =>
    machine.inServer('sh', ['-c', 'printf "%s" "$2" >"$1"', 'sh', path, text]);
  const rulesIn = (folder: string) =>
    ['user.rules', 'user6.rules'].map((name) => machine.inServer('cat', [`${folder}/${name}`]));

  /** From the last place to the first: what stands in an earlier one counts, whatever was left in the others. */
  for (const folder of ['/var/lib/ufw', '/lib/ufw', '/etc/ufw']) {
    test(`${folder}: read there, and put back there`, async () => {
      if (folder === '/var/lib/ufw')
        for (const name of ['user.rules', 'user6.rules']) machine.removeFile(`/etc/ufw/${name}`);
      const texts = [`# four of ${folder} \u00e9\n`, `# six of ${folder}\n`];
      for (const [at, name] of ['user.rules', 'user6.rules'].entries()) put(`${folder}/${name}`, texts[at] ?? '');
      machine.write('/run/folder', folder);
      const files = await readUfwFiles(machine.access);
      const bytes = texts.map((text) => Buffer.from(text).toString('latin1'));
      assert.deepEqual([files[4].user, files[6].user], bytes);
      const paths = (await readUserFiles(machine.access)).map(({ path }) => path);
      assert.deepEqual(paths, [`${folder}/user.rules`, `${folder}/user6.rules`]);
      await assert.rejects(addRules(machine.access, plan), { code: 'ufw-failed' });
      assert.deepEqual(rulesIn(folder), texts);
    });
  }

  test('the other ufw did write', () => {
    assert.throws(() => machine.inServer('ufw', ['allow', '22/tcp']));
    assert.match(rulesIn('/etc/ufw')[0] ?? '', /# allow 22\/tcp\n$/);
  });
});
