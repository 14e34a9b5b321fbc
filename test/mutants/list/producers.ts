// Idempotent producers: nothing twice, nothing left out.
import type { Mutant } from '../mutant.js';

const STATES = 'test/log/producer-states.test.ts';
const RESTORE = 'test/log/restore-producers.test.ts';
const ACTOR = 'test/partition/partition-actor.test.ts';

export const PRODUCER_MUTANTS: readonly Mutant[] = [
  {
    name: 'duplicate-appended',
    wrong: 'A batch that comes again is appended again.',
    file: 'src/log/producer-states.ts',
    piece: 'batch.lastSequence === lastSequence) return batch;',
    replacement: 'batch.lastSequence === lastSequence) return null;',
    caughtBy: { file: STATES, name: 'knows the last five batches again, and not the one before' },
  },
  {
    name: 'duplicate-window-of-four',
    wrong: 'Of five batches that may be unanswered only four are known again.',
    file: 'src/log/producer-states.ts',
    piece: 'export const KNOWN_BATCHES_MAX = 5;',
    replacement: 'export const KNOWN_BATCHES_MAX = 4;',
    caughtBy: { file: STATES, name: 'knows the last five batches again, and not the one before' },
  },
  {
    name: 'duplicate-by-first-sequence',
    wrong: 'A batch counts as a duplicate if only its first sequence is known: its other records are lost.',
    file: 'src/log/producer-states.ts',
    piece: 'if (batch.firstSequence === firstSequence && batch.lastSequence === lastSequence) return batch;',
    replacement: 'if (batch.firstSequence === firstSequence) return batch;',
    caughtBy: { file: STATES, name: 'knows the last five batches again, and not the one before' },
  },
  {
    name: 'gap-accepted',
    wrong: 'A batch is taken though the one before it is missing.',
    file: 'src/log/producer-states.ts',
    piece: "return firstSequence === expected ? null : 'OUT_OF_ORDER_SEQUENCE_NUMBER';",
    replacement: "return firstSequence >= expected ? null : 'OUT_OF_ORDER_SEQUENCE_NUMBER';",
    caughtBy: { file: STATES, name: 'takes the sequence that follows, and no other' },
  },
  {
    name: 'old-epoch-accepted',
    wrong: 'A producer that was replaced can still write.',
    file: 'src/log/producer-states.ts',
    piece: "if (epoch < producer.epoch) return 'INVALID_PRODUCER_EPOCH';",
    replacement: 'if (epoch < producer.epoch) return null;',
    caughtBy: { file: STATES, name: 'refuses older epochs, and lets a newer one begin with 0 only' },
  },
  {
    name: 'batches-of-before-kept',
    wrong:
      'Batches of a producer that was forgotten pass for duplicates of its new ones with the same numbers.',
    file: 'src/log/producer-states.ts',
    piece: 'if (newest && firstSequence !== sequenceAfter(newest.lastSequence, 1)) batches.length = 0;',
    replacement: '',
    caughtBy: { file: STATES, name: 'began anew for one of before' },
  },
  {
    name: 'sequence-does-not-wrap',
    wrong: 'After 2^31 - 1 a sequence goes on with 2^31 instead of 0.',
    file: 'src/record/producer-identity.ts',
    piece: 'return (sequence + count) % 2 ** 31;',
    replacement: 'return sequence + count;',
    caughtBy: { file: STATES, name: 'begins with 0 again after 2^31 - 1' },
  },
  {
    name: 'staged-with-batches-of-another',
    wrong: 'A producer is judged by batches of one that was staged before it.',
    file: 'src/log/producer-states.ts',
    piece: '  while (batches.length > source.batches.length) batches.pop();\n',
    replacement: '',
    caughtBy: { file: STATES, name: 'stages a producer with nothing of those that were staged before' },
  },
  {
    name: 'forgotten-producer-written-to',
    wrong: 'What a producer writes after it was forgotten is noted where nobody looks.',
    file: 'src/log/producer-states.ts',
    piece: '    this.#newest = null; // It may have been forgotten too.\n',
    replacement: '',
    caughtBy: {
      file: STATES,
      name: 'knows a producer that was forgotten as the newest one, and writes again',
    },
  },
  {
    name: 'staged-not-settled',
    wrong: 'Batches that could not be written still count as appended.',
    file: 'src/partition/partition-actor.ts',
    piece: '    this.#log.producers.settle();\n',
    replacement: '',
    caughtBy: { file: ACTOR, name: 'forgets a group that could not be written: it can come again' },
  },
  {
    name: 'group-not-staged',
    wrong: 'A duplicate within the same group is appended.',
    file: 'src/partition/partition-actor.ts',
    piece: 'if (isIdempotent) this.#log.producers.stage(bytes, 0);',
    replacement: '',
    caughtBy: { file: ACTOR, name: 'knows a batch again that is in the same group' },
  },
  {
    name: 'duplicate-acknowledged-before-fsync',
    wrong: 'A repeated batch is acknowledged while the first one still waits for the disk.',
    file: 'src/partition/partition-actor.ts',
    piece: 'return !this.#awaitsDisk || lastOffset < this.#log.recoveryPoint;',
    replacement: 'return true;',
    caughtBy: {
      file: ACTOR,
      name: 'waits for the disk with a repeated batch that an earlier owner of the log left in the page cache',
    },
  },
  {
    name: 'duplicate-of-failed-write-acknowledged',
    wrong: 'A batch is acknowledged as a duplicate of one that could not be written.',
    file: 'src/partition/partition-actor.ts',
    piece:
      "if (one.lastOffset >= this.#log.logEndOffset) this.#refuse(one.token, 'KAFKA_STORAGE_ERROR');\n      else if",
    replacement: 'if',
    caughtBy: { file: ACTOR, name: 'forgets a group that could not be written: it can come again' },
  },
  {
    name: 'snapshot-not-taken-at-roll',
    wrong: 'No producer snapshot is taken when a segment begins.',
    file: 'src/log/log.ts',
    piece: '    this.#active = segment;\n    this.#takeSnapshot();',
    replacement: '    this.#active = segment;',
    caughtBy: { file: RESTORE, name: 'survive the deletion of their batches, and a crash after it' },
  },
  {
    name: 'snapshot-not-taken-at-stop',
    wrong: 'No producer snapshot is taken when the log closes.',
    file: 'src/log/log.ts',
    piece: '    if (!this.#offline) {\n      this.#takeSnapshot();',
    replacement: '    if (!this.#offline) {',
    caughtBy: {
      file: RESTORE,
      name: 'are those of what was appended, with the last five batches after a clean stop',
    },
  },
  {
    name: 'snapshot-behind-the-end-believed',
    wrong: 'A start after a loss of power believes a snapshot that tells of batches that are gone.',
    file: 'src/log/restore-producers.ts',
    piece: '(next) => snapshots.removeWhere((offset) => offset > logEndOffset, next),',
    replacement: '(next) => next(null),',
    caughtBy: { file: RESTORE },
  },
  {
    name: 'snapshot-checksum-skipped',
    wrong: 'A damaged producer snapshot is believed.',
    file: 'src/log/producer-snapshot.ts',
    piece:
      "if (bytes.readUInt32BE(CRC_AT) !== crc32c(bytes.subarray(COUNT_AT))) throw corrupt('the checksum is wrong');",
    replacement: '',
    caughtBy: {
      file: 'test/log/producer-snapshot.test.ts',
      name: 'is refused when any byte of it is wrong, or it is cut off',
    },
  },
  {
    name: 'producers-behind-snapshot-not-read',
    wrong: 'After a crash, who wrote behind the newest snapshot is not known.',
    file: 'src/log/restore-producers.ts',
    piece: '    if (offset >= logEndOffset) return [];',
    replacement: '    if (offset >= 0 || logEndOffset >= 0) return [];',
    caughtBy: { file: RESTORE, name: 'are known after a crash' },
  },
  {
    name: 'windows-not-completed',
    wrong: 'After a start only the newest batch of a producer is known again.',
    file: 'src/log/restore-producers.ts',
    piece: 'if (!error) this.#producers.completeFrom(tail);',
    replacement: '',
    caughtBy: {
      file: RESTORE,
      name: 'are those of what was appended, with the last five batches after a clean stop',
    },
  },
  {
    name: 'producers-not-restored-after-truncation',
    wrong:
      'Producers of batches that were cut off are still known: what they send again is taken for a duplicate.',
    file: 'src/log/log.ts',
    piece: '      (next) => this.#restoreProducers(next),\n    ];\n    this.#inTurn(steps, done);\n',
    replacement: '    ];\n    this.#inTurn(steps, done);\n',
    caughtBy: { file: RESTORE, name: 'are those at the new end of a log that was cut' },
  },
  {
    name: 'producer-forgotten-too-early',
    wrong: 'A producer is forgotten by the time of its records, which may be years old.',
    file: 'src/log/producer-states.ts',
    piece: '    producer.usedAtMs = nowMs;',
    replacement: '    producer.usedAtMs = readMaxTimestamp(bytes, at);',
    caughtBy: {
      file: STATES,
      name: 'forgets producers that are silent for long, by when they wrote and not by the time of their records',
    },
  },
  {
    name: 'producer-ids-not-durable',
    wrong: 'A block of producer ids is handed out again after a restart.',
    file: 'src/broker/producer-id-blocks.ts',
    piece: 'value: encodeRecord({ next })',
    replacement: 'value: encodeRecord({ next: first })',
    caughtBy: {
      file: 'test/broker/producer-ids.test.ts',
      name: 'gives blocks of a thousand ids that follow each other, also to those who ask at a time',
    },
  },
  {
    name: 'producer-id-twice',
    wrong: 'Two producers get the same id.',
    file: 'src/broker/producer-ids.ts',
    piece: 'done({ producerId: this.#next++, producerEpoch: 0 });',
    replacement: 'done({ producerId: this.#next, producerEpoch: 0 });',
    caughtBy: {
      file: 'test/broker/producer-ids.test.ts',
      name: 'hands out each id once while it has some at hand',
    },
  },
];
