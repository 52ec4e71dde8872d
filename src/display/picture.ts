// A screenshot's bytes -> its size. QEMU writes PPM, libvirt PNG, whatever the file is called: only the bytes count, and all of
// them must be there: a picture that was cut off proves nothing.
// Sources: https://www.w3.org/TR/png-3/#5Chunk-layout; ppm(5)
import { isDrawable, type Size } from './size.ts';

export type Picture = { readonly format: 'png' | 'ppm'; readonly size: Size };

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** undefined for anything that is not one such picture, from its first byte to its last. */
export function pictureOf(bytes: Buffer): Picture | undefined {
  return bytes.subarray(0, pngSignature.length).equals(pngSignature) ? pngOf(bytes) : ppmOf(bytes);
}

/** Length, name, data and sum of each chunk. */
function pngOf(bytes: Buffer): Picture | undefined {
  if (bytes.length < 33 || chunkName(bytes, pngSignature.length) !== 'IHDR') return undefined;
  for (let at = pngSignature.length; at + 12 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (chunkName(bytes, at) !== 'IEND') continue;
    return sized('png', bytes.readUInt32BE(16), bytes.readUInt32BE(20));
  }
  return undefined;
}

function chunkName(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at + 4, at + 8);
}

/** Comments may stand between the words of the head, which is short. */
function ppmOf(bytes: Buffer): Picture | undefined {
  const head = bytes.toString('latin1', 0, 1024);
  const blank = String.raw`(?:\s|#[^\n]*\n)+`;
  const found = new RegExp(`^P6${blank}(\\d{1,5})${blank}(\\d{1,5})${blank}(\\d{1,5})\\s`).exec(head);
  if (found === null) return undefined;
  const [width, height, most] = [Number(found[1]), Number(found[2]), Number(found[3])];
  const line = width * 3 * (most > 255 ? 2 : 1);
  // QEMU fills its lines up to whole words (ppm_save of ui/console.c): of 1366 pixels to 4100 bytes
  const padded = Math.ceil(line / 4) * 4;
  const length = bytes.length - found[0].length;
  return length === line * height || length === padded * height ? sized('ppm', width, height) : undefined;
}

function sized(format: Picture['format'], width: number, height: number): Picture | undefined {
  return isDrawable(width) && isDrawable(height) ? { format, size: { width, height } } : undefined;
}
