// `display modeline`: a timing by CVT, for xorg.conf, for xrandr, or as the kernel's own argument.
import { cvt, type Modeline, modelineWords, refreshOf } from '../display/cvt.ts';
import { printSize } from '../display/size.ts';
import { HostError } from '../model/host-error.ts';
import { exitCodes } from './exit-codes.ts';
import { type Format, print, printJson } from './output.ts';

export type ModelineOptions = {
  readonly rb?: boolean;
  readonly xrandr?: string;
  readonly kernel?: boolean;
  readonly output: Format;
};

export async function modeline(width: number, height: number, hz: number, options: ModelineOptions): Promise<number> {
  if (width < 64 || width > 16_384 || height < 64 || height > 16_384 || hz < 10 || hz > 500) {
    throw new HostError('usage', 'sizes from 64 to 16384 and rates from 10 to 500 Hz have a timing');
  }
  if (options.xrandr !== undefined && !/^[A-Za-z0-9-]{1,32}$/.test(options.xrandr)) {
    throw new HostError('usage', `'${options.xrandr}' is no name of an output, as Virtual-1 is one`);
  }
  const mode = cvt(width, height, hz, options.rb === true ? 'reduced' : 'normal');
  if (options.output === 'json') printJson('modeline', { modeline: { ...mode, hz: refreshOf(mode) } });
  else print(modelineText(mode, width, height, options));
  return exitCodes.fine;
}

function modelineText(mode: Modeline, width: number, height: number, { xrandr, kernel, rb }: ModelineOptions): string {
  const [name = '', ...timing] = modelineWords(mode);
  if (kernel === true) return `video=${printSize({ width, height })}${rb === true ? 'R' : ''}`;
  if (xrandr === undefined) return `Modeline "${name}" ${timing.join(' ')}`;
  return [
    `xrandr --newmode "${name}" ${timing.join(' ')}`,
    `xrandr --addmode ${xrandr} "${name}"`,
    `xrandr --output ${xrandr} --mode "${name}"`,
  ].join('\n');
}
