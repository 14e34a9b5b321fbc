import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brokerError } from '../../src/base/errors.js';
import type { Recipient } from '../../src/client/delivery.js';
import { ProducerBatch } from '../../src/client/producer-batch.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };
const record = (timestampMs: number) => ({ timestampMs, key: null, value: null, headers: [] });
const batchOf = () =>
  new ProducerBatch({ topic: 't', partition: 4, sequence: 0, lingerUntilMs: 0, deadlineMs: 0 });
const place = (position: number, offset = 100 + position) => ({
  ...{ topic: 't', partition: 4, offset, timestampMs: position },
});

/** Notes what it is told, by the index of the message. */
class Notes implements Recipient {
  readonly overheadBytes = 0;
  readonly told = new Map<number, unknown>();

  delivered(index: number, result: unknown): void {
    expect(this.told.has(index)).toBe(false);
    this.told.set(index, result);
  }

  failed(index: number, error: unknown): void {
    this.delivered(index, error);
  }
}

describe('ProducerBatch', () => {
  it('tells everyone who waits the place of their message, however single ones and those of calls mix', async () => {
    // Null: sent by itself; a number: the next message of that call.
    const senders = fc.array(fc.option(fc.nat(2), { nil: null }), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(senders, fc.boolean(), async (order, isAppended) => {
        const batch = batchOf();
        const calls = [new Notes(), new Notes(), new Notes()];
        const sent = [0, 0, 0];
        const singles: [number, Promise<unknown>][] = [];
        const expected: Map<number, unknown>[] = [new Map(), new Map(), new Map()];
        const error = brokerError('MESSAGE_TOO_LARGE');
        order.forEach((sender, position) => {
          const call = sender === null ? undefined : calls[sender];
          if (sender === null || !call) {
            batch.addAwaited(record(position));
            singles.push([position, batch.result().catch((reason: unknown) => reason)]);
            return;
          }
          // Some of a call's messages went to other partitions.
          const index = (sent[sender] ?? 0) + (position % 3);
          sent[sender] = index + 1;
          expected[sender]?.set(index, isAppended ? place(position) : error);
          batch.add(record(position), call, index);
        });
        expect(batch.recordCount).toBe(order.length);
        if (isAppended) batch.delivered({ baseOffset: 100, logAppendTimeMs: -1 });
        else batch.failed(error);
        expect(calls.map(({ told }) => told)).toEqual(expected);
        for (const [position, result] of singles) {
          expect(await result).toEqual(isAppended ? place(position) : error);
        }
      }),
      seed,
    );
  });

  it('says so where nobody knows the offset, and takes the time of the broker', async () => {
    const batch = batchOf();
    batch.addAwaited(record(0));
    const result = batch.result();
    batch.delivered({ baseOffset: -1, logAppendTimeMs: 77 });
    expect(await result).toEqual({ ...place(0, -1), timestampMs: 77 });
  });

  it('adds nothing that has no time, and keeps the others in their places', async () => {
    const batch = batchOf();
    expect(() => batch.addAwaited(record(0.5))).toThrow('not 0.5');
    batch.addAwaited(record(0));
    const result = batch.result();
    batch.delivered({ baseOffset: 100, logAppendTimeMs: -1 });
    expect(await result).toEqual(place(0));
  });
});
