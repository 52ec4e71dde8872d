// A file or standard input, whole. Standard input may be a pipe that does not wait: whoever writes into it is given time.
import { closeSync, openSync, readSync } from 'node:fs';

const chunkSize = 65_536;
const pauseMs = 10;

/** @throws what node:fs throws, and Error when it is larger than `mostBytes` */
export function readInput(file: string, mostBytes: number): Buffer {
  const fd = file === '-' ? 0 : openSync(file, 'r');
  try {
    return readAll(fd, mostBytes);
  } finally {
    if (fd !== 0) closeSync(fd);
  }
}

function readAll(fd: number, mostBytes: number): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  for (let chunk = readChunk(fd); chunk.length > 0; chunk = readChunk(fd)) {
    size += chunk.length;
    if (size > mostBytes) throw new Error(`larger than ${mostBytes / 2 ** 20} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function readChunk(fd: number): Buffer {
  const chunk = Buffer.alloc(chunkSize);
  for (;;) {
    try {
      return chunk.subarray(0, readSync(fd, chunk));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return Buffer.alloc(0);
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    }
  }
}
