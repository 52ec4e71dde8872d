// A packed file -> its bytes. gzip and zstd are in Node; xz and bzip2 are the system's, fed by standard input, so that no
// name of a file reaches a command line.
import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { local } from '../../machine/access.ts';
import { unreachable } from '../../model/unreachable.ts';
import type { OpenFile } from './log-files.ts';
import type { Packing } from './older-copies.ts';

const pieceSize = 64 * 1024;

/** @throws Error when the file is damaged or the system has no program for it */
export function unpacked(file: OpenFile, packing: Packing): AsyncIterable<Buffer> {
  switch (packing) {
    case 'gz':
      return throughNode(file, createGunzip());
    case 'zst':
      return throughNode(file, createZstdDecompress());
    case 'xz':
    case 'bz2':
      return throughProgram(file, packing === 'xz' ? 'xz' : 'bzip2');
    default:
      return unreachable(packing);
  }
}

async function* piecesOf(file: OpenFile): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const piece = await file.read(offset, pieceSize);
    if (piece.length === 0) return;
    offset += piece.length;
    yield piece;
  }
}

/** What goes wrong on the way comes out at the end. */
function throughNode(file: OpenFile, transform: Transform): AsyncIterable<Buffer> {
  return pipeline(Readable.from(piecesOf(file)), transform, () => undefined);
}

async function* throughProgram(file: OpenFile, program: string): AsyncGenerator<Buffer> {
  const child = local.start(program, ['-dc']);
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
  ended.catch(() => undefined);
  child.stderr.resume();
  child.stdin.on('error', () => undefined); // it may have seen enough
  Readable.from(piecesOf(file)).pipe(child.stdin);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const code = await ended;
    if (code !== 0) throw new Error(`${program} ended with ${code}`);
  } finally {
    child.kill();
  }
}
