import { close, openSync, write } from 'node:fs';
import { connect } from 'node:net';
import type { SinkPumpJob } from '../job.js';

/** Pieces of memory: one takes what comes, the others are being written. */
const PIECES = 8;

/** Writes what the peer sends to a file, a whole piece at a time. The bytes, when all are in the file. */
export function sink({ port, file, pieceBytes }: SinkPumpJob, begin: () => void): Promise<number> {
  const descriptor = openSync(file, 'w');
  const free = Array.from({ length: PIECES - 1 }, () => Buffer.allocUnsafeSlow(pieceBytes));
  let filling = Buffer.allocUnsafeSlow(pieceBytes);
  let filled = 0;
  let position = 0;
  let writing = 0;
  let ended = false;

  return new Promise((resolve, reject) => {
    const finish = () => {
      if (!ended || writing > 0) return;
      socket.end();
      close(descriptor, (error) => (error ? reject(error) : resolve(position)));
    };
    const writePiece = () => {
      const piece = filling;
      const bytes = filled;
      writing++;
      write(descriptor, piece, 0, bytes, position, (error, written) => {
        if (error) reject(error);
        else if (written < bytes) reject(new Error(`Of ${bytes} bytes, the file took ${written}.`));
        writing--;
        free.push(piece);
        socket.resume();
        finish();
      });
      position += bytes;
      filled = 0;
      // There is one: the socket is paused as soon as the last one takes what comes.
      filling = free.pop() ?? filling;
    };
    const socket = connect({
      host: '127.0.0.1',
      port,
      onread: {
        buffer: () => filling.subarray(filled),
        callback: (count) => {
          filled += count;
          if (filled === pieceBytes) writePiece();
          return free.length > 0;
        },
      },
    });
    socket.on('connect', begin);
    socket.on('error', reject);
    socket.on('end', () => {
      ended = true;
      if (filled > 0) writePiece();
      finish();
    });
  });
}
