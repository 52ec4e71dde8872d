// Settings of the kernel that the rules rely on, as files for sysctl, kmod and tmpfiles: only those that this host has not
// got already, and none that would take something from it.
import { runDirectory, stateDirectory } from './places.ts';

export type Setting = { readonly key: string; readonly value: string };

const note = '# Written by bridgekeeper install; bridgekeeper uninstall takes it away.';

/**
 * The module comes with its switches on, so that the ip tables would see the packets of all bridges, also of those that are
 * not managed. Managed bridges are switched on one by one, whenever rules are loaded.
 */
const bridgeSettings: readonly Setting[] = ['iptables', 'ip6tables', 'arptables'].map((table) => ({
  key: `net.bridge.bridge-nf-call-${table}`,
  value: '0',
}));

/** Otherwise every interface answers for every address of the host, and by the wrong port of the right bridge. */
const arpSettings: readonly Setting[] = [
  { key: 'net.ipv4.conf.all.arp_ignore', value: '1' },
  { key: 'net.ipv4.conf.all.arp_announce', value: '2' },
];

export type SettingFacts = {
  /** What is now, by key; without those of a module that is not loaded. */
  readonly now: ReadonlyMap<string, string>;
  /** Keys that an earlier installation of ours has set. */
  readonly own: readonly string[];
  /** Addresses that the host would no longer answer for; with any of them its ARP stays as it is. */
  readonly elsewhere: readonly string[];
};

export const settingKeys: readonly string[] = [...bridgeSettings, ...arpSettings].map(({ key }) => key);

/** What to set here. A value that is stricter already stays; so do the switches of a module that somebody else loaded. */
export function settingsFor({ now, own, elsewhere }: SettingFacts): readonly Setting[] {
  const bridges = bridgeSettings.filter(({ key }) => own.includes(key) || !now.has(key));
  const arp = elsewhere.length > 0 ? [] : arpSettings;
  return [
    ...bridges,
    ...arp.filter(({ key, value }) => own.includes(key) || Number(now.get(key) ?? 0) < Number(value)),
  ];
}

/** `sysctl.d(5)`; the dash lets a missing key pass, as where br_netfilter is not to be had. */
export function sysctlText(settings: readonly Setting[]): string {
  return `${note}\n${settings.map(({ key, value }) => `-${key} = ${value}\n`).join('')}`;
}

/** `modules-load.d(5)`: without br_netfilter no connection over a bridge is checked. */
export function modulesText(legacy: boolean): string {
  return `${note}\nbr_netfilter\n${legacy ? 'iptable_filter\n' : ''}`;
}

/**
 * `udev(7)`: br_netfilter's switch of a bridge is off when the bridge is made, which for most of them is after the rules were
 * loaded and before the daemon runs. PROGRAM is no shell: a name stays one word.
 */
export function udevText(): string {
  const match = 'ACTION=="add", SUBSYSTEM=="net", ENV{DEVTYPE}=="bridge"';
  const known = `PROGRAM=="/bin/grep -qxF -e $name ${stateDirectory}/confirmed/bridges"`;
  return `${note}\n${match}, ${known}, ATTR{bridge/nf_call_iptables}="1"\n`;
}

/** `tmpfiles.d(5)` */
export function tmpfilesText(legacy: boolean): string {
  const lock = legacy ? 'f /run/xtables.lock 0600 root root -\n' : '';
  return `${note}\nd ${runDirectory} 0755 root root -\n${lock}`;
}
