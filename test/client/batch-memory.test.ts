import { describe, expect, it } from 'vitest';
import { brokerError } from '../../src/base/errors.js';
import { BatchMemory } from '../../src/client/batch-memory.js';
import { ProducerBatch } from '../../src/client/producer-batch.js';

const recipient = { overheadBytes: 0, delivered: () => {}, failed: () => {} };
const appended = { baseOffset: 3, logAppendTimeMs: -1 };

function batchIn(memory: Buffer, bytes = 100): ProducerBatch {
  const times = { lingerUntilMs: 0, deadlineMs: 0 };
  const batch = new ProducerBatch({ topic: 't', partition: 0, sequence: 0, ...times, memory });
  batch.add({ timestampMs: 1, key: null, value: Buffer.alloc(bytes), headers: [] }, recipient, 0);
  return batch;
}

describe('BatchMemory', () => {
  it('gives what it got, and no more than it may keep', () => {
    const memory = new BatchMemory(6 * 1024 * 1024);
    const [first, second] = [memory.take(), memory.take()];
    memory.give(first);
    memory.give(second);
    expect(memory.take() === first).toBe(true);
    expect(memory.take() === second).toBe(false);
  });
});

describe('The memory of a batch', () => {
  it('is free when a broker acknowledged the first try', () => {
    const memory = Buffer.alloc(200);
    const batch = batchIn(memory);
    expect(batch.encode('none').buffer).toBe(memory.buffer);
    batch.delivered(appended);
    expect(batch.takeMemory()).toBe(memory);
    expect(batch.takeMemory()).toBeNull();
  });

  it.each<[string, (batch: ProducerBatch) => void]>([
    ['failed', (batch) => batch.failed(brokerError('REQUEST_TIMED_OUT'))],
    [
      'was sent more than once',
      (batch) => {
        batch.failures++;
        batch.delivered(appended);
      },
    ],
    ['was not answered', (batch) => batch.delivered({ baseOffset: -1, logAppendTimeMs: -1 })],
  ])('is not used again if the batch %s', (_, settle) => {
    const batch = batchIn(Buffer.alloc(200));
    batch.encode('none');
    settle(batch);
    expect(batch.takeMemory()).toBeNull();
  });

  it('is free if the batch lies elsewhere', () => {
    const memory = Buffer.alloc(10_000);
    const compressed = batchIn(memory, 8000);
    compressed.encode('gzip');
    compressed.failed(brokerError('REQUEST_TIMED_OUT'));
    expect(compressed.takeMemory()).toBe(memory);
    const grown = batchIn(memory, 20_000);
    grown.encode('none');
    grown.failed(brokerError('REQUEST_TIMED_OUT'));
    expect(grown.takeMemory()).toBe(memory);
  });
});
