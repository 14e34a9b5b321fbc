import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createRing } from '../../src/actor/descriptor-ring.js';
import { createViews } from '../../src/actor/view.js';

type Result = Readonly<Record<string, number>> & { readonly error?: string };

/** Runs both sides on threads of their own; returns what they say at the end. */
async function onThreads(roles: readonly string[], data: object): Promise<Result[]> {
  const started = new Int32Array(new SharedArrayBuffer(4));
  const threads = roles.map(
    (role) =>
      new Worker(new URL('./stress-worker.mjs', import.meta.url), { workerData: { ...data, started, role } }),
  );
  try {
    return await Promise.all(
      threads.map(
        (thread) =>
          new Promise<Result>((resolve, reject) => {
            thread.once('message', resolve);
            thread.once('error', reject);
            thread.once('exit', (code) =>
              reject(new Error(`a thread ended with ${code} before it was done`)),
            );
          }),
      ),
    );
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

describe('two threads', () => {
  it('pass 100,000 descriptors there and back through small rings, all of them and in order', async () => {
    const messages = 100_000;
    const data = { ring: createRing(16), back: createRing(16), messages };
    const [sender, echo] = await onThreads(['sendAll', 'echoAll'], data);
    expect(sender?.error).toBeUndefined();
    expect(echo?.error).toBeUndefined();
    expect(sender?.['received']).toBe(messages);
    expect(echo?.['echoed']).toBe(messages);
    expect(sender?.['wakes']).toBeGreaterThan(0);
  }, 30_000);

  it('share a view through 300,000 publications: never a mixture, never back, never asleep over the last one', async () => {
    const data = { ring: createRing(4), views: createViews(1), messages: 300_000 };
    const [writer, reader] = await onThreads(['publishAll', 'readAll'], data);
    expect(writer?.error).toBeUndefined();
    expect(reader?.error).toBeUndefined();
    expect(reader?.['reads']).toBeGreaterThan(0);
    expect(writer?.['told']).toBeGreaterThanOrEqual(reader?.['waits'] ?? 0);
  }, 30_000);
});
