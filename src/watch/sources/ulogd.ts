// ulogd2's JSON file -> records. It grows and is rotated like any other log file; only its lines are others.
import { type FileOptions, type LineReader, logFile } from './file.ts';
import { takeLines } from './lines.ts';
import type { OpenFile } from './log-files.ts';
import { finding, type Source, type SourceItem } from './source.ts';
import { parseUlogdLine } from './ulogd-line.ts';

/** ulogd runs as root and gets the packets from the kernel: what only root can have written is as good as the kernel's. */
export function ulogd(path: string, options: FileOptions = {}): Source {
  const source = logFile(path, { ...options, lines });
  return { ...source, name: `ulogd:${path}` };
}

function lines(owner: OpenFile['owner']): LineReader {
  const trust = owner === 'root' ? 3 : 1;
  let told = false;
  const items = (line: Buffer): readonly SourceItem[] => {
    const text = line.toString('utf8');
    const parsed = parseUlogdLine(text);
    if (parsed !== undefined) {
      const { wall } = parsed;
      return [{ kind: 'record', trust, ...(wall !== undefined && { wall }), text: Buffer.from(parsed.text, 'utf8') }];
    }
    if (told || text.startsWith('{')) return [];
    told = true;
    return [finding('ulogd-form', "this is not the output of ulogd2's JSON plugin")];
  };
  return { items, take: (bytes) => takeLines(bytes, items), recall: () => undefined };
}
