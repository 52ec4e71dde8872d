// The names in a directory -> a log file and its older copies, newest first: `kern.log`, `kern.log.1`, `kern.log.2.gz`,
// `kern.log-20240406.xz` (logrotate's dateext).

export const packings = ['gz', 'xz', 'zst', 'bz2'] as const;

export type Packing = (typeof packings)[number];

export type Copy = { readonly name: string; readonly packing?: Packing };

export function packingOf(name: string): Packing | undefined {
  return packings.find((packing) => name.endsWith(`.${packing}`));
}

export function copiesOf(base: string, names: readonly string[]): readonly Copy[] {
  const copies = names.flatMap((name) => {
    const age = name === base ? { number: 0, date: '' } : ageOf(base, name);
    return age === undefined ? [] : [{ name, ...age }];
  });
  copies.sort((a, b) => a.number - b.number || (a.date < b.date ? 1 : a.date > b.date ? -1 : order(a.name, b.name)));
  return copies.map(({ name }) => {
    const packing = packingOf(name);
    return packing === undefined ? { name } : { name, packing };
  });
}

/** While a copy is being packed both are there: the plain one first. */
function order(a: string, b: string): number {
  return a.length - b.length;
}

/** Dated copies are older than the file itself and than a numbered copy that has just been made. */
function ageOf(base: string, name: string): { readonly number: number; readonly date: string } | undefined {
  if (!name.startsWith(base)) return undefined;
  const packing = packingOf(name);
  const middle = name.slice(base.length, packing === undefined ? undefined : -packing.length - 1);
  if (/^\.[1-9]\d{0,4}$/.test(middle)) return { number: Number(middle.slice(1)), date: '' };
  const date = /^[-.](\d{8}|\d{4}-\d\d-\d\d)(?:[-._T]?(\d{1,10}))?$/.exec(middle);
  if (date === null) return undefined;
  return { number: 100_000, date: `${date[1]?.replaceAll('-', '')}-${(date[2] ?? '').padStart(10, '0')}` };
}
