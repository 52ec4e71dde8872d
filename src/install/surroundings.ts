// What this machine is like, as far as an installation depends on it. Reads only.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Access } from '../machine/access.ts';
import { run } from '../machine/run.ts';
import { elsewhereAddresses } from './elsewhere.ts';
import type { Hooks, Init, Machine } from './layout.ts';
import { stateDirectory } from './places.ts';
import { settingKeys, settingsFor } from './settings.ts';

/** What a package is made for: a machine with all of it. */
export function assumedMachine(iptables: boolean): Machine {
  const settings = settingsFor({ now: new Map(), own: [], elsewhere: [] });
  return { init: 'systemd', hooks: 'directories', legacy: iptables, settings };
}

export type Found = {
  readonly machine: Machine;
  /** Settings as they are now, by key. */
  readonly now: ReadonlyMap<string, string>;
  /** What could not be done as it should, for people. */
  readonly remarks: readonly string[];
};

/** @param own keys of settings that an earlier installation has made; @param iptables rules of iptables shall be loaded */
export async function readSurroundings(access: Access, own: readonly string[], iptables: boolean): Promise<Found> {
  const now = new Map(settingKeys.flatMap((key) => settingNow(key)));
  const elsewhere = elsewhereAddresses(
    await printed(access, ['-j', '-4', 'address', 'show']),
    await printed(access, ['-j', '-4', 'route', 'show']),
  );
  const init = await initOf(access);
  const hooks = await hooksOf(access);
  return {
    machine: {
      init,
      hooks,
      legacy: (iptables || confirmedIptables()) && (await isLegacy(access)),
      settings: settingsFor({ now, own, elsewhere }),
    },
    now,
    remarks: [...arpRemark(elsewhere), ...initRemark(init), ...hookRemark(hooks)],
  };
}

function settingNow(key: string): readonly (readonly [string, string])[] {
  try {
    return [[key, readFileSync(`/proc/sys/${key.replaceAll('.', '/')}`, 'utf8').trim()]];
  } catch {
    return [];
  }
}

async function printed(access: Access, args: readonly string[]): Promise<string> {
  const { code, stdout } = await run(access, 'ip', args);
  return code === 0 ? stdout.toString('utf8') : '';
}

async function initOf(access: Access): Promise<Init> {
  if (existsSync('/run/systemd/system')) return 'systemd';
  return existsSync('/etc/init.d') && (await starter(access)) !== undefined ? 'scripts' : 'unknown';
}

export type Starter = 'update-rc.d' | 'chkconfig';

/** The program that makes scripts in /etc/init.d run at boot. */
export async function starter(access: Access): Promise<Starter | undefined> {
  for (const name of ['update-rc.d', 'chkconfig'] as const) {
    const { code } = await run(access, 'sh', ['-c', 'PATH=$PATH:/usr/sbin:/sbin command -v "$1"', 'sh', name]);
    if (code === 0) return name;
  }
  return undefined;
}

async function hooksOf(access: Access): Promise<Hooks> {
  const { code, stdout } = await run(access, 'virsh', ['--version']);
  if (code !== 0) return existsSync('/etc/libvirt') ? 'directories' : 'none';
  const [major = 0, minor = 0] = stdout.toString('utf8').trim().split('.').map(Number);
  // there is nothing to ask but the version: directories came with 6.5.0 (https://libvirt.org/hooks.html)
  if (major > 6 || (major === 6 && minor >= 5)) return 'directories';
  return ['qemu', 'network'].some(isOthersHook) ? 'taken' : 'files';
}

function isOthersHook(driver: string): boolean {
  const file = `/etc/libvirt/hooks/${driver}`;
  return existsSync(file) && !readFileSync(file, 'latin1').includes('Written by bridgekeeper install');
}

function confirmedIptables(): boolean {
  return existsSync(join(stateDirectory, 'confirmed', 'rules.iptables'));
}

async function isLegacy(access: Access): Promise<boolean> {
  const { stdout } = await run(access, 'iptables', ['--version']);
  return stdout.includes('legacy');
}

function arpRemark(elsewhere: readonly string[]): readonly string[] {
  if (elsewhere.length === 0) return [];
  const why = `${elsewhere.join(', ')} would no longer be answered for`;
  return [`ARP stays as it is (net.ipv4.conf.all.arp_ignore and arp_announce): ${why}`];
}

function initRemark(init: Init): readonly string[] {
  if (init === 'systemd') return [];
  if (init === 'scripts') return ['systemd does not run here: nobody starts the daemon again when it dies'];
  return [
    'neither systemd nor scripts of /etc/init.d start things here: nothing will be loaded at boot and no guest followed, ' +
      'unless you have bridgekeeper-boot run before the network comes up, and bridgekeeper serve after it',
  ];
}

function hookRemark(hooks: Hooks): readonly string[] {
  if (hooks === 'none') return [];
  if (hooks === 'taken') {
    return [
      'this libvirt runs one hook for each driver, and there is one already: ours is left out, nothing depends on it',
    ];
  }
  return ['libvirt looks for hooks when it starts: restart its daemons once, guests go on running meanwhile'];
}
