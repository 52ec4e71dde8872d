// What two files of the kernel say: cheap enough to be asked each second.
import { readFileSync } from 'node:fs';

/** The switch for all bridges, which spares to ask for each of them. */
export function isCalledForAll(): boolean {
  return textOf('/proc/sys/net/bridge/bridge-nf-call-iptables') === '1';
}

/** Tables of the old iptables, whose changes nobody announces. */
export function hasLegacyTables(): boolean {
  return textOf('/proc/net/ip_tables_names') !== '';
}

/** A module that is not loaded has no file. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
