import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AnswerPumpJob } from '../job.js';

/** Where the requests go; null: nowhere, nobody is expected. */
type Answers = Omit<AnswerPumpJob, 'file'> & { readonly file: string | null };

/**
 * Appends what comes to the file, one write per read, and answers each `requestBytes` of a connection. Ends when stdin does: the
 * bytes that came.
 */
export function answer(job: Answers, listening: (port: number) => void, begin: () => void): Promise<number> {
  const descriptor = job.file === null ? null : openSync(job.file, 'w');
  const reply = Buffer.from(job.answerBase64, 'base64');
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => {
      if (bytes === 0) begin();
      let unanswered = 0;
      socket.on('data', (piece) => {
        if (descriptor !== null) writeSync(descriptor, piece);
        bytes += piece.length;
        unanswered += piece.length;
        const answers = Math.floor(unanswered / job.requestBytes);
        unanswered -= answers * job.requestBytes;
        if (answers === 1) socket.write(reply);
        else if (answers > 1) socket.write(Buffer.concat(Array.from({ length: answers }, () => reply)));
      });
      socket.on('error', reject);
    });
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') listening(address.port);
    });
    process.stdin.resume().on('end', () => {
      server.close();
      if (descriptor !== null) closeSync(descriptor);
      resolve(bytes);
    });
  });
}
