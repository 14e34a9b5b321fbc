// The other end of a pump: sends or receives a stream of bytes that nobody looks at.
import { connect, createServer, type Socket } from 'node:net';
import type { LoadResult, ReceiveJob, SendJob } from '../job.js';
import { listen } from '../listen.js';
import { measured } from './measured.js';

const PIECE_BYTES = 256 * 1024;
/** Pieces on their way at a time. */
const PIECES = 8;

/** Sends to the first that connects; `listening` is told the port. Ends when the pump has closed the connection. */
export function send(job: SendJob, listening: (port: number) => void): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      server.close();
      socket.on('error', reject);
      measured(() => sendAll(socket, job.bytes)).then(resolve, reject);
    });
    listen(server, listening, reject);
  });
}

function sendAll(socket: Socket, bytes: number): Promise<{ bytes: number; records: number }> {
  const piece = Buffer.alloc(PIECE_BYTES, 1);
  let left = bytes;
  return new Promise((resolve) => {
    const next = () => {
      const size = Math.min(PIECE_BYTES, left);
      left -= size;
      if (size > 0) socket.write(piece.subarray(0, size), next);
      else if (!socket.writableEnded) socket.end();
    };
    socket.on('close', () => resolve({ bytes, records: 0 }));
    socket.resume();
    for (let i = 0; i < PIECES; i++) next();
  });
}

/** Receives into one buffer until the pump ends the stream. */
export function receive(job: ReceiveJob): Promise<LoadResult> {
  return measured(
    () =>
      new Promise((resolve, reject) => {
        let bytes = 0;
        const socket = connect({
          host: '127.0.0.1',
          port: job.port,
          onread: {
            buffer: Buffer.allocUnsafeSlow(PIECE_BYTES),
            callback: (count) => {
              bytes += count;
              return true;
            },
          },
        });
        socket.on('error', reject);
        socket.on('end', () => {
          if (bytes === job.bytes) resolve({ bytes, records: 0 });
          else reject(new Error(`${bytes} of ${job.bytes} bytes came from the pump.`));
        });
      }),
  );
}
