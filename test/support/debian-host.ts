// A whole Debian as the host of guests: QEMU without libvirt, Debian's own kernel, systemd as the first process, no network
// card, and the program on a second disk. It is asked by its guest agent.
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { askAgentSocket } from '../../src/display/live/agent-socket.ts';
import { Qmp } from '../../src/display/live/qmp.ts';
import { debianDisk, debianFiles, needsDebianGuest } from '../display/guests/debian-guest.ts';
import { type Answer, runByAgent } from './agent-shell.ts';
import { ended } from './child.ts';
import type { Ran } from './namespace.ts';
import { program, root } from './run-cli.ts';

/** For `node:test`: what is missing here, or false. */
export const needsDebianHost = needsDebianGuest;

/** Where the second disk is, with the program below `program` and what a test added below `checkout`. */
export const payload = '/media/payload';

const packagedHome = 'usr/local/lib/bridgekeeper';

/** The program as a packager has it; it runs from there too. */
export const packaged = `${payload}/program/${packagedHome}/bin/bridgekeeper`;

/** As in a mini guest: without what takes an emulated processor long and shows nothing. */
const kernelArgs =
  'root=/dev/vda1 ro console=ttyS0 quiet mitigations=off cryptomgr.notests no_timer_check tsc=reliable nokaslr';

export class DebianHost {
  readonly #folder: string;
  readonly #end: () => Promise<void>;

  private constructor(folder: string, end: () => Promise<void>) {
    this.#folder = folder;
    this.#end = end;
  }

  /** @param folders of the checkout that the test wants there too. @throws Error when it does not come up in ten minutes */
  static async boot(folders: readonly string[] = []): Promise<DebianHost> {
    const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-host-'));
    const disk = debianDisk(folder);
    const files = debianFiles();
    const qemu = spawn(
      'qemu-system-x86_64',
      [
        ...['-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'Westmere', '-smp', '2', '-m', '2048'],
        ...['-nodefaults', '-display', 'none', '-vga', 'none'],
        ...['-drive', `file=${disk},format=raw,if=virtio,cache=unsafe`],
        ...['-drive', `file=${payloadDisk(folder, folders)},format=raw,if=virtio,readonly=on`],
        ...['-kernel', join(files, 'vmlinux'), '-initrd', join(files, 'initrd.img'), '-append', kernelArgs],
        ...['-serial', `file:${join(folder, 'serial')}`, '-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
        ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
        ...['-chardev', `socket,path=${join(folder, 'agent')},server=on,wait=off,id=agent`],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const host = new DebianHost(folder, async () => {
      qemu.kill('SIGKILL');
      await ended(qemu);
      rmSync(folder, { recursive: true, force: true });
    });
    try {
      await host.#untilUp('');
      return host;
    } catch (cause) {
      await host.close();
      throw cause;
    }
  }

  /** What a script printed. @throws Error when it failed, nobody answered, or it took longer than `seconds` */
  async sh(script: string, seconds?: number): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, seconds);
    if (code === 0) return stdout.trim();
    throw new Error(`${script}: exit ${code}\n${stderr}${stdout}`);
  }

  /** As root with a login's PATH. */
  run(script: string, seconds?: number): Promise<Ran> {
    const environment = 'export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    return runByAgent((command) => this.#ask(command), `${environment}\n${script}`, seconds);
  }

  /** As by its button: nothing in it is asked. Comes back when it is up again. */
  async reset(): Promise<void> {
    const before = await this.#bootId();
    const qmp = await Qmp.open(join(this.#folder, 'qmp'));
    await qmp.ask('system_reset');
    qmp.close();
    await this.#untilUp(before);
  }

  close(): Promise<void> {
    return this.#end();
  }

  async #ask(command: object): Promise<Answer | undefined> {
    try {
      return (await askAgentSocket(join(this.#folder, 'agent'), command, 60)) as Answer;
    } catch {
      return undefined;
    }
  }

  async #untilUp(before: string): Promise<void> {
    for (const deadline = Date.now() + 600_000; Date.now() < deadline; await pause(500)) {
      const now = await this.#bootId();
      if (now === '' || now === before) continue;
      await this.run(`systemctl is-system-running --wait; mkdir -p ${payload}; mount -o ro /dev/vdb ${payload}`, 300);
      return;
    }
    throw new Error(`it did not come up: ${readFileSync(join(this.#folder, 'serial'), 'latin1').slice(-2000)}`);
  }

  async #bootId(): Promise<string> {
    try {
      return await this.sh('cat /proc/sys/kernel/random/boot_id', 20);
    } catch {
      return '';
    }
  }
}

function payloadDisk(folder: string, folders: readonly string[]): string {
  const content = join(folder, 'payload');
  mkdirSync(join(content, 'program'), { recursive: true });
  const argv = [program, 'install', '--root', join(content, 'program'), '--prefix', '/usr/local', '--yes'];
  execFileSync(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  // a machine's own Node does not come with the program
  const node = join(content, 'program', packagedHome, 'node_modules', 'node', 'bin', 'node');
  mkdirSync(dirname(node), { recursive: true });
  copyFileSync(process.execPath, node);
  for (const name of folders) cpSync(join(root, name), join(content, 'checkout', name), { recursive: true });
  const disk = join(folder, 'payload.img');
  execFileSync('mkfs.ext4', ['-q', '-F', '-d', content, disk, '700M']);
  rmSync(content, { recursive: true });
  return disk;
}
