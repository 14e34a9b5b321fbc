import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AnswerPumpJob } from '../job.js';
import { listen } from '../listen.js';

export interface AnswerPorts {
  readonly listening: (port: number) => void;
  /** The first connection is there. */
  readonly begin: () => void;
  /** When to end. */
  readonly until: Promise<void>;
}

/** Appends what comes to the file, one write per read, and answers each `requestBytes` of a connection. The bytes that came. */
export function answer(job: AnswerPumpJob, { listening, begin, until }: AnswerPorts): Promise<number> {
  const descriptor = openSync(job.file, 'w');
  const reply = Buffer.from(job.answerBase64, 'base64');
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => {
      if (bytes === 0) begin();
      let unanswered = 0;
      socket.on('data', (piece) => {
        writeSync(descriptor, piece);
        bytes += piece.length;
        unanswered += piece.length;
        const answers = Math.floor(unanswered / job.requestBytes);
        unanswered -= answers * job.requestBytes;
        if (answers === 1) socket.write(reply);
        else if (answers > 1) socket.write(Buffer.concat(Array.from({ length: answers }, () => reply)));
      });
      // If a connection breaks too early, the load generator at its other end says so.
      socket.on('error', () => {});
    });
    listen(server, listening, reject);
    void until.then(() => {
      server.close();
      closeSync(descriptor);
      resolve(bytes);
    });
  });
}

/** Listens and does nothing. */
export function idle({ listening, until }: Omit<AnswerPorts, 'begin'>): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    listen(server, listening, reject);
    void until.then(() => server.close(() => resolve(0)));
  });
}
