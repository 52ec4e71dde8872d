// A picture's size in pixels, as users write it.
export type Size = { readonly width: number; readonly height: number };

/** DRM, VBE and X count in 16 bits; below 16 nothing draws. */
const least = 16;
const most = 32_767;

/** `1920x1080`; undefined for anything else. */
export function parseSize(text: string): Size | undefined {
  const found = /^(\d{2,5})x(\d{2,5})$/.exec(text);
  if (found === null) return undefined;
  const [width, height] = [Number(found[1]), Number(found[2])];
  return isDrawable(width) && isDrawable(height) ? { width, height } : undefined;
}

/** @param pixels of one side */
export function isDrawable(pixels: number): boolean {
  return pixels >= least && pixels <= most;
}

export function printSize({ width, height }: Size): string {
  return `${width}x${height}`;
}

export function isSameSize(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}

function area({ width, height }: Size): number {
  return width * height;
}

/** Bytes of a framebuffer with 32 bits a pixel and nothing between its lines. */
export function framebufferBytes(size: Size): number {
  return area(size) * 4;
}
