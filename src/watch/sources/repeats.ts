// Lines that a daemon wrote once for many -> what was repeated, and how often. rsyslog cuts the text at 800 characters.

export type Repeat = { readonly times: number /** Undefined when it is the line before. */; readonly text?: string };

/**
 * More at once is not believed: whoever may write into the file could fill the store with a few words. What was believed
 * comes back with the lines that follow.
 */
export const mostRepeats = 10_000;
export const repeatsByLine = 10;

const cutAt = 800;

/** Worth making a text of: by its first letter. */
export function mayRepeat(line: Uint8Array, from: number): boolean {
  return line[from] === 0x6d || line[from] === 0x6c;
}

/** `text` is the message behind its head; `previous` the one before it, if that was a log line. */
export function repeatOf(text: string, previous: string | undefined): Repeat | undefined {
  if (text.startsWith('last message repeated ')) {
    const match = /^last message repeated (\d{1,9}) times?\.?\s*$/.exec(text);
    return match === null ? undefined : { times: Number(match[1]) };
  }
  if (!text.startsWith('message repeated ')) return undefined;
  const match = /^message repeated (\d{1,9}) times: \[(.*)\]\s*$/s.exec(text);
  if (match === null) return undefined;
  const inside = match[2] ?? '';
  const message = inside.replace(/^ /, '');
  const isCut = inside.length >= cutAt && previous?.startsWith(message);
  return { times: Number(match[1]), text: isCut ? (previous ?? '') : message };
}
