// A screenshot's first bytes -> its size. QEMU writes PPM, libvirt PNG, whatever the file is called: only the bytes count.
// Sources: https://www.w3.org/TR/png-3/#11IHDR; ppm(5)
import type { Size } from './size.ts';

export type Picture = { readonly format: 'png' | 'ppm'; readonly size: Size };

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** undefined for anything that is not the complete head of such a picture. */
export function pictureOf(bytes: Buffer): Picture | undefined {
  return bytes.subarray(0, pngSignature.length).equals(pngSignature) ? pngOf(bytes) : ppmOf(bytes);
}

function pngOf(bytes: Buffer): Picture | undefined {
  if (bytes.length < 33 || bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  return sized('png', bytes.readUInt32BE(16), bytes.readUInt32BE(20));
}

/** Comments may stand between the words of the head, which is short. */
function ppmOf(bytes: Buffer): Picture | undefined {
  const head = bytes.toString('latin1', 0, 256).replace(/#[^\n]*\n/g, '');
  const found = /^P6\s+(\d{1,5})\s+(\d{1,5})\s+(\d{1,5})\s/.exec(head);
  return found === null ? undefined : sized('ppm', Number(found[1]), Number(found[2]));
}

function sized(format: Picture['format'], width: number, height: number): Picture | undefined {
  return width > 0 && height > 0 ? { format, size: { width, height } } : undefined;
}
