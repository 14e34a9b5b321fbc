import { closeSync, openSync, readSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { SourcePumpJob } from '../job.js';
import { listen } from '../listen.js';

/** Buffers on their way at a time. */
const BUFFERS = 8;

/** Sends the file to the first that connects. The bytes, when the socket has taken all. */
export function source(
  job: SourcePumpJob,
  listening: (port: number) => void,
  begin: () => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      begin();
      server.close();
      socket.on('error', reject);
      pour(job, socket, resolve, reject);
    });
    listen(server, listening, reject);
  });
}

function pour(
  job: SourcePumpJob,
  socket: Socket,
  done: (bytes: number) => void,
  failed: (error: Error) => void,
): void {
  const descriptor = openSync(job.file, 'r');
  let position = 0;
  let open = BUFFERS;
  const finish = () => {
    closeSync(descriptor);
    socket.end(() => done(position));
    socket.resume();
  };
  const next = (buffer: Buffer) => {
    const wanted = Math.min(buffer.length, job.bytes - position);
    if (wanted === 0) {
      if (--open === 0) finish();
      return;
    }
    const count = readSync(descriptor, buffer, 0, wanted, position);
    if (count === 0) failed(new Error(`The file ends at ${position}, ${job.bytes} bytes were to come.`));
    position += count;
    socket.write(buffer.subarray(0, count), () => next(buffer));
  };
  for (let i = 0; i < BUFFERS; i++) next(Buffer.allocUnsafeSlow(job.pieceBytes));
}
