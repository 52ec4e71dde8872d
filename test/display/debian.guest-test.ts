// A whole Debian under libvirt, its displays changed by the commands as an administrator gives them, and looked at: boot
// menu, console, desktop, two monitors, and all of it back. What was seen is docs/displays-seen.md; UPDATE_GOLDEN=1 renews it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import type { Namespace, Ran } from '../support/namespace.ts';
import { program, root } from '../support/run-cli.ts';
import { DebianGuest, debianDisk, needsDebianGuest, sizesBetween, watchPictures } from './guests/debian-guest.ts';
import { SeenLog } from './seen-log.ts';

const qxl = "<video>\n      <model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1'/>\n    </video>";
const virtio = "<video>\n      <model type='virtio' heads='1'/>\n    </video>";

/** Every file that a change may touch, with its bytes, mode and owner. */
const filesScript = `cd / && for f in $(find etc/default etc/X11 boot/grub/grub.cfg | LC_ALL=C sort); do
  stat -c '%n %a %u:%g %F' "$f"; [ ! -f "$f" ] || sha256sum <"$f"
done`;

describe('a Debian under libvirt', { skip: needsLibvirt || needsDebianGuest }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-debian-'));
  const log = new SeenLog();
  let host: Namespace;
  let desk: DebianGuest;
  let disk: string;
  let asDefined: string;
  let filesBefore: string;

  async function display(...argv: readonly string[]): Promise<Ran> {
    const begin = Date.now();
    const takesState = ['set', 'verify', 'rollback'].includes(argv[0] ?? '');
    const state = takesState ? ['--state', '/run/state'] : [];
    const ran = await host.run(process.execPath, [program, 'display', ...argv, ...state]);
    log.command(argv, ran, Date.now() - begin);
    return ran;
  }

  async function says(code: number, stdout: string | RegExp, ...argv: readonly string[]): Promise<Ran> {
    const ran = await display(...argv);
    const text = `${argv.join(' ')}: ${ran.stdout}${ran.stderr}`;
    assert.equal(ran.code, code, text);
    if (typeof stdout === 'string') assert.equal(ran.stdout, `${stdout}\n`, text);
    else assert.match(ran.stdout, stdout, text);
    return ran;
  }

  /** What GRUB showed: the last picture before the kernel ran that is no text screen. */
  async function menuOf(guest: DebianGuest, watch: ReturnType<typeof watchPictures>, from: number): Promise<string> {
    const began = await guest.kernelBegan();
    const sizes = sizesBetween(await watch.stop(), from, began - 1000);
    const menu = sizes.findLast((size) => size !== '720x400') ?? 'nothing';
    log.sighting('of the boot menu', menu);
    return menu;
  }

  async function untilSession(guest: DebianGuest): Promise<void> {
    for (let turn = 0; turn < 90; turn++, await pause(2000)) {
      const { stdout } = await host.run(process.execPath, [program, 'display', 'inspect', guest.name, '-o', 'json']);
      const sessions = JSON.parse(stdout).guest.sessions as readonly { readonly outputs: readonly unknown[] }[] | null;
      if (sessions?.[0]?.outputs.length) return;
    }
    assert.fail('no session');
  }

  before(async () => {
    disk = debianDisk(folder);
    host = await freshLibvirt();
    desk = new DebianGuest(host, 'desk');
    await desk.define(disk, qxl);
    asDefined = await desk.definition();
  });
  after(async () => {
    await host?.close();
    rmSync(folder, { recursive: true, force: true });
    log.finish(join(root, 'docs', 'displays-seen.md'));
  });

  test('as Debian is: a menu of 640x480, a console of 1024x768', async () => {
    log.section('qxl, as libvirt and Debian have it');
    const watch = watchPictures(desk);
    const from = Date.now();
    await desk.start();
    await desk.untilAnswering();
    await says(0, 'as expected: 1024x768, expected 1024x768', 'verify', 'desk', '--expect', '1024x768');
    assert.equal(await menuOf(desk, watch, from), '640x480');
    filesBefore = await desk.sh(filesScript);
    await says(0, /^console +1 +1024x768 +1024x768 +2560x1600\b/m, 'inspect', 'desk');
  });

  test('the plan says why GRUB alone will not do', async () => {
    await says(
      0,
      /note: GRUB alone sets the boot menu only: .*qxl takes over, the console is 1024x768/,
      ...['plan', 'desk', '--monitor', '1920x1080', '--for', 'grub,tty'],
    );
  });

  test('set: boot menu and console 1920x1080, seen', async () => {
    log.section('Boot menu and console');
    const watch = watchPictures(desk);
    const from = Date.now();
    await says(
      0,
      'as expected: 1920x1080',
      ...['set', 'desk', '--monitor', '1920x1080', '--for', 'grub,tty', '--restart'],
    );
    assert.equal(await menuOf(desk, watch, from), '1920x1080');
    assert.equal(await desk.picture(), '1920x1080');
    await says(0, 'nothing to do: it is so already', ...['set', 'desk', '--monitor', '1920x1080', '--for', 'grub,tty']);
  });

  test('an X session of 2560x1440, and the console behind it as it was', async () => {
    log.section('Desktop');
    await desk.sh('systemctl start --no-block desk');
    await untilSession(desk);
    await says(0, '2 changed', ...['set', 'desk', '--monitor', '2560x1440', '--for', 'desktop']);
    await says(0, 'as expected: 2560x1440, expected 2560x1440', 'verify', 'desk');
    await says(0, 'nothing to do: it is so already', ...['set', 'desk', '--monitor', '2560x1440', '--for', 'desktop']);
    await says(
      0,
      'as expected: 1920x1080, expected 1920x1080',
      ...['verify', 'desk', '--expect', '1920x1080', '--console', '--png', '/run/console.png'],
    );
    assert.equal(await desk.sh('cat /sys/class/tty/tty0/active'), 'tty7');
    await says(0, /^as expected: 2560x1440/, 'verify', 'desk', '--expect', '2560x1440');
    await says(0, /^console +1 +1920x1080 [\s\S]*^session +1 +2560x1440 /m, 'inspect', 'desk');
  });

  test('4K is refused before it is tried, with the memory it would need; then granted', async () => {
    const wish = ['desk', '--monitor', '3840x2160', '--for', 'desktop'];
    const definition = await desk.definition();
    await says(
      2,
      /^impossible \(desktop\): 3840x2160 needs 31\.6 MiB, and qxl has 16 MiB .* it would need ram 128 MiB, vram 64 MiB, vgamem 32 MiB, and a cold restart/m,
      ...['plan', ...wish, '--via', 'guest'],
    );
    const refused = await display('set', ...wish, '--via', 'guest');
    assert.equal(refused.code, 2);
    assert.equal(await desk.definition(), definition);
    assert.equal(await desk.picture(), '2560x1440');

    await desk.sh('systemctl enable desk 2>/dev/null');
    await says(0, 'as expected: 3840x2160', ...['set', ...wish, '--restart']);
    assert.equal(await desk.picture(), '3840x2160');
    await says(0, 'nothing to do: it is so already', ...['set', ...wish, '--restart']);
  });

  test('rollback restores everything, byte for byte', async () => {
    log.section('Back');
    await desk.sh('systemctl disable desk 2>/dev/null');
    await says(0, /^\d+ undone; takes effect with: cold restart\n$/, 'rollback', 'desk');
    assert.equal(await desk.sh(filesScript), filesBefore);
    assert.equal(await desk.definition(), asDefined);
    await desk.end();
    await desk.start();
    await desk.untilAnswering();
    await says(0, 'as expected: 1024x768, expected 1024x768', 'verify', 'desk', '--expect', '1024x768');
    await desk.end();
  });

  test('two heads of virtio, each with its own size', async () => {
    log.section('Two monitors on virtio');
    const pair = new DebianGuest(host, 'pair');
    await pair.define(disk, virtio);
    const definition = await pair.definition();
    await pair.start();
    await pair.untilAnswering();
    assert.equal(await pair.sh(filesScript), filesBefore);
    const wish = ['pair', '--monitor', '1920x1080', '--monitor', '1280x1024@right'];
    await says(0, 'as expected: 1920x1080, 1280x1024', ...['set', ...wish, '--for', 'tty', '--restart']);
    assert.deepEqual([await pair.picture(0), await pair.picture(1)], ['1920x1080', '1280x1024']);

    await pair.sh('systemctl start --no-block desk');
    await untilSession(pair);
    await says(0, '2 changed', ...['set', ...wish, '--for', 'desktop']);
    await says(0, /^as expected: 1920x1080, 1280x1024,/, 'verify', 'pair');
    await says(0, 'nothing to do: it is so already', ...['set', ...wish, '--for', 'tty,desktop']);
    const arranged = await pair.sh('DISPLAY=:0 XAUTHORITY=/run/desk/authority xrandr --current | grep " connected"');
    assert.match(arranged, /1920x1080\+0\+0[\s\S]*1280x1024\+1920\+0/);

    await says(0, /^\d+ undone; takes effect with: cold restart\n$/, 'rollback', 'pair');
    assert.equal(await pair.sh(filesScript), filesBefore);
    assert.equal(await pair.definition(), definition);
  });
});
