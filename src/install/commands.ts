// The programs that make the machine use what was put there, and no longer use it.
import type { Init } from './layout.ts';
import { bootUnitName, daemonUnitName, type Places } from './places.ts';
import type { Setting } from './settings.ts';
import type { Starter } from './surroundings.ts';

/** `may`: when it fails, the rest is done all the same, and it is told. */
export type Command = { readonly argv: readonly string[]; readonly need: 'must' | 'may' };

function must(...argv: readonly string[]): Command {
  return { argv, need: 'must' };
}

function may(...argv: readonly string[]): Command {
  return { argv, need: 'may' };
}

export type Running = {
  readonly init: Init;
  readonly starter: Starter | undefined;
  /** Settings as they are now, by key. */
  readonly now: ReadonlyMap<string, string>;
};

/** Settings hold at once; the daemon begins, or begins again with what is new. */
export function startCommands(
  places: Places,
  settings: readonly Setting[],
  { init, starter, now }: Running,
): readonly Command[] {
  const isLoaded = [...now.keys()].some((key) => key.startsWith('net.bridge.'));
  return [
    ...(isLoaded ? [] : [may('modprobe', '-q', 'br_netfilter')]),
    ...settings
      .filter(({ key, value }) => now.get(key) !== value)
      .map(({ key, value }) => may('sysctl', '-q', '-w', `${key}=${value}`)),
    ...beginning(places, init, starter),
  ];
}

function beginning({ tmpfiles }: Places, init: Init, starter: Starter | undefined): readonly Command[] {
  if (init === 'systemd') {
    return [
      may('systemd-tmpfiles', '--create', tmpfiles),
      must('systemctl', 'daemon-reload'),
      must('systemctl', 'enable', bootUnitName, daemonUnitName),
      must('systemctl', 'restart', daemonUnitName),
    ];
  }
  if (init === 'unknown' || starter === undefined) return [];
  const register = (name: string): Command =>
    starter === 'update-rc.d' ? must('update-rc.d', name, 'defaults') : must('chkconfig', '--add', name);
  return [register('bridgekeeper-boot'), register('bridgekeeper'), must('/etc/init.d/bridgekeeper', 'restart')];
}

/** Before anything is removed: a daemon that runs on would load the rules again. */
export function stopCommands(init: Init, starter: Starter | undefined): readonly Command[] {
  if (init === 'systemd') return [must('systemctl', 'disable', '--now', daemonUnitName, bootUnitName)];
  if (init === 'unknown' || starter === undefined) return [];
  const forget = (name: string): Command =>
    starter === 'update-rc.d' ? may('update-rc.d', '-f', name, 'remove') : may('chkconfig', '--del', name);
  return [must('/etc/init.d/bridgekeeper', 'stop'), forget('bridgekeeper'), forget('bridgekeeper-boot')];
}

/** Afterwards. What somebody set meanwhile stays. */
export function restCommands(
  init: Init,
  made: readonly (Setting & { readonly before: string })[],
  now: ReadonlyMap<string, string>,
): readonly Command[] {
  return [
    ...(init === 'systemd' ? [may('systemctl', 'daemon-reload')] : []),
    ...made
      .filter(({ key, value, before }) => before !== '' && now.get(key) === value && before !== value)
      .map(({ key, before }) => may('sysctl', '-q', '-w', `${key}=${before}`)),
  ];
}
