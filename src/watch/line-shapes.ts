// Nearly every line of a log is as one that came before it, but for numbers, addresses and names. The body of a line that was
// read by the grammar is learned: texts, and the fields between them. A line that fits is read by its shape: what the
// grammar would make of it is known but for the values of its fields. What fits no shape is read by the grammar.
import { ip6At, type LineValues } from './line-values.ts';
import type { ScanState } from './scan-state.ts';
import * as pass from './shape-fields.ts';
import { type Learned, type Shape, shapeOf } from './shape-of-line.ts';
import { fields as allFields, StepTree, stepAt as stepPlaces } from './shape-steps.ts';

// What is imported is looked up at every use; what is this module's own is a constant to the compiler.
const fields = allFields;
const stepAt = stepPlaces;
const { passHex, passIp4, passIp6, passMac, passName, passNumber, passOptions } = pass;

const none = -1;
const mostOffset = 0x7fff_ffff;
const mostShapes = 512;
/** So many steps may be tried at one place; if TOS and its like are text, fewer. */
const mostOthers = 16;
const mostTexts = 6;
/** When there is no room for more shapes all are forgotten, but not before so many lines fitted none. */
const mostMissed = 100_000;

/** To learn costs as much as to read a hundred lines: in the long run it is tried once for so many. */
const linesOfAttempt = 256;

export class LineShapes {
  readonly #tree = new StepTree();
  readonly #frames = new pass.Frames();
  #shapes: Shape[] = [];
  #missed = 0;
  #read = 0;
  #attempts = 0;
  /** Of some shape: others may still be learned. */
  #isFull = false;
  #bytes: Uint8Array | undefined;
  #buffer: ArrayBufferLike | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** How many were learned. */
  get count(): number {
    return this.#shapes.length;
  }

  /** So many lines fitted none, since all were forgotten. */
  get missed(): number {
    return this.#missed;
  }

  /** Reads what is behind the header. `false`: nothing of it counts. */
  read(values: LineValues, bytes: Uint8Array, from: number, end: number): boolean {
    if (end > bytes.length || (this.#bytes !== bytes && !this.#lookAt(bytes))) return false;
    this.#read++;
    const number = this.#walk(values, bytes, from, end);
    const shape = this.#shapes[number];
    if (shape === undefined) {
      this.#missed++;
      return false;
    }
    takeShape(values, shape);
    return true;
  }

  /** `false` for what stands so far behind in its buffer that places are no numbers of 31 bits. */
  #lookAt(bytes: Uint8Array): boolean {
    const { buffer, byteOffset } = bytes;
    if (byteOffset + bytes.length > mostOffset) return false;
    this.#bytes = bytes;
    if (this.#buffer !== buffer) {
      this.#buffer = buffer;
      this.#view = new DataView(buffer);
    }
    return true;
  }

  /** A line that was read by the grammar, for the next lines that are like it. */
  learn(scan: ScanState, bytes: Uint8Array): void {
    if (this.#attempts - mostShapes > this.#read / linesOfAttempt) return;
    this.#attempts++;
    if (this.#isFull && this.#missed > mostMissed) this.#forget();
    const isLearned =
      this.#add(shapeOf(scan, bytes, false), mostTexts) || this.#add(shapeOf(scan, bytes, true), mostOthers);
    if (!isLearned) this.#isFull = true;
  }

  /** `false` where there is no room for it. */
  #add(learned: Learned | undefined, most: number): boolean {
    if (learned === undefined) return true;
    if (this.#shapes.length === mostShapes || !this.#tree.add(learned.parts, this.#shapes.length, most)) return false;
    this.#shapes.push(learned.shape);
    return true;
  }

  #forget(): void {
    this.#tree.clear();
    this.#shapes = [];
    this.#missed = 0;
    this.#isFull = false;
  }

  /** The number of the shape, or -1. Each step stands where the one before it ended: nothing is gone through twice. */
  #walk(values: LineValues, bytes: Uint8Array, from: number, end: number): number {
    const view = this.#view;
    const base = bytes.byteOffset;
    const { code } = this.#tree;
    const { value } = values;
    let step = this.#tree.first;
    let at = from;
    while (step > 0) {
      let behind = passText(code, step, bytes, view, base, at, end);
      if (behind >= 0) {
        const kind = code[step + stepAt.field] as number;
        const most = code[step + stepAt.most] as number;
        const field = kind & 15;
        const slot = kind >> 4;
        if (field === fields.number) behind = passNumber(value, slot, most, bytes, behind, end);
        else if (field === fields.ip4) behind = passIp4(value, slot, bytes, behind, end);
        else if (field === fields.hex) behind = passHex(value, slot, most, bytes, behind, end);
        else if (field === fields.frame) behind = this.#frames.pass(values, bytes, view, base, behind, end);
        else if (field === fields.name) behind = passName(values, slot, bytes, behind, end);
        else if (field === fields.ip6) behind = passIp6(values.ip6, ip6At(slot), bytes, behind, end);
        else if (field === fields.mac) behind = passMac(values.macs, slot, bytes, behind, end);
        else if (field === fields.options) behind = passOptions(values, slot, bytes, behind, end);
        else if (behind === end) return code[step + stepAt.next] as number;
        else behind = none;
      }
      if (behind >= 0) at = behind;
      step = code[step + (behind >= 0 ? stepAt.next : stepAt.other)] as number;
    }
    return none;
  }
}

/** The place behind the text of the step, or -1. `| 0` spares the compiled code a look for an overflow. */
function passText(
  code: Int32Array,
  step: number,
  bytes: Uint8Array,
  view: DataView,
  base: number,
  from: number,
  end: number,
): number {
  const to = (from + (code[step + stepAt.length] as number)) | 0;
  if (to > end) return none;
  const last = (to - 4) | 0;
  let text = step + stepAt.text;
  if (last < from) {
    let rest = code[text] as number;
    for (let at = from; at < to; at = (at + 1) | 0) {
      if (bytes[at] !== (rest & 255)) return none;
      rest >>= 8;
    }
    return to;
  }
  for (let at = from; at < last; at = (at + 4) | 0) {
    if (view.getInt32((base + at) | 0, true) !== code[text]) return none;
    text = (text + 1) | 0;
  }
  return view.getInt32((base + last) | 0, true) === code[text] ? to : none;
}

function takeShape(values: LineValues, shape: Shape): void {
  values.line = 1;
  values.seen = shape.seen;
  values.outer = shape.outer;
  values.inner = shape.inner;
  values.octets = shape.octets;
  values.partial = shape.partial;
  values.damaged = false;
  values.cut = false;
  const { fixedSlots, fixedValues } = shape;
  for (let index = 0; index < fixedSlots.length; index++) {
    values.value[fixedSlots[index] as number] = fixedValues[index] as number;
  }
}
