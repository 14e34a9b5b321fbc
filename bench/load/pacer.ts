// A thread of the open loop: writes each request to the socket when it is due. It blocks, so it is precise and has no events.
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { nowMs, type PacerData } from './pacer-data.js';

const FULL_SOCKET_WAIT_MS = 0.1;
const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

function sleep(durationMs: number): void {
  Atomics.wait(never, 0, 0, durationMs);
}

function writeWhole(descriptor: number, frame: Uint8Array): void {
  let at = 0;
  while (at < frame.length) {
    try {
      at += writeSync(descriptor, frame, at);
    } catch (error) {
      // The socket does not block. Latency goes on counting from when the request was due.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      sleep(FULL_SOCKET_WAIT_MS);
    }
  }
}

function run({ descriptor, frames, count, intervalMs, startMs, sentMs, answered }: PacerData): void {
  for (let request = 0; request < count; request++) {
    const dueMs = startMs + request * intervalMs;
    for (let left = dueMs - nowMs(); left > 0; left = dueMs - nowMs()) sleep(left);
    const unanswered = request - Atomics.load(answered, 0);
    const frame = frames[request % frames.length];
    if (!frame || unanswered >= frames.length)
      throw new Error(`${unanswered} requests are unanswered: the rate is too high.`);
    sentMs[request] = nowMs();
    writeWhole(descriptor, frame);
  }
}

// What this program's own other thread passed.
run(workerData as PacerData);
