// What goes wrong while a guest's displays are changed, on a real libvirtd: whoever is killed, whatever fails, and whoever else
// changes something meanwhile, afterwards everything is as it was, or `display rollback` makes it so, or it says why not.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, type Namespace, type Ran } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { program as programFile, root } from '../support/run-cli.ts';
import { DebianGuest } from './guests/debian-guest.ts';
import { miniGuestFiles, needsMiniGuests } from './guests/mini-guest.ts';

const virsh = ['-q', '-c', 'qemu:///system'];
const dropIn = '/etc/default/grub.d/90-bridgekeeper.cfg';

/** GRUB of a guest that has none: what it is told goes into its configuration, or it fails as the test says. */
const updateGrub = `#!/bin/sh
[ ! -e /run/broken ] || { echo no disk >&2; exit 1; }
. /etc/default/grub
[ -e /run/deaf ] || for file in /etc/default/grub.d/*.cfg; do [ ! -e "$file" ] || . "$file"; done
echo "set gfxmode=$GRUB_GFXMODE
 linux /vmlinuz ro $GRUB_CMDLINE_LINUX" >/boot/grub/grub.cfg
`;

const makeGrub = `mkdir -p /boot/grub /usr/sbin /etc/default /run
echo 'GRUB_TIMEOUT=5 # mine' >/etc/default/grub
chmod 600 /etc/default/grub
chown 5:7 /etc/default/grub
echo ${Buffer.from(updateGrub).toString('base64')} | base64 -d >/usr/sbin/update-grub
echo '# default/grub.d' >/usr/sbin/grub-mkconfig
echo '#!/bin/sh' >/usr/sbin/grub-script-check
chmod 755 /usr/sbin/*
/usr/sbin/update-grub`;

/** Every file that a change may touch, with its bytes, mode and owner. */
const files = `for f in /etc/default /etc/default/* /etc/default/grub.d/* /boot/grub/*; do
  [ ! -e "$f" ] || { stat -c '%n %a %u:%g %F' "$f"; [ ! -f "$f" ] || sha256sum <"$f"; }
done`;

type Trap = { readonly at: string; readonly when: 'before' | 'after'; readonly does: string };

