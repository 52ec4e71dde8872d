// What xrandr says of a session's outputs -> facts: which there are, what each shows and where, and the names of its modes.
// It comes from the guest and is hostile: names have a fixed form, lists a length, and what is otherwise is left out.
// Source: xrandr(1); its own printing, app/xrandr/xrandr.c
import { parseSize, type Size } from './size.ts';

export type Output = {
  /** X's own, mostly as the kernel's: `Virtual-1`. */
  readonly name: string;
  readonly connected: boolean;
  /** undefined while it is off. */
  readonly shown: { readonly size: Size; readonly x: number; readonly y: number; readonly mode: string } | undefined;
  /** Names, which need not be sizes. */
  readonly modes: readonly string[];
};

const mostOutputs = 16;
const mostModes = 256;

/** @param lines of `xrandr --current` */
export function outputsOf(lines: readonly string[]): readonly Output[] {
  const outputs: Output[] = [];
  let current = false;
  for (const line of lines) {
    const head = headOf(line);
    const last = outputs.at(-1);
    if (head !== undefined && outputs.length < mostOutputs) outputs.push(head);
    else if (current && last !== undefined) outputs[outputs.length - 1] = withMode(last, line);
    current = head !== undefined || (current && line.startsWith(' '));
  }
  return outputs;
}

/** `Virtual-1 connected primary 1920x1080+0+0 (normal …) 0mm x 0mm`: no place while it is off, no words of turning with qxl. */
function headOf(line: string): Output | undefined {
  const found =
    /^([A-Za-z]+-(?:[A-Z]-)?\d{1,3}) (connected|disconnected)(?: primary)?(?: (\d{2,5}x\d{2,5})\+(\d{1,5})\+(\d{1,5}))?(?: [A-Za-z ]+)?(?: \([A-Za-z ]*\))?(?: \d{1,6}mm x \d{1,6}mm)?$/.exec(
      line,
    );
  if (found === null) return undefined;
  const size = parseSize(found[3] ?? '');
  return {
    name: found[1] ?? '',
    connected: found[2] === 'connected',
    shown: size === undefined ? undefined : { size, x: Number(found[4]), y: Number(found[5]), mode: '' },
    modes: [],
  };
}

/** `   1920x1080_60.00  59.96*+`: the star is at the one that is shown. */
function withMode(output: Output, line: string): Output {
  const found = /^ {3}([\w.-]{1,32}) {2,}([ \d.*+i]*)$/.exec(line);
  const [, name = '', rates = ''] = found ?? [];
  if (found === null || output.modes.length >= mostModes) return output;
  const { shown } = output;
  return {
    ...output,
    modes: [...output.modes, name],
    shown: shown !== undefined && rates.includes('*') ? { ...shown, mode: name } : shown,
  };
}

/** The arguments of xrandr that make it so again; none where nothing is known. */
export function xrandrWords(outputs: readonly Output[]): readonly string[] {
  return outputs
    .filter(({ connected, shown }) => connected || shown !== undefined)
    .flatMap(({ name, shown }) =>
      shown === undefined || shown.mode === ''
        ? ['--output', name, '--off']
        : ['--output', name, '--mode', shown.mode, '--pos', `${shown.x}x${shown.y}`],
    );
}
