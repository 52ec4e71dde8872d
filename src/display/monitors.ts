// Several monitors and their places: what `--monitor` says, and the box around them that one framebuffer has to hold.
import { unreachable } from '../model/unreachable.ts';
import { parseSize, type Size } from './size.ts';

/** Where a monitor stands, against the one before it. */
export type Side = 'right' | 'left' | 'above' | 'below';

export type Monitor = { readonly size: Size; readonly side: Side };

export type Placed = Monitor & { readonly x: number; readonly y: number };

/** Every monitor's place in one picture; the first one decides nothing about the others but where they begin. */
export function placed(monitors: readonly Monitor[]): readonly Placed[] {
  const places: Placed[] = [];
  for (const monitor of monitors) places.push(placedBeside(monitor, places.at(-1)));
  const left = Math.min(0, ...places.map(({ x }) => x));
  const top = Math.min(0, ...places.map(({ y }) => y));
  return places.map((place) => ({ ...place, x: place.x - left, y: place.y - top }));
}

function placedBeside(monitor: Monitor, before: Placed | undefined): Placed {
  if (before === undefined) return { ...monitor, x: 0, y: 0 };
  const { x, y } = before;
  switch (monitor.side) {
    case 'right':
      return { ...monitor, x: x + before.size.width, y };
    case 'left':
      return { ...monitor, x: x - monitor.size.width, y };
    case 'below':
      return { ...monitor, x, y: y + before.size.height };
    case 'above':
      return { ...monitor, x, y: y - monitor.size.height };
    default:
      return unreachable(monitor.side);
  }
}

/** The box around all of them: one framebuffer holds it. */
export function boxOf(monitors: readonly Monitor[]): Size {
  const places = placed(monitors);
  return {
    width: Math.max(0, ...places.map(({ x, size }) => x + size.width)),
    height: Math.max(0, ...places.map(({ y, size }) => y + size.height)),
  };
}

/** `1920x1080` or `1280x1024@right`; undefined for anything else. */
export function parseMonitor(text: string): Monitor | undefined {
  const [size = '', side = 'right', ...more] = text.split('@');
  const parsed = parseSize(size);
  if (parsed === undefined || more.length > 0 || !isSide(side)) return undefined;
  return { size: parsed, side };
}

function isSide(text: string): text is Side {
  return ['right', 'left', 'above', 'below'].includes(text);
}
