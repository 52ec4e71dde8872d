// The path that a user names as a log file -> the same path, unless what is there can never be one: following it would be
// waiting for ever.
import { type Stats, statSync } from 'node:fs';
import { HostError } from '../../model/host-error.ts';

/** What is not there may come. @throws HostError 'usage' */
export function checkedFile(path: string): string {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts === undefined || facts.isFile()) return path;
  throw new HostError('usage', `'${path}' is ${instead(path, facts)}`);
}

function instead(path: string, facts: Stats): string {
  if (facts.isDirectory()) return `a directory: name a file in it, or journal:${path} for a journal's`;
  if (facts.isFIFO()) return `a pipe: watch - <${path}`;
  if (path === '/dev/kmsg') return 'a device: the source is named kmsg';
  return facts.isSocket() ? 'a socket, and no log file' : 'a device, and no log file';
}
