// Numbers for rules. A number belongs to an id: it stays with it while the list changes around it, so that a log line
// of yesterday still means the same rule. New ids get the next free numbers; numbers are never given twice.

/** Ids and their numbers, also of rules that are gone for now. */
export type Numbering = Readonly<Record<string, number>>;

/** The published lists begin with the number 1, for the first heading. */
const firstNumber = 1;

/** Keeps what `previous` says and numbers the other ids in their order. */
export function numberIds(ids: readonly string[], previous: Numbering = {}): Numbering {
  const numbering = new Map(Object.entries(previous));
  let next = firstNumber;
  for (const number of numbering.values()) next = Math.max(next, number + 1);
  for (const id of ids) if (!numbering.has(id)) numbering.set(id, next++);
  return Object.fromEntries(numbering);
}
