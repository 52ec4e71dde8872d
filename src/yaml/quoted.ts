// Words of the user inside our messages: on one line, not too long, and without what a terminal would obey.

const longest = 60;

/** In single quotes; control and invisible characters as `\u{...}`, the end cut off after 60 characters. */
export function quoted(text: string): string {
  return `'${printable(text, longest)}'`;
}

export function printable(text: string, length: number): string {
  const characters = [...text.slice(0, 4 * length)];
  const shown = characters.slice(0, length).map(visible).join('');
  return characters.length > length ? `${shown}...` : shown;
}

function visible(character: string): string {
  return /[\p{C}\p{Zl}\p{Zp}]/u.test(character) ? `\\u{${character.codePointAt(0)?.toString(16)}}` : character;
}
