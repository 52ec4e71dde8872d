// A whole Debian as a guest of the tests' libvirt: its disk, its definition, and a way to look into it and at its pictures
// that is not the program's own.
import { execFileSync, spawnSync } from 'node:child_process';
import { constants, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pictureOf } from '../../../src/display/picture.ts';
import { printSize } from '../../../src/display/size.ts';
import { type Answer, runByAgent } from '../../support/agent-shell.ts';
import { mustRun, type Namespace } from '../../support/namespace.ts';
import { cache } from './mini-guest.ts';

/** For `node:test`: what is missing here, or false. */
export const needsDebianGuest: string | false = reasonToSkip();

function reasonToSkip(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const absent = ['debootstrap', 'sfdisk', 'mkfs.ext4', 'chroot', 'flock', 'apt-get'].filter(
    (program) => spawnSync(program, ['--version']).error !== undefined,
  );
  return absent.length === 0 ? false : `not installed: ${absent.join(', ')}`;
}

/** A disk to write on; building the first one of a day takes minutes. */
export function debianDisk(folder: string): string {
  const disk = join(folder, 'disk.img');
  copyFileSync(join(debianFiles(), 'disk.img'), disk, constants.COPYFILE_FICLONE);
  return disk;
}

/** The folder with disk.img, and with the vmlinux and initrd.img of it. */
export function debianFiles(): string {
  return execFileSync(join(import.meta.dirname, 'build-debian.sh'), [cache], { encoding: 'utf8' }).trim();
}

function debianDefinition(name: string, disk: string, video: string): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>1024</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact'><model>Westmere</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/>
      <source file='${disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='spice' passwd='secret'><listen type='none'/></graphics>
    <!-- the display, as it was -->
    ${video}
    <memballoon model='none'/>
  </devices>
</domain>
`;
}

const virsh = ['-q', '-c', 'qemu:///system'];

/** One domain, by virsh alone. */
export class DebianGuest {
  readonly host: Namespace;
  readonly name: string;

  constructor(host: Namespace, name: string) {
    this.host = host;
    this.name = name;
  }

  async define(disk: string, video: string): Promise<void> {
    await mustRun(this.host, 'tee', ['/run/domain.xml'], debianDefinition(this.name, disk, video));
    await mustRun(this.host, 'virsh', [...virsh, 'define', '/run/domain.xml']);
  }

  async definition(): Promise<string> {
    const { stdout } = await mustRun(this.host, 'virsh', [
      ...virsh,
      ...['dumpxml', this.name, '--inactive', '--security-info'],
    ]);
    return stdout;
  }

  async start(): Promise<void> {
    await mustRun(this.host, 'virsh', [...virsh, 'start', this.name]);
  }

  /** Gently, and after two minutes without. */
  async end(): Promise<void> {
    await this.host.run('virsh', [...virsh, 'shutdown', this.name]);
    for (let turn = 0; turn < 120 && (await this.#isRunning()); turn++) await pause(1000);
    if (await this.#isRunning()) await this.host.run('virsh', [...virsh, 'destroy', this.name]);
  }

  async #isRunning(): Promise<boolean> {
    const { stdout } = await this.host.run('virsh', [...virsh, 'list', '--name']);
    return stdout.split('\n').includes(this.name);
  }

  /** @throws Error after ten minutes */
  async untilAnswering(): Promise<void> {
    for (const deadline = Date.now() + 600_000; Date.now() < deadline; await pause(1000)) {
      if ((await this.#ask({ execute: 'guest-ping' })) !== undefined) return;
    }
    throw new Error(`the agent of ${this.name} did not come up`);
  }

  async #ask(command: object): Promise<Answer | undefined> {
    const args = [...virsh, 'qemu-agent-command', this.name, JSON.stringify(command), '--timeout', '10'];
    const { code, stdout } = await this.host.run('virsh', args);
    return code === 0 ? (JSON.parse(stdout) as { readonly return: Answer }).return : undefined;
  }

  /** What a script of the guest's shell printed. @throws Error when it failed or nobody answered */
  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await runByAgent((command) => this.#ask(command), script);
    if (code === 0) return stdout.trim();
    throw new Error(`${script}: ${stderr}${stdout}`);
  }

  /** The size of what this head shows now. */
  async picture(head = 0): Promise<string | undefined> {
    const file = `/run/picture-${this.name}`;
    const { code } = await this.host.run('virsh', [...virsh, 'screenshot', this.name, file, '--screen', `${head}`]);
    if (code !== 0) return undefined;
    // in bytes, which a text would not keep
    const { stdout } = await this.host.run('base64', [file]);
    const size = pictureOf(Buffer.from(stdout, 'base64'))?.size;
    return size === undefined ? undefined : printSize(size);
  }

  /** When its kernel began, by this machine's clock. */
  async kernelBegan(): Promise<number> {
    const seconds = Number((await this.sh('cat /proc/uptime')).split(' ')[0]);
    return Date.now() - seconds * 1000;
  }
}

export type Sighting = { readonly at: number; readonly size: string };

/** Pictures of a guest, as fast as they come, from now on until `stop` is called. */
export function watchPictures(guest: DebianGuest): { readonly stop: () => Promise<readonly Sighting[]> } {
  const sightings: Sighting[] = [];
  let watching = true;
  const done = (async () => {
    for (; watching; await pause(300)) {
      const size = await guest.picture();
      if (size !== undefined) sightings.push({ at: Date.now(), size });
    }
  })();
  return {
    stop: async () => {
      watching = false;
      await done;
      return sightings;
    },
  };
}

/** What was shown between two moments, each size once in its order. */
export function sizesBetween(sightings: readonly Sighting[], from: number, to: number): readonly string[] {
  const sizes = sightings.filter(({ at }) => at >= from && at <= to).map(({ size }) => size);
  return sizes.filter((size, at) => size !== sizes[at - 1]);
}
