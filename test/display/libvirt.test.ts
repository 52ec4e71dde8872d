// The commands on a real libvirtd, with guests that boot a real kernel: what is planned, set, seen in the picture, and put
// back to the last byte.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, type Namespace } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { program as programFile } from '../support/run-cli.ts';
import { miniGuestFiles, needsMiniGuests } from './guests/mini-guest.ts';

const virsh = ['-q', '-c', 'qemu:///system'];
const hostile = 'x"; touch pwned; #';

describe('displays of libvirt', { skip: needsLibvirt || needsMiniGuests }, () => {
  let host: Namespace;
  let program: Resident;
  let files: string;

  const run = (...argv: readonly string[]) => program.run(['display', ...argv]);
  const dump = async (name: string) =>
    (await mustRun(host, 'virsh', [...virsh, 'dumpxml', name, '--inactive', '--security-info'])).stdout;

  const definition = (name: string, video: string) => `<domain type='qemu'>
  <name>${name.replaceAll('"', '&quot;')}</name>
  <description>${'&lt;video&gt; \u2028\u0085'.repeat(70_000)}</description>
  <memory unit='MiB'>256</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${files}/vmlinux</kernel><initrd>${files}/initrd.img</initrd>
    <cmdline>console=tty0 quiet mitigations=off</cmdline></os>
  <cpu mode='custom' match='exact'><model>Westmere</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='/run/serial'/><target port='0'/></serial>
    <graphics type='spice' passwd='secret'><listen type='none'/></graphics>
    ${video}
    <memballoon model='none'/>
  </devices>
</domain>`;

  async function define(name: string, video: string): Promise<void> {
    await mustRun(host, 'tee', ['/run/domain.xml'], definition(name, video));
    await mustRun(host, 'virsh', [...virsh, 'define', '/run/domain.xml']);
  }

  async function startAndWait(name: string): Promise<void> {
    const serial = `/proc/${host.pid}/root/run/serial`;
    rmSync(serial, { force: true });
    await mustRun(host, 'virsh', [...virsh, 'start', name]);
    for (let turn = 0; turn < 600; turn++, await pause(500)) {
      if (existsSync(serial) && readFileSync(serial, 'latin1').includes('READY')) return;
    }
    assert.fail('the guest did not come up');
  }

  before(async () => {
    files = miniGuestFiles();
    host = await freshLibvirt();
    program = new Resident(['nsenter', '-n', '-m', '-p', '-t', `${host.pid}`, '--']);
    await define('desk', "<video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1'/></video>");
    await define('dark', "<video><model type='cirrus'/></video>");
    await define(hostile, "<video><model type='virtio' heads='1'/></video>");
  });
  after(async () => {
    await program?.close();
    await host?.close();
  });

  test('a guest that does not run: what its next start shows', async () => {
    const { code, stdout, stderr } = await run('inspect', 'desk');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^desk: qxl ram 64 MiB vram 64 MiB vgamem 16 MiB, bios; it does not run\n/);
    assert.match(stdout, /^console +1 +- +1024x768 /m);
  });

  test('an unknown guest is told with what there is', async () => {
    const { code, stderr } = await run('inspect', 'dusk');
    assert.equal(code, 2);
    assert.match(stderr, /libvirt has no guest "dusk"; did you mean "desk"\?/);
  });

  test('what libvirt would refuse is said before', async () => {
    const { code, stdout } = await run('plan', 'dark', '--monitor', '1024x768', '--for', 'tty');
    assert.equal(code, 2);
    assert.match(stdout, /impossible \(tty\): cirrus takes no resolution/);
  });

  test('a size beyond the memory comes with the memory', async () => {
    const { code, stdout } = await run('plan', 'desk', '--monitor', '3840x2160', '--for', 'tty', '-o', 'json');
    assert.equal(code, 0);
    const [step] = JSON.parse(stdout).steps;
    assert.match(step.after, /vgamem='32768'/);
    assert.match(step.after, /<resolution x='3840' y='2160'\/>/);
  });

  test('set, seen, set again, rolled back', async () => {
    const before = await dump('desk');
    await startAndWait('desk');
    const early = await run('verify', 'desk', '--expect', '1920x1080');
    assert.deepEqual([early.code, early.stdout], [3, 'other picture: 1024x768, expected 1920x1080\n']);

    const set = await run('set', 'desk', '--monitor', '1920x1080', '--for', 'tty', '--state', '/run/state');
    assert.deepEqual(
      [set.code, set.stdout],
      [0, '1 changed; takes effect with: cold restart (--restart does it)\n'],
      set.stderr,
    );
    assert.match(await dump('desk'), /passwd='secret'/);
    const again = await run('set', 'desk', '--monitor', '1920x1080', '--for', 'tty', '--state', '/run/state');
    assert.deepEqual(
      [again.code, again.stdout],
      [0, 'nothing changed; takes effect with: cold restart (--restart does it)\n'],
    );

    const waiting = await run('verify', 'desk', '--state', '/run/state');
    assert.deepEqual([waiting.code, waiting.stdout], [3, 'restart pending: 1024x768, expected 1920x1080\n']);

    await mustRun(host, 'virsh', [...virsh, 'destroy', 'desk']);
    await startAndWait('desk');
    const third = await run('set', 'desk', '--monitor', '1920x1080', '--for', 'tty', '--state', '/run/state');
    assert.deepEqual([third.code, third.stdout], [0, 'nothing to do: it is so already\n']);
    const seen = await run('verify', 'desk', '--state', '/run/state', '--png', '/run/picture');
    assert.deepEqual([seen.code, seen.stdout], [0, 'as expected: 1920x1080, expected 1920x1080\n'], seen.stderr);
    await mustRun(host, 'virsh', [...virsh, 'destroy', 'desk']);

    const back = await run('rollback', 'desk', '--state', '/run/state');
    assert.deepEqual([back.code, back.stdout], [0, '1 undone\n'], back.stderr);
    assert.equal(await dump('desk'), before);
    assert.equal((await run('rollback', 'desk', '--state', '/run/state')).stdout, 'nothing was set on this guest\n');
  });

  test('a definition that somebody changed since is not overwritten', async () => {
    await mustRun(host, process.execPath, [
      programFile,
      'display',
      'set',
      'desk',
      '--monitor',
      '1280x1024',
      '--for',
      'tty',
      '--state',
      '/run/state',
    ]);
    const changed = (await dump('desk')).replace("y='1024'", "y='960'");
    await mustRun(host, 'tee', ['/run/domain.xml'], changed);
    await mustRun(host, 'virsh', [...virsh, 'define', '/run/domain.xml']);
    const { code, stderr } = await run('rollback', 'desk', '--state', '/run/state');
    assert.equal(code, 6, stderr);
    assert.match(stderr, /not as this program left it: the definition of the domain; nothing was undone/);
  });

  test('a hostile name is a name; a second device is dark on a text console, and that is said', async () => {
    const set = await run(
      'set',
      hostile,
      '--monitor',
      '1024x768',
      '--monitor',
      '1280x960@right',
      '--for',
      'tty',
      '--state',
      '/run/state',
    );
    assert.equal(set.code, 0, set.stderr);
    assert.match(set.stderr, /text consoles show on the first device only/);
    await startAndWait(hostile);
    const seen = await run('verify', hostile, '--state', '/run/state');
    // a hotplug that the kernel sees late, on a busy machine, lights it up
    const wanted = 'expected 1024x768, 1280x960\n';
    const isLit = seen.stdout.includes('1024x768, 1280x960, ');
    assert.deepEqual(
      [seen.code, seen.stdout],
      isLit ? [0, `as expected: 1024x768, 1280x960, ${wanted}`] : [3, `other picture: 1024x768, 640x480, ${wanted}`],
      seen.stderr,
    );
    assert.notEqual((await host.run('test', ['-e', 'pwned'])).code, 0);
  });

  test('a plan that is kept is carried out once, and not where anything has changed since', async () => {
    await define('kept', "<video><model type='virtio' heads='1'/></video>");
    const state = ['--state', '/run/state'];
    const plan = await run('plan', 'kept', '--monitor', '1600x900', '--for', 'tty', '--out', '/run/plan.json');
    assert.equal(plan.code, 0, plan.stderr);
    const set = await run('set', 'kept', '--plan', '/run/plan.json', ...state);
    assert.deepEqual([set.code, set.stdout], [0, '1 changed\n'], set.stderr);
    const again = await run('set', 'kept', '--plan', '/run/plan.json', ...state);
    assert.deepEqual([again.code, again.stdout], [0, 'nothing to do: it is so already\n'], again.stderr);
    await run('rollback', 'kept', ...state);
    const changed = (await dump('kept')).replace("heads='1'", "heads='2'");
    await mustRun(host, 'tee', ['/run/domain.xml'], changed);
    await mustRun(host, 'virsh', [...virsh, 'define', '/run/domain.xml']);
    const outdated = await run('set', 'kept', '--plan', '/run/plan.json', ...state);
    assert.equal(outdated.code, 6, outdated.stdout);
    assert.match(outdated.stderr, /is outdated \(changed since: the definition of the domain\); nothing was done/);
    const both = await run('set', 'kept', '--plan', '/run/plan.json', '--monitor', '800x600', ...state);
    assert.equal(both.code, 2);
    const other = await run('set', 'dark', '--plan', '/run/plan.json', ...state);
    assert.deepEqual([other.code, /is for another guest/.test(other.stderr)], [6, true]);
  });

  test('a guest that is off is read from its files, and told nothing', async () => {
    const root = '/run/root';
    const files = [
      'mkdir -p etc/default boot/grub usr/sbin lib/modules/6.1.0-1-amd64/kernel/drivers/gpu/drm/virtio',
      'touch lib/modules/6.1.0-1-amd64/kernel/drivers/gpu/drm/virtio/virtio-gpu.ko',
      'echo "linux /boot/vmlinuz-6.1.0-1-amd64 ro" >boot/grub/grub.cfg',
      'echo GRUB_GFXMODE=1024x768 >etc/default/grub',
      'echo /etc/default/grub.d >usr/sbin/grub-mkconfig',
    ];
    await mustRun(host, 'sh', ['-c', `mkdir ${root} && cd ${root} && ${files.join(' && ')}`]);
    await define('off', "<video><model type='virtio' heads='1'/></video>");
    const seen = await run('inspect', 'off', '--access', `root:${root}`);
    assert.match(seen.stdout, /^inside: read from root:\/run\/root: kernel 6\.1\.0-1-amd64$/m, seen.stderr);
    assert.match(seen.stdout, /^boot menu +1 +- +1024x768 /m);
    const wish = ['--monitor', '1280x1024', '--for', 'grub,tty', '--access', `root:${root}`, '--state', '/run/state'];
    const set = await run('set', 'off', ...wish);
    assert.equal(set.code, 2, set.stdout);
    assert.match(set.stderr, /the guest was only read \(root:\/run\/root\).*--via host changes the definition alone/);
    const image = await run('inspect', 'off', '--access', 'image:/etc/passwd');
    assert.deepEqual([image.code, /no root of a guest/.test(image.stderr)], [2, true], image.stderr);
  });

  test('a transient domain has nothing that a start would read', async () => {
    await mustRun(host, 'tee', ['/run/domain.xml'], definition('gone', "<video><model type='vga'/></video>"));
    await mustRun(host, 'virsh', [...virsh, 'create', '/run/domain.xml']);
    const { code, stdout } = await run('plan', 'gone', '--monitor', '1280x1024', '--for', 'tty');
    await mustRun(host, 'virsh', [...virsh, 'destroy', 'gone']);
    assert.equal(code, 2);
    assert.match(stdout, /the domain is transient/);
  });
});