describe('the way back', { skip: needsLibvirt || needsMiniGuests }, () => {
  let host: Namespace;
  let program: Resident;
  let guest: DebianGuest;
  let place: string;

  const display = (argv: readonly string[], trap?: Trap): Promise<Ran> => {
    const words = [process.execPath, programFile, 'display', ...argv];
    const state = ['--state', '/run/state'];
    if (trap === undefined) return program.run(['display', ...argv, ...state]);
    const variables = [`TRAP=${trap.at}`, `TRAP_WHEN=${trap.when}`, `TRAP_DOES=${trap.does}`];
    return host.run('env', ['PATH=/run/trap:/usr/sbin:/usr/bin:/sbin:/bin', ...variables, ...words, ...state]);
  };

  const says = async (wanted: { readonly code: number; readonly text: RegExp }, ...argv: readonly string[]) => {
    const { code, stdout, stderr } = await display(argv);
    assert.equal(code, wanted.code, stdout + stderr);
    assert.match(stdout + stderr, wanted.text);
  };

  const dump = async (name: string) =>
    (await mustRun(host, 'virsh', [...virsh, 'dumpxml', name, '--inactive', '--security-info'])).stdout;

  const definition = (name: string, video: string) => `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>256</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${place}/vmlinuz</kernel><initrd>${place}/initrd-agent.img</initrd>
    <cmdline>console=tty0 quiet mitigations=off</cmdline></os>
  <cpu mode='custom' match='exact'><model>Westmere</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='spice' passwd='secret'><listen type='none'/></graphics>
    ${video}
    <memballoon model='none'/>
  </devices>
</domain>`;

  async function define(name: string, text: string, file = `/run/${name}.xml`): Promise<void> {
    await mustRun(host, 'tee', [file], text);
    await mustRun(host, 'virsh', [...virsh, 'define', file]);
  }

  /** Everything is as the action found it. */
  async function unchanged(action: () => Promise<void>): Promise<void> {
    const earlier = [await dump('web'), await guest.sh(files)];
    await action();
    assert.deepEqual([await dump('web'), await guest.sh(files)], earlier);
  }

  async function trapped(trap: Trap, ...argv: readonly string[]): Promise<Ran> {
    await host.run('rm', ['-rf', '/run/sprung']);
    const ran = await display(argv, trap);
    assert.equal((await host.run('test', ['-e', '/run/sprung'])).code, 0, `the trap did not spring: ${ran.stderr}`);
    return ran;
  }

  before(async () => {
    place = miniGuestFiles();
    host = await freshLibvirt();
    program = new Resident(['nsenter', '-n', '-m', '-p', '-t', `${host.pid}`, '--']);
    await mustRun(host, 'mkdir', ['/run/trap']);
    await mustRun(host, 'cp', [join(import.meta.dirname, 'guests', 'trap-virsh.sh'), '/run/trap/virsh']);
    await define('web', definition('web', "<video><model type='qxl'/></video>"));
    await define('pair', definition('pair', "<video><model type='virtio'/></video>"));
    guest = new DebianGuest(host, 'web');
    await guest.start();
    await guest.untilAnswering();
    await guest.sh(makeGrub);
  });
  after(async () => {
    await program?.close();
    await host?.close();
  });

  const pair = ['set', 'pair', '--monitor', '1024x768', '--monitor', '1280x960', '--for', 'tty'];
  const web = ['set', 'web', '--monitor', '1920x1080', '--for', 'grub,tty'];
  const kill = 'kill -9 $PPID; exit';

  test('a password is shown to nobody', async () => {
    const wish = ['plan', 'pair', '--monitor', '1024x768', '--for', 'tty'];
    for (const more of [[], ['-o', 'json']]) {
      const { code, stdout } = await host.run(process.execPath, [programFile, 'display', ...wish, ...more]);
      assert.equal(code, 0);
      assert.match(stdout, /1024/);
      assert.doesNotMatch(stdout, /secret/);
    }
  });

  for (const when of ['before', 'after'] as const) {
    test(`killed ${when} libvirt gets the definition with another device`, async () => {
      const earlier = await dump('pair');
      await trapped({ at: ' define ', when, does: kill }, ...pair);
      assert.equal((await dump('pair')) === earlier, when === 'before');
      await says({ code: 0, text: /^1 undone\n/ }, 'rollback', 'pair');
      assert.equal(await dump('pair'), earlier);
    });
  }

  test('a definition that somebody else changes after it was looked at', async () => {
    const other = (await dump('pair')).replace('<memory', '<title>theirs</title>\n  <memory');
    await mustRun(host, 'tee', ['/run/other.xml'], other);
    const does = '/usr/bin/virsh -q -c qemu:///system define /run/other.xml >/dev/null';
    const ran = await trapped({ at: ' domcapabilities', when: 'after', does }, ...pair);
    assert.deepEqual([ran.code, ran.stdout], [6, ''], ran.stderr);
    assert.match(ran.stderr, /the definition of the domain was changed meanwhile; everything is as it was before/);
    assert.match(await dump('pair'), /<title>theirs<\/title>/);
    await says({ code: 0, text: /^nothing was set/ }, 'rollback', 'pair');
  });

  for (const [title, edits, code, text] of [
    [
      'other devices are made of it',
      ["s#<model type='virtio' heads='1' p#<model type='vga' p#"],
      4,
      /made other display/,
    ],
    ['more of it is changed', ['s#theirs#ours#'], 4, /changed more of it/],
    ['somebody else exchanged it', ['s#theirs#ours#', "s#x='1024'#x='800'#"], 6, /changed by somebody else/],
  ] as const) {
    test(`libvirt takes it, and ${title}`, async () => {
      const earlier = await dump('pair');
      const edit = edits.map((one) => `-e "${one}"`).join(' ');
      const does = `v="/usr/bin/virsh -q -c qemu:///system"
        $v dumpxml pair --inactive --security-info | sed ${edit} >/run/made.xml && $v define /run/made.xml >/dev/null`;
      const ran = await trapped({ at: ' define ', when: 'after', does }, ...pair);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, text);
      assert.equal((await dump('pair')) === earlier, code === 4);
    });
  }

  test('killed before and after a file of the guest is written, and its GRUB made anew', () =>
    unchanged(async () => {
      // between the journal and the file, between the file and GRUB, and behind both
      for (const [at, when] of [
        ['mkdir -p', 'before'],
        ['mkdir -p', 'after'],
        ['c=grub-script-check', 'after'],
      ] as const) {
        await trapped({ at, when, does: kill }, ...web);
        await says({ code: 0, text: /^2 undone\n/ }, 'rollback', 'web');
      }
    }));

  for (const [file, reason] of [
    ['/run/broken', /update-grub failed in the guest: no disk/],
    ['/run/deaf', /GRUB's configuration does not hold what was asked for/],
  ] as const) {
    test(`update-grub does not do it (${file}): the definition is back too`, async () => {
      await guest.sh(`touch ${file}`);
      await unchanged(() => says({ code: 4, text: reason }, ...web));
      await guest.sh(`rm ${file}`);
      await says({ code: 0, text: /^nothing was set/ }, 'rollback', 'web');
    });
  }

  test('what waits for a start is told again, two at once make one change, and all of it goes back', () =>
    unchanged(async () => {
      const menu = ['set', 'web', '--monitor', '1920x1080', '--for', 'grub'];
      const trap = { at: 'mkdir -p', when: 'before', does: 'sleep 1' } as const;
      await host.run('rm', ['-rf', '/run/sprung']);
      const first = trapped(trap, ...menu);
      for (let turn = 0; turn < 300 && (await host.run('test', ['-e', '/run/sprung'])).code !== 0; turn++)
        await pause(100);
      let second = await display(menu);
      // it waits for a while only
      for (let turn = 0; turn < 5 && second.stderr.includes('another bridgekeeper is at work'); turn++)
        second = await display(menu);
      const both = [second, await first];
      const waits = 'changed; takes effect with: guest reboot (--restart does it)\n';
      assert.deepEqual(
        both.map(({ stdout }) => stdout),
        [`nothing ${waits}`, `1 ${waits}`],
        both.map(({ stderr }) => stderr).join(),
      );
      await says({ code: 0, text: /^1 undone\n/ }, 'rollback', 'web');
    }));

  test('a file that somebody else changed is not written over', async () => {
    await says({ code: 0, text: /^2 changed/ }, ...web);
    await guest.sh(`cp ${dropIn} /run/kept; echo '# theirs' >>${dropIn}`);
    await says({ code: 6, text: /not as this program left it: .*90-bridgekeeper.cfg in the guest/ }, 'rollback', 'web');
    await guest.sh(`cat /run/kept >${dropIn}`);
    await says({ code: 0, text: /^2 undone\n/ }, 'rollback', 'web');
  });

  test('in place: bytes, mode and owner', () =>
    unchanged(async () => {
      await says({ code: 0, text: /^1 changed/ }, 'set', 'web', '--monitor', '1024x768', '--for', 'grub', '--in-place');
      assert.match(await guest.sh("stat -c '%a %u:%g' /etc/default/grub"), /^600 5:7/);
      await says({ code: 0, text: /^1 undone\n/ }, 'rollback', 'web');
    }));

  test('in place, a text that is no UTF-8', () =>
    unchanged(async () => {
      await guest.sh("cp -p /etc/default/grub /run/kept; printf '# \\344\\n' >>/etc/default/grub");
      await says(
        { code: 4, text: /is no UTF-8/ },
        'set',
        'web',
        '--monitor',
        '1024x768',
        '--for',
        'grub',
        '--in-place',
      );
      await guest.sh('mv /run/kept /etc/default/grub');
    }));

  test('a guest that does not shut down keeps what was set for its next start, and that is said', async () => {
    await says({ code: 0, text: /^1 changed/ }, 'set', 'web', '--monitor', '1920x1080', '--for', 'tty');
    const { stdout: uuid } = await mustRun(host, 'virsh', [...virsh, 'domuuid', 'web']);
    const script = `import { restarted } from '${root}/src/cli/display-restart.ts';
      const patience = { shutdownSeconds: 2, answerMs: 0, sessionMs: 0, pictureMs: 0 };
      const unfinished = { wish: {}, expected: [], hasSession: false };
      await restarted('${uuid.trim()}', unfinished, { access: 'auto', output: 'text' }, patience);`;
    const { code, stderr } = await host.run(process.execPath, ['--input-type=module', '-e', script]);
    assert.notEqual(code, 0);
    assert.match(stderr, /did not shut down within 2 s; it still runs as it was; what was set waits for its next cold/);
    await says(
      { code: 0, text: /^nothing changed; takes effect/ },
      'set',
      'web',
      '--monitor',
      '1920x1080',
      '--for',
      'tty',
    );
    await says({ code: 0, text: /^1 undone\n/ }, 'rollback', 'web');
  });

  test('a definition that was taken away does not come back', async () => {
    await says({ code: 0, text: /^1 changed/ }, 'set', 'web', '--monitor', '1920x1080', '--for', 'tty');
    await mustRun(host, 'virsh', [...virsh, 'undefine', 'web']);
    await says({ code: 6, text: /not as this program left it: the definition of the domain/ }, 'rollback', 'web');
    assert.match((await host.run('virsh', [...virsh, 'dominfo', 'web'])).stdout, /Persistent: +no/);
  });
});
