// The way of a batch from the router to the log and back: rings, extents, views, acknowledgements.
import type { Mutant } from '../mutant.js';

const ACTOR = 'test/partition/partition-actor.test.ts';
const HOST = 'test/partition/partition-host.test.ts';
const LINK = 'test/broker/worker-link.test.ts';
const WATCH = 'test/broker/watch-list.test.ts';
const RING = 'test/actor/descriptor-ring.test.ts';
const VIEW = 'test/actor/view.test.ts';
const WRITE_BUFFER = 'test/partition/write-buffer.test.ts';
const READER = 'test/log/log-reader.test.ts';
const SENDER = 'test/io/file-sender.test.ts';
const WALK = 'test/record/walk-usual-records.test.ts';

export const PARTITION_MUTANTS: readonly Mutant[] = [
  {
    name: 'checksum-skipped-at-append',
    wrong: 'A batch that was damaged on its way is appended.',
    file: 'src/record/validate-batch.ts',
    piece: 'if (computeBatchCrc(bytes, at) !== readCrc(bytes, at))',
    replacement: 'if (computeBatchCrc(bytes, at) < 0)',
    caughtBy: { file: 'test/record/validate-batch.test.ts' },
  },
  {
    name: 'checksum-skipped-by-reader',
    wrong: 'Consumers get a batch that was damaged on its way, or on the disk.',
    file: 'src/record/batch-reader.ts',
    piece: 'if (options.checkCrc !== false && computeBatchCrc',
    replacement: 'if (options.checkCrc === true && computeBatchCrc',
    caughtBy: { file: 'test/record/batch-reader.test.ts', name: 'checks the checksum unless told not to' },
  },
  {
    name: 'record-count-not-checked',
    wrong:
      'A batch that has other records than its header says is appended: offsets are given twice, or left out.',
    file: 'src/record/validate-batch.ts',
    piece: 'if (readLastOffsetDelta(bytes, at) !== recordCount - 1) {',
    replacement: 'if (readLastOffsetDelta(bytes, at) < 0) {',
    caughtBy: { file: 'test/record/validate-batch.test.ts' },
  },
  {
    name: 'record-not-added-up',
    wrong: 'A record whose fields do not add up to its length is appended: nobody can read behind it.',
    file: 'src/record/walk-usual-records.ts',
    piece: '    if (position !== recordEnd) break;\n',
    replacement: '',
    caughtBy: { file: WALK },
  },
  {
    name: 'record-beyond-batch',
    wrong: 'A record that reaches past the end of its batch is appended.',
    file: 'src/record/walk-usual-records.ts',
    piece: '    if (recordEnd > end) break;\n',
    replacement: '',
    caughtBy: { file: WALK, name: 'stops before a record that is cut off' },
  },
  {
    name: 'offset-deltas-not-checked',
    wrong: 'A batch with gaps between its offsets is appended.',
    file: 'src/record/walk-usual-records.ts',
    piece: '    if (bits !== count << 1) break;\n',
    replacement: '',
    caughtBy: { file: WALK },
  },
  {
    name: 'compacted-without-key',
    wrong: 'A record without a key gets into a compacted topic.',
    file: 'src/record/walk-usual-records.ts',
    piece: 'else if (bits !== 1 || needsKeys) break;',
    replacement: 'else if (bits !== 1) break;',
    caughtBy: { file: WALK, name: 'stops before a record without a key, if keys are needed' },
  },
  {
    name: 'newest-timestamp-missed',
    wrong:
      'A batch keeps a greatest timestamp that is not that of its records: time indexes and retention go wrong.',
    file: 'src/record/validate-batch.ts',
    piece: 'maxMs = Math.max(maxMs, baseTimestampMs + walk.maxDeltaMs);',
    replacement: 'maxMs = baseTimestampMs + walk.maxDeltaMs;',
    caughtBy: {
      file: 'test/record/validate-batch.test.ts',
      name: 'takes the times of all records into account, of whatever shape',
    },
  },
  {
    name: 'acknowledged-before-fsync',
    wrong: 'With flush.acks a batch is acknowledged before the fdatasync ends.',
    file: 'src/partition/partition-actor.ts',
    piece: '    this.#log.flush((error) => {',
    replacement:
      '    this.#log.flush(() => {});\n    this.#options.clock.after(0, () => {\n      const error: Error | null = null;',
    caughtBy: { file: ACTOR, name: 'refuses repeated batches that wait for the disk when that fails' },
  },
  {
    name: 'acknowledged-with-earlier-fsync',
    wrong: 'With flush.acks a batch that came during an fdatasync is acknowledged by it.',
    file: 'src/partition/partition-actor.ts',
    piece: `      this.#advanceHighWatermark(flushedTo);
      const firstUnflushed = this.#unflushed.findIndex(({ lastOffset }) => lastOffset >= flushedTo);`,
    replacement: `      this.#advanceHighWatermark(this.#log.logEndOffset);
      const firstUnflushed = -1;`,
    caughtBy: {
      file: HOST,
      name: 'acknowledges with flush.acks only what survives a loss of power, and shows nothing before',
    },
  },
  {
    name: 'acknowledged-after-failed-fsync',
    wrong: 'With flush.acks batches are acknowledged though the fdatasync failed.',
    file: 'src/partition/partition-actor.ts',
    piece: "        this.#refuseUnflushed('KAFKA_STORAGE_ERROR');\n        return;",
    replacement: '',
    caughtBy: {
      file: ACTOR,
      name: 'refuses repeated batches that wait for the disk when that fails, or when it ends',
    },
  },
  {
    name: 'shown-before-fsync',
    wrong: 'With flush.acks consumers see batches that are not on the disk.',
    file: 'src/partition/partition-actor.ts',
    piece: '      for (const one of staged.slice(0, appended)) this.#unflushed.push(one);\n',
    replacement:
      '      for (const one of staged.slice(0, appended)) this.#unflushed.push(one);\n      this.#advanceHighWatermark(this.#log.logEndOffset);\n',
    caughtBy: {
      file: ACTOR,
      name: 'refuses what lies behind the high watermark, also of what waits for the disk',
    },
  },
  {
    name: 'failed-write-acknowledged',
    wrong: 'The first batch that could not be written is acknowledged with those before it.',
    file: 'src/partition/partition-actor.ts',
    piece: "if (index >= appended) this.#refuse(one.token, 'KAFKA_STORAGE_ERROR');",
    replacement: "if (index > appended) this.#refuse(one.token, 'KAFKA_STORAGE_ERROR');",
    caughtBy: { file: ACTOR, name: 'forgets a group that could not be written: it can come again' },
  },
  {
    name: 'offsets-of-failed-write-left-out',
    wrong: 'After a failed write the next batch gets an offset that leaves a gap.',
    file: 'src/partition/partition-actor.ts',
    piece: '    this.#nextOffset = this.#log.logEndOffset;\n    if (error)',
    replacement: '    if (error)',
    caughtBy: {
      file: HOST,
      name: 'refuses batches that cannot be written, and goes on when there is room again',
    },
  },
  {
    name: 'leader-epoch-not-stamped',
    wrong: 'Batches keep the leader epoch that the client wrote.',
    file: 'src/partition/partition-actor.ts',
    piece: 'stampPlace(bytes, 0, baseOffset, leaderEpoch);',
    replacement: 'bytes.writeBigInt64BE(BigInt(baseOffset), 0);',
    caughtBy: {
      file: HOST,
      name: 'appends batches in the order of the ring, stamped, and completes them after they can be read',
    },
  },
  {
    name: 'leader-epoch-not-raised',
    wrong: 'A leader that starts again has the epoch of before: nobody can see that the tail was cut.',
    file: 'src/broker/topic-registry.ts',
    piece: 'return toLeaderEpoch((state?.leaderEpoch ?? -1) + 1);',
    replacement: 'return toLeaderEpoch(state?.leaderEpoch ?? 0);',
    caughtBy: {
      file: 'test/broker/supervisor.test.ts',
      name: 'knows its topics after a restart, and opens a partition when it is first used',
    },
  },
  {
    name: 'in-doubt-acknowledged',
    wrong: 'What a dead worker had in hand is acknowledged.',
    file: 'src/broker/worker-link.ts',
    piece: "if (submission) this.#complete(token, notAppended('NOT_LEADER_OR_FOLLOWER'));",
    replacement: "if (submission) this.#complete(token, notAppended('NONE'));",
    caughtBy: {
      file: LINK,
      name: 'ends what is in flight when the worker dies, but for what was completed before',
    },
  },
  {
    name: 'in-doubt-not-answered',
    wrong: 'What a dead worker had in hand is never answered, and its extents are lost.',
    file: 'src/broker/worker-link.ts',
    piece: "if (submission) this.#complete(token, notAppended('NOT_LEADER_OR_FOLLOWER'));",
    replacement: '',
    caughtBy: {
      file: LINK,
      name: 'ends what is in flight when the worker dies, but for what was completed before',
    },
  },
  {
    name: 'completions-of-the-dead-dropped',
    wrong: 'What a worker had completed before it died is said to be in doubt.',
    file: 'src/broker/worker-link.ts',
    piece: '    this.#drain();\n    this.#dead = true;',
    replacement: '    this.#dead = true;',
    caughtBy: {
      file: LINK,
      name: 'ends what is in flight when the worker dies, but for what was completed before',
    },
  },
  {
    name: 'extent-leaked',
    wrong: 'The memory of an appended batch is never used again.',
    file: 'src/broker/worker-link.ts',
    piece: '    submission.extent.release();\n',
    replacement: '',
    caughtBy: {
      file: LINK,
      name: 'gives each result to its submission, in any order, and lets go of its extent',
    },
  },
  {
    name: 'extent-freed-too-early',
    wrong: 'An extent is given away while one batch in it still waits for its worker.',
    file: 'src/partition/write-buffer.ts',
    piece: '    if (extent.users === 0) {',
    replacement: '    if (extent.users <= 1) {',
    caughtBy: {
      file: WRITE_BUFFER,
      name: 'hands out extents that lie in its memory side by side, and takes them back',
    },
  },
  {
    name: 'staging-over-unwritten',
    wrong: 'Staging begins anew over a batch that is not written yet.',
    file: 'src/partition/write-buffer.ts',
    piece: 'if (extent && extent.users === 1) this.#stagedBytes = 0;',
    replacement: 'if (extent && extent.users <= 2) this.#stagedBytes = 0;',
    caughtBy: {
      file: WRITE_BUFFER,
      name: 'stages many pieces in one extent, and uses it again when all are written',
    },
  },
  {
    name: 'large-frames-overlap',
    wrong: 'A large frame is put into a gap that is too small for it.',
    file: 'src/partition/write-buffer.ts',
    piece: 'if (used.start - start >= byteCount) break;',
    replacement: 'if (used.start - start > 0) break;',
    caughtBy: {
      file: WRITE_BUFFER,
      name: 'puts frames that are larger than an extent into the first gap of their region',
    },
  },
  {
    name: 'read-run-handed-out-twice',
    wrong: 'Memory of an answer that is still being sent is used for another one.',
    file: 'src/broker/read-buffer.ts',
    piece: '    this.#used.fill(1, first, first + chunks);',
    replacement: '    this.#used.fill(1, first, first + chunks - 1);',
    caughtBy: {
      file: 'test/broker/read-buffer.test.ts',
      name: 'is content with less than the share where no longer run is free',
    },
  },
  {
    name: 'ring-published-before-filled',
    wrong: 'A descriptor is visible before it is filled in.',
    file: 'src/actor/descriptor-ring.ts',
    piece: '    this.#claimed = (this.#claimed + 1) | 0;\n',
    replacement:
      '    this.#claimed = (this.#claimed + 1) | 0;\n    Atomics.store(this.words, HEAD, this.#claimed);\n',
    caughtBy: { file: RING, name: 'agree with a queue, also where their counters overflow' },
  },
  {
    name: 'ring-wraps-wrongly',
    wrong: 'Where the counters of a ring overflow, descriptors lie in other places.',
    file: 'src/actor/descriptor-ring.ts',
    piece: 'const index = HEADER_WORDS + (this.#claimed & this.#mask) * DESCRIPTOR_WORDS;',
    replacement: 'const index = HEADER_WORDS + (Math.abs(this.#claimed) & this.#mask) * DESCRIPTOR_WORDS;',
    caughtBy: { file: RING, name: 'agree with a queue', environment: { SEED: '3' } },
  },
  {
    name: 'ring-overwritten',
    wrong: 'A full ring takes one more descriptor, over one that was not read.',
    file: 'src/actor/descriptor-ring.ts',
    piece: '    if (this.free === 0) return -1;',
    replacement: '    if (this.free < 0) return -1;',
    caughtBy: { file: RING, name: 'agree with a queue, also where their counters overflow' },
  },
  {
    name: 'ring-sleeps-over-news',
    wrong: 'A consumer falls asleep over what was published while it went to sleep.',
    file: 'src/actor/descriptor-ring.ts',
    piece: 'if (this.available > 0) Atomics.store(this.words, SLEEPING, 0);',
    replacement: '',
    caughtBy: { file: RING, name: 'does not fall asleep over what came before' },
  },
  {
    name: 'view-sequence-not-checked',
    wrong: 'A reader takes a view that its owner was writing meanwhile.',
    file: 'src/actor/view.ts',
    piece: '      if (Atomics.load(words, base + SEQUENCE) !== sequence) continue;\n',
    replacement: '',
    caughtBy: {
      file: VIEW,
      name: 'never goes back for a reader that reads twice while two publications come',
    },
  },
  {
    name: 'view-written-in-place',
    wrong: 'The owner writes the copy that readers read.',
    file: 'src/actor/view.ts',
    piece: 'base + ((sequence & 1) === 0 ? COPY_0 : COPY_1);',
    replacement: 'base + ((sequence & 1) === 2 ? COPY_0 : COPY_1);',
    caughtBy: { file: VIEW, name: 'shows a whole publication: the one before or the one that is under way' },
  },
  {
    name: 'view-of-earlier-opening',
    wrong: 'A reader believes what an earlier opening of the partition published.',
    file: 'src/actor/view.ts',
    piece: '      if (generation !== this.#generation) return null;',
    replacement: '      if (generation === 0) return null;',
    caughtBy: { file: VIEW, name: 'reads nothing of another generation than its own' },
  },
  {
    name: 'read-above-high-watermark',
    wrong: 'Consumers get the batch at the high watermark, which is not committed yet.',
    file: 'src/log/whole-batches.ts',
    piece: 'readLastOffset(buffer, position) >= limitOffset) break;',
    replacement: 'readLastOffset(buffer, position) > limitOffset) break;',
    caughtBy: { file: 'test/log/whole-batches.test.ts', name: 'stops at the limit' },
  },
  {
    name: 'reader-believes-index',
    wrong: 'A reader begins where the index says, whether that batch begins there or not.',
    file: 'src/log/log-reader.ts',
    piece: '        if (walker.next() && walker.lastOffset === entry.lastOffset)\n',
    replacement: '        if (walker.next())\n',
    caughtBy: { file: READER, name: 'never follows an index entry that points at no such batch' },
  },
  {
    name: 'offset-looked-up-too-late',
    wrong: 'A look-up in the offset index may end behind the batch that is wanted.',
    file: 'src/log/offset-index.ts',
    piece: '(bytes, at) => bytes.readInt32BE(at) <= relative,',
    replacement: '(bytes, at) => bytes.readInt32BE(at) <= relative + 1,',
    caughtBy: { file: READER, name: 'remembers a bounded number of offsets' },
  },
  {
    name: 'time-looked-up-too-late',
    wrong: 'A look-up by time passes the first batch that is not older.',
    file: 'src/log/log-reader.ts',
    piece: 'if (greatest && greatest.timestampMs < timestampMs) continue;',
    replacement: 'if (greatest && greatest.timestampMs <= timestampMs) continue;',
    caughtBy: { file: READER, name: 'finds the first batch that is not older, for every timestamp' },
  },
  {
    name: 'stream-leaves-records-out',
    wrong: 'A subscription leaves a record out after each push.',
    file: 'src/broker/subscription.ts',
    piece: '        stream.offset = nextOffset;',
    replacement: '        stream.offset = nextOffset + 1;',
    caughtBy: { file: 'test/broker/subscription.test.ts', name: 'sends what is there, and then what comes' },
  },
  {
    name: 'place-remembered-behind-half-a-batch',
    wrong: 'The next read goes on behind all bytes that were read, also those of a batch that was cut off.',
    file: 'src/broker/read-batches.ts',
    piece: 'found.position + whole.bytes);',
    replacement: 'found.position + bytes);',
    caughtBy: {
      file: 'test/broker/fetch.test.ts',
      name: 'gives consumers every record once and in order, whatever happens beside them',
    },
  },
  {
    name: 'credit-not-counted',
    wrong: 'A subscription sends more than it was granted.',
    file: 'src/broker/subscription.ts',
    piece: '        this.#creditBytes -= records.length;\n',
    replacement: '',
    caughtBy: { file: 'test/broker/subscription.test.ts', name: 'sends what is there, and then what comes' },
  },
  {
    name: 'slice-above-the-high-watermark',
    wrong: 'What is sent from a file reaches beyond the high watermark.',
    file: 'src/log/log-reader.ts',
    piece: '    if (walker.lastOffset >= highWatermark) break;\n',
    replacement: '',
    caughtBy: { file: READER, name: 'reaches as far as a reader of everything comes' },
  },
  {
    name: 'slice-by-the-index-above-the-high-watermark',
    wrong: 'What is sent from a file reaches beyond the high watermark where the index tells its end.',
    file: 'src/log/log-reader.ts',
    piece: ' && near.baseOffset <= highWatermark) {',
    replacement: ') {',
    caughtBy: { file: READER, name: 'reaches nearly as far by the index' },
  },
  {
    name: 'watched-without-a-wish',
    wrong: 'A partition rests without its owner being asked to tell of news.',
    file: 'src/broker/watch-list.ts',
    piece: '      view.want();\n',
    replacement: '',
    caughtBy: { file: WATCH, name: 'lets rest what was told' },
  },
  {
    name: 'rests-whatever-was-published',
    wrong: 'What was published between a look and the wish is missed.',
    file: 'src/broker/watch-list.ts',
    piece: 'return now?.highWatermark === seenHighWatermark && now.logStartOffset === seenLogStartOffset;',
    replacement: 'return now !== null;',
    caughtBy: { file: WATCH, name: 'keeps ready what is not any more as it was told' },
  },
  {
    name: 'bytes-of-an-earlier-wait',
    wrong: 'A wait counts bytes that were there in an earlier one.',
    file: 'src/broker/watch-list.ts',
    piece: '    this.#waitNumber++;\n',
    replacement: '',
    caughtBy: { file: WATCH, name: 'counts in a wait only what was seen in it' },
  },
  {
    name: 'slice-kept-for-ever',
    wrong: 'The file of a slice stays open when the answer was sent.',
    file: 'src/broker/slice-batches.ts',
    piece: 'release: () => lent.release() };',
    replacement: 'release: () => {} };',
    caughtBy: {
      file: 'test/broker/fetch.test.ts',
      name: 'keeps the file of a slice until its answer is released',
    },
  },
  {
    name: 'slice-of-a-file-that-ended',
    wrong:
      'The rest of an answer follows a slice that came short: whoever reads it takes records for lengths.',
    file: 'src/io/file-sender.ts',
    piece: '  #fail(): void {\n    this.#socket.destroy();\n',
    replacement:
      '  #fail(): false {\n    this.#outputs.shift()?.done?.();\n    setImmediate(() => this.#goOn());\n',
    caughtBy: { file: SENDER, name: 'closes if the file is shorter than it was' },
  },
];
