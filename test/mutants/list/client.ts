// The client library: every message once and in order, credit that comes back.
import type { Mutant } from '../mutant.js';

export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'given-up-batch-answered-again',
    wrong: 'A batch that was given up is answered again when its late answer comes.',
    file: 'src/client/partition-queue.ts',
    piece: '    return index !== -1;',
    replacement: '    return index !== -1 || this.#unanswered.length === 0;',
    caughtBy: {
      file: 'test/client/partition-queue.test.ts',
      name: 'knows nothing of a batch that was taken out',
    },
  },
  {
    name: 'retry-behind-later-batches',
    wrong: 'A batch that is sent again goes behind those that were begun after it.',
    file: 'src/client/partition-queue.ts',
    piece: 'this.#sealed.splice(index === -1 ? this.#sealed.length : index, 0, batch);',
    replacement: 'this.#sealed.splice(index === -1 ? this.#sealed.length : this.#sealed.length, 0, batch);',
    caughtBy: {
      file: 'test/client/partition-queue.test.ts',
      name: 'puts failed batches back into their order',
    },
  },
  {
    name: 'retry-under-new-number',
    wrong: 'A batch whose answer was lost is sent again under another number: it may be in the log twice.',
    file: 'src/client/batch-sender.ts',
    piece: 'if (!OUT_OF_ORDER.has(error.errorName)) batch.isInDoubt = true;',
    replacement: 'if (!OUT_OF_ORDER.has(error.errorName)) batch.unnumber();',
    caughtBy: {
      file: 'test/client/batch-sender.test.ts',
      name: 'sends a batch whose answer was lost again as it was, and the others behind it',
    },
  },
  {
    name: 'sequence-counts-batches',
    wrong: 'Sequences count batches instead of records.',
    file: 'src/client/partition-queue.ts',
    piece: 'this.#nextSequence = sequenceAfter(this.#nextSequence, batch.recordCount);',
    replacement: 'this.#nextSequence = sequenceAfter(this.#nextSequence, 1);',
    caughtBy: {
      file: 'test/client/batch-sender.test.ts',
      name: 'asks for an id once, and numbers the records of each partition',
    },
  },
  {
    name: 'identity-changed-in-flight',
    wrong: 'Numbers of a new identity begin while batches of the old one may still be appended.',
    file: 'src/client/partition-queue.ts',
    piece: '      if (first) return false;\n',
    replacement: '',
    caughtBy: {
      file: 'test/client/partition-queue.test.ts',
      name: 'begins with 0 for another identity, when no batch has a number of the one before',
    },
  },
  {
    name: 'six-batches-in-doubt',
    wrong: 'More batches are under way than a partition compares with.',
    file: 'src/client/partition-queue.ts',
    piece: 'const REMEMBERED_BATCHES = 5;',
    replacement: 'const REMEMBERED_BATCHES = 6;',
    caughtBy: {
      file: 'test/client/partition-queue.test.ts',
      name: 'sends one batch until the partition has one, then at most five from the first without an answer',
    },
  },
  {
    name: 'partial-answer-believed',
    wrong: 'An answer for fewer batches than were sent counts as good for all.',
    file: 'src/client/batch-sender.ts',
    piece: '    if (body.partitions.length === shipments.length) return body;',
    replacement: '    if (body.partitions.length <= shipments.length) return body;',
    caughtBy: {
      file: 'test/client/batch-sender.test.ts',
      name: 'takes no batch for delivered of which the answer says nothing',
    },
  },
  {
    name: 'refused-batch-delivered',
    wrong: 'A batch that the broker refused counts as delivered.',
    file: 'src/client/batch-sender.ts',
    piece: 'if (result?.error && !isRepeated)',
    replacement: 'if (result?.error?.detail === undefined && result?.error && !isRepeated)',
    caughtBy: {
      file: 'test/client/producer.test.ts',
      name: 'sends a refused batch again before those that follow it',
    },
  },
  {
    name: 'flush-forgets-what-is-under-way',
    wrong: 'A flush resolves while batches are still under way.',
    file: 'src/client/flush-tracker.ts',
    piece: 'first?.unfinished === 0; first = this.#spans[0]) {',
    replacement: 'first !== undefined; first = this.#spans[0]) {',
    caughtBy: {
      file: 'test/client/flush-tracker.test.ts',
      name: 'waits for what began before it, not for what began after',
    },
  },
  {
    name: 'credit-never-returned',
    wrong: 'What was delivered is never granted again: the consumer stands still.',
    file: 'src/client/partition-reader.ts',
    piece: '  if (bytes > 0) owner.consumed(bytes);',
    replacement: '  if (bytes < 0) owner.consumed(bytes);',
    caughtBy: {
      file: 'test/client/partition-reader.test.ts',
      name: 'gives the bytes of a push back when its last batch is delivered',
    },
  },
  {
    name: 'credit-returned-at-arrival',
    wrong: 'What has come is granted again before it is delivered: memory has no bound.',
    file: 'src/client/broker-feed.ts',
    piece: '    this.#heldBytes += records.length;\n',
    replacement: '',
    caughtBy: {
      file: 'test/client/consumer.test.ts',
      name: 'grants no more than it may hold, and a part of it as it is read',
    },
  },
  {
    name: 'delivered-twice-after-reconnect',
    wrong: 'Batches that come again are delivered again.',
    file: 'src/client/partition-reader.ts',
    piece: '        if (batch.lastOffset < this.fetchOffset) continue;\n',
    replacement: '',
    caughtBy: {
      file: 'test/client/partition-reader.test.ts',
      name: 'drops batches that lie wholly before it',
    },
  },
  {
    name: 'seek-keeps-what-came',
    wrong: 'After a seek the messages of before are still delivered.',
    file: 'src/client/partition-reader.ts',
    piece: '    const dropped = this.#waiting;\n    this.#waiting = new Queue();\n',
    replacement: '    const dropped = new Queue<Waiting>();\n',
    caughtBy: {
      file: 'test/client/partition-reader.test.ts',
      name: 'forgets what has come and what was wrong when it jumps, and gives it all back',
    },
  },
  {
    name: 'ended-stream-still-heard',
    wrong: 'What is on its way when a stream ends is delivered all the same.',
    file: 'src/client/broker-feed.ts',
    piece:
      '  #forget(streamId: number, reader: PartitionReader): void {\n    this.#streams.delete(streamId);',
    replacement: '  #forget(_streamId: number, reader: PartitionReader): void {',
    caughtBy: {
      file: 'test/client/broker-feed.test.ts',
      name: 'drops what was on its way for a stream that ended: after a seek back nothing is passed over',
    },
  },
];
