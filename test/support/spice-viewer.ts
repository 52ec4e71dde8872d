// A viewer that connects by SPICE and shows nothing: as much of the protocol as makes QEMU count it.
// Source: https://www.spice-space.org/spice-protocol.html, "Channel link"; the ticket is encrypted also where none is asked for
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const mainChannel = 1;
const headerLength = 16;
/** Behind the error code in the server's answer. */
const publicKey = { start: headerLength + 4, length: 162 };

/** Connected when this comes back, until its `close` is called. @throws Error when the server refuses */
export async function spiceViewer(socketPath: string, connectionId = 0): Promise<{ readonly close: () => void }> {
  const socket = connect(socketPath);
  const received = chunks(socket);
  socket.write(linkMessage(connectionId));
  const answer = await received(publicKey.start + publicKey.length);
  if (answer.readUInt32LE(headerLength) !== 0) throw new Error('SPICE refused the link');
  const rest = answer.readUInt32LE(12) - 4 - publicKey.length;
  const der = answer.subarray(publicKey.start, publicKey.start + publicKey.length);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  await received(rest);
  socket.write(publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING }, Buffer.from('\0')));
  const result = (await received(4)).readUInt32LE(0);
  if (result !== 0) throw new Error(`SPICE refused the ticket: ${result}`);
  return { close: () => socket.destroy() };
}

function linkMessage(connectionId: number): Buffer {
  const message = Buffer.alloc(headerLength + 18);
  message.write('REDQ', 0, 'latin1');
  message.writeUInt32LE(2, 4);
  message.writeUInt32LE(2, 8);
  message.writeUInt32LE(18, 12);
  message.writeUInt32LE(connectionId, 16);
  message.writeUInt8(mainChannel, 20);
  message.writeUInt32LE(18, 30);
  return message;
}

/** Reads exactly so many octets. */
function chunks(socket: Socket): (length: number) => Promise<Buffer> {
  let held = Buffer.alloc(0);
  let wake = (): void => undefined;
  let ended = false;
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    wake();
  });
  const end = (): void => {
    ended = true;
    wake();
  };
  socket.on('error', end).on('close', end);
  return async (length) => {
    while (held.length < length && !ended) await new Promise<void>((resolve) => (wake = resolve));
    if (held.length < length) throw new Error('SPICE ended the connection');
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  };
}
