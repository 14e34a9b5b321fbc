import { describe, expect, it } from 'vitest';
import { SendWindow } from '../../../src/cli/commands/send-window.js';
import type { SendResult } from '../../../src/client/message.js';

const result = (partition: number, offset: number): SendResult => ({
  topic: 't',
  partition,
  offset,
  timestampMs: 0,
});

function answerable() {
  let resolve: (results: SendResult[]) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const sent = new Promise<SendResult[]>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { sent, resolve, reject };
}

/** Whether the promise is settled once all that is due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('SendWindow', () => {
  it('has room until so many bytes are unanswered', async () => {
    const window = new SendWindow(10);
    const [first, second] = [answerable(), answerable()];
    window.add(9, 0, first.sent);
    await window.room();
    window.add(1, 0, second.sent);
    const room = window.room();
    expect(await isSettled(room)).toBe(false);
    second.resolve([]);
    await room;
    expect(window.bytes).toBe(10);
  });

  it('counts what a record costs besides its bytes', async () => {
    const window = new SendWindow(1000);
    const { sent, resolve } = answerable();
    window.add(10, 4, sent);
    const room = window.room();
    expect(await isSettled(room)).toBe(false);
    resolve([]);
    await room;
  });

  it('is drained when all is answered', async () => {
    const window = new SendWindow(10);
    await window.drained();
    const [first, second] = [answerable(), answerable()];
    window.add(0, 0, first.sent);
    window.add(0, 0, second.sent);
    const drained = window.drained();
    second.resolve([]);
    expect(await isSettled(drained)).toBe(false);
    first.resolve([]);
    await drained;
  });

  it('throws what made a send fail, once the rest is answered', async () => {
    const window = new SendWindow(10);
    const [first, second] = [answerable(), answerable()];
    window.add(1, 0, first.sent);
    window.add(1, 0, second.sent);
    first.reject(new Error('too large'));
    expect(await isSettled(window.drained())).toBe(false);
    second.resolve([result(0, 5)]);
    await expect(window.drained()).rejects.toThrow('too large');
    await expect(window.room()).rejects.toThrow('too large');
    expect(window.tally.records).toBe(1);
  });

  it('counts what was acknowledged by partition', async () => {
    const window = new SendWindow(10);
    window.add(1, 0, Promise.resolve([result(2, 7), result(0, 3), result(2, 8)]));
    window.add(1, 0, Promise.resolve([result(2, 6)]));
    await window.drained();
    expect(window.tally).toMatchObject({ records: 4 });
    expect(window.tally.partitions).toEqual([
      { partition: 0, records: 1, firstOffset: 3, lastOffset: 3 },
      { partition: 2, records: 3, firstOffset: 6, lastOffset: 8 },
    ]);
  });
});
