// A machine and a place for the program -> every file that an installation consists of, but for the program itself.
import { closedNames } from '../nft/closed.ts';
import { printNft } from '../nft/print.ts';
import { type Entry, textFile } from './entry.ts';
import { bootScript, bootScriptPath, daemonScript, daemonScriptPath } from './init-scripts.ts';
import { libvirtHook } from './libvirt-hook.ts';
import { bootUnitName, closedFile, daemonUnitName, type Places } from './places.ts';
import { modulesText, type Setting, sysctlText, tmpfilesText, udevText } from './settings.ts';
import { bootUnit, daemonUnit } from './units.ts';

/** Who starts things when the machine does. */
export type Init = 'systemd' | 'scripts' | 'unknown';

/** Since 6.5 libvirt runs all hooks in a directory; before, one file for each driver, which may be somebody's. */
export type Hooks = 'directories' | 'files' | 'taken' | 'none';

export type Machine = {
  readonly init: Init;
  readonly hooks: Hooks;
  /** Rules of the old iptables are, or shall be, loaded. */
  readonly legacy: boolean;
  readonly settings: readonly Setting[];
};

export function systemEntries(places: Places, machine: Machine): readonly Entry[] {
  const { home } = places;
  return [
    ...initEntries(places, machine),
    textFile(places.modules, modulesText(machine.legacy)),
    textFile(places.udev, udevText()),
    ...(machine.settings.length === 0 ? [] : [textFile(places.sysctl, sysctlText(machine.settings))]),
    ...hookPaths(machine.hooks).map((path) => textFile(path, libvirtHook(home), 0o755)),
    textFile(closedFile, closedText),
    { kind: 'link', path: places.command, target: `${home}/bin/bridgekeeper` },
  ];
}

function initEntries(places: Places, { init, legacy }: Machine): readonly Entry[] {
  const { home, units } = places;
  if (init === 'systemd') {
    return [
      textFile(`${units}/${bootUnitName}`, bootUnit({ home, legacy })),
      textFile(`${units}/${daemonUnitName}`, daemonUnit({ home, legacy })),
      textFile(places.tmpfiles, tmpfilesText(legacy)),
    ];
  }
  if (init === 'unknown') return [];
  return [
    textFile(bootScriptPath, bootScript(home), 0o755),
    textFile(daemonScriptPath, daemonScript(home, legacy), 0o755),
  ];
}

/** Of QEMU's guests, and of networks: a network may come up long before its first guest. */
function hookPaths(hooks: Hooks): readonly string[] {
  const drivers = ['qemu', 'network'].map((driver) => `/etc/libvirt/hooks/${driver}`);
  if (hooks === 'none' || hooks === 'taken') return [];
  return hooks === 'files' ? drivers : drivers.map((path) => `${path}.d/bridgekeeper`);
}

/** Names that hypervisors give to the ports of guests. */
const guestPorts = ['vnet*', 'tap*'];

const closedText = `# Loaded at boot when the state directory is gone or broken: ports of guests, by their names, are closed.
# Add the names of other ports to it if guests have them.
${printNft(closedNames(guestPorts))}`;
