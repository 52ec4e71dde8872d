// The addresses of one row of an interval set, as ranges that do not touch: one address more or less changes the ranges
// beside it and no others.
import type { NumberRange } from '../../model/field.ts';

/** Ranges that vanish, and those that appear in their place. */
export type RangeChange = { readonly lost: readonly NumberRange[]; readonly gained: readonly NumberRange[] };

export class AddressRow {
  /** Ascending. */
  readonly #ranges: NumberRange[];

  /** @param ranges in any order; none overlap */
  constructor(ranges: readonly NumberRange[]) {
    this.#ranges = ranges.toSorted((a, b) => (a.first < b.first ? -1 : 1));
  }

  has(bits: bigint): boolean {
    const range = this.#ranges[this.#reaching(bits)];
    return range !== undefined && range.first <= bits;
  }

  /** @param bits is in it */
  remove(bits: bigint): RangeChange {
    const at = this.#reaching(bits);
    const range = this.#ranges[at] as NumberRange;
    const gained = [
      ...(range.first < bits ? [{ first: range.first, last: bits - 1n }] : []),
      ...(bits < range.last ? [{ first: bits + 1n, last: range.last }] : []),
    ];
    this.#ranges.splice(at, 1, ...gained);
    return { lost: [range], gained };
  }

  /** @param bits is not in it */
  add(bits: bigint): RangeChange {
    const at = this.#reaching(bits);
    const [before, after] = [this.#ranges[at - 1], this.#ranges[at]];
    const left = before !== undefined && before.last + 1n === bits ? [before] : [];
    const right = after !== undefined && after.first === bits + 1n ? [after] : [];
    const gained = { first: left[0]?.first ?? bits, last: right[0]?.last ?? bits };
    this.#ranges.splice(at - left.length, left.length + right.length, gained);
    return { lost: [...left, ...right], gained: [gained] };
  }

  /** The index of the first range that does not end before the address. */
  #reaching(bits: bigint): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as NumberRange).last < bits) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
