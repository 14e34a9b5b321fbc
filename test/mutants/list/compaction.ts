// Compaction: the newest record of each key stays, whatever happens meanwhile.
import type { Mutant } from '../mutant.js';

const FOLDER = 'src/log/compaction';
const TESTS = 'test/log/compaction';
const SWAP = `${TESTS}/swap.test.ts`;
const POWER = `${TESTS}/swap-power-loss.test.ts`;
const BATCHES = `${TESTS}/compact-batches.test.ts`;
const COMPACTOR = `${TESTS}/compactor.test.ts`;

export const COMPACTION_MUTANTS: readonly Mutant[] = [
  {
    name: 'newest-record-dropped',
    wrong: 'Compaction drops the newest record of each key too.',
    file: `${FOLDER}/retain-records.ts`,
    piece: 'return keys.get(bytes, cursor.keyStart, cursor.keyLength) <= offset;',
    replacement: 'return keys.get(bytes, cursor.keyStart, cursor.keyLength) < offset;',
    caughtBy: { file: BATCHES, name: 'keeps the newest record of each key, and leaves out what has none' },
  },
  {
    name: 'older-record-wins',
    wrong: 'Compaction keeps the oldest record of each key.',
    file: `${FOLDER}/key-offsets.ts`,
    piece: 'if (offset + 1 > known) this.#doubles[at] = offset + 1;',
    replacement: 'if (known === 0) this.#doubles[at] = offset + 1;',
    caughtBy: {
      file: `${TESTS}/key-offsets.test.ts`,
      name: 'keeps the greatest offset of each key, the empty one too',
    },
  },
  {
    name: 'hash-compared-in-part',
    wrong: 'Two keys count as one if a quarter of their hashes is the same.',
    file: `${FOLDER}/key-offsets.ts`,
    piece:
      'words[at] === hash0 && words[at + 1] === hash1 && words[at + 2] === hash2 && words[at + 3] === hash3;',
    replacement: 'words[at] === hash0;',
    caughtBy: { file: `${TESTS}/key-offsets.test.ts` },
  },
  {
    name: 'tombstone-dropped-too-early',
    wrong: 'A tombstone goes on the first pass, before readers that are behind have seen it.',
    file: `${FOLDER}/retain-records.ts`,
    piece: 'const dropsTombstones = deleteHorizonMs !== null && deleteHorizonMs <= rules.nowMs;',
    replacement: 'const dropsTombstones = deleteHorizonMs === null || deleteHorizonMs <= rules.nowMs;',
    caughtBy: {
      file: BATCHES,
      name: 'gives their batch the time from when on they may go, on the first pass that sees them',
    },
  },
  {
    name: 'tombstone-time-before-it-is-passed',
    wrong:
      'The time of a tombstone begins while older records of its key may still be there: they come back when it goes.',
    file: `${FOLDER}/retain-records.ts`,
    piece: 'hasSettledTombstones: tombstones > 0 && unsettledTombstones === 0,',
    replacement: 'hasSettledTombstones: tombstones > 0,',
    caughtBy: { file: BATCHES, name: 'gives no time to a batch that has one the map has not passed yet' },
  },
  {
    name: 'horizon-begins-again',
    wrong: 'Each pass puts the time off from when on a tombstone may go: it never does.',
    file: `${FOLDER}/compact-batches.ts`,
    piece: 'const isFirstPass = hasSettledTombstones && batch.deleteHorizonMs === null;',
    replacement: 'const isFirstPass = hasSettledTombstones;',
    caughtBy: { file: BATCHES, name: 'keeps them and their time on later passes, until it has come' },
  },
  {
    name: 'batch-claims-dropped-records',
    wrong: 'A batch still says that it holds the records that were dropped: nobody can read it.',
    file: `${FOLDER}/rewrite-batch.ts`,
    piece: '  header.writeInt32BE(retained.count, 57);\n',
    replacement: '',
    caughtBy: { file: `${TESTS}/rewrite-batch.test.ts` },
  },
  {
    name: 'map-end-ignored',
    wrong: 'Records that the map does not know yet are judged by it.',
    file: `${FOLDER}/retain-records.ts`,
    piece: '  if (offset >= rules.indexedTo) return true;\n',
    replacement: '',
    caughtBy: {
      file: `${TESTS}/retain-records.test.ts`,
      name: 'keeps tombstones up to the horizon of their batch, and knows whether the map has passed them all',
    },
  },
  {
    name: 'full-map-claims-the-batch',
    wrong: 'A map that is full says that it knows the whole batch in whose midst it became full.',
    file: `${FOLDER}/index-keys.ts`,
    piece: '      indexedTo = toOffset(offset);',
    replacement: '      indexedTo = addOffset(batch.lastOffset, 1);',
    caughtBy: {
      file: `${TESTS}/index-keys.test.ts`,
      name: 'ends at the first key that finds no room, within a batch',
    },
  },
  {
    name: 'last-batch-of-producer-dropped',
    wrong:
      'Compaction drops the last batch of a producer: after a crash its next one is taken for a gap, or a duplicate for new.',
    file: `${FOLDER}/compact-batches.ts`,
    piece:
      '    else if (producersLastOffsets.has(batch.lastOffset)) this.#append(emptyBatch(bytes, batch), batch);\n',
    replacement: '',
    caughtBy: { file: BATCHES, name: 'keeps the last batch of a producer, without records if it must' },
  },
  {
    name: 'end-of-segment-dropped',
    wrong:
      'A compacted segment ends before the next one begins: recovery takes the gap for a loss and cuts the log.',
    file: `${FOLDER}/compaction-run.ts`,
    piece: 'new Set(this.#producersLastOffsets).add(toOffset(rewriting.endOffset - 1));',
    replacement: 'new Set(this.#producersLastOffsets);',
    caughtBy: { file: SWAP, name: 'is completed by the second start if the first one dies too' },
  },
  {
    name: 'retention-amidst-a-swap',
    wrong:
      'Retention takes a new segment while its files are still being put in their place: some stay behind.',
    file: `${FOLDER}/compactor.ts`,
    piece: '          this.#swapping = [by];\n',
    replacement: '',
    caughtBy: {
      file: COMPACTOR,
      name: 'keeps retention off a new segment until all of its files are in their place',
    },
  },
  {
    name: 'active-segment-compacted',
    wrong: 'The segment that is being written to is compacted.',
    file: `${FOLDER}/compaction-plan.ts`,
    piece: '    if (!next || next.baseOffset > endMax || !segment.isDurable) return i;',
    replacement:
      '    if (!next) return i + 1;\n    if (next.baseOffset > endMax || !segment.isDurable) return i;',
    caughtBy: {
      file: COMPACTOR,
      name: 'leaves the newest record of each key, and what is in the active segment',
    },
  },
  {
    name: 'compacted-above-high-watermark',
    wrong: 'Compaction drops a committed record for one that may still be cut off.',
    file: `${FOLDER}/compaction-plan.ts`,
    piece: 'const endMax = Math.min(recoveryPoint, limitOffset);',
    replacement: 'const endMax = recoveryPoint;',
    caughtBy: { file: COMPACTOR, name: 'keeps off what is not below the high watermark' },
  },
  {
    name: 'compacted-before-fsync',
    wrong: 'Compaction drops a record for one that is not on the disk.',
    file: `${FOLDER}/compaction-plan.ts`,
    piece: `  const endMax = Math.min(recoveryPoint, limitOffset);
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1];
    if (!next || next.baseOffset > endMax || !segment.isDurable) return i;`,
    replacement: `  const endMax = Math.max(Math.min(recoveryPoint, limitOffset), limitOffset);
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1];
    if (!next || next.baseOffset > endMax) return i;`,
    caughtBy: { file: COMPACTOR, name: 'keeps off what is not on the disk' },
  },
  {
    name: 'compaction-lag-ignored',
    wrong: 'Records are compacted before min.compaction.lag.ms: readers miss what they were promised to see.',
    file: `${FOLDER}/compaction-plan.ts`,
    piece: 'youngestMs > nowMs - config.minLagMs) return i;',
    replacement: 'youngestMs > nowMs) return i;',
    caughtBy: { file: COMPACTOR, name: 'keeps off what is younger than min.compaction.lag.ms' },
  },
  {
    name: 'swap-before-fsync',
    wrong: 'A compacted segment takes its place before its batches are on the disk.',
    file: `${FOLDER}/swap.ts`,
    piece: '      ...[log, index, timeindex].map(',
    replacement: '      ...[index, timeindex].map(',
    caughtBy: { file: SWAP, name: 'leaves each group of segments as it was or compacted' },
  },
  {
    name: 'swap-over-before-removal',
    wrong:
      'A swap is over before it is certain that the old segments stay away: a loss of power brings them back.',
    file: `${FOLDER}/swap.ts`,
    piece: '    syncFolder,\n    (next) => disk.rename(swap, index, next),\n',
    replacement: '    (next) => disk.rename(swap, index, next),\n',
    caughtBy: { file: POWER },
  },
  {
    name: 'old-segments-not-removed',
    wrong: 'A start that completes a swap leaves the old segments beside the new one.',
    file: `${FOLDER}/swap.ts`,
    piece: 'lastSteps({ disk, others: replaced,',
    replacement: 'lastSteps({ disk, others: [],',
    caughtBy: { file: SWAP, name: 'is completed by the second start if the first one dies too' },
  },
  {
    name: 'swap-completed-blindly',
    wrong:
      'A start completes steps of a swap that are done already: it removes the indexes of the new segment, or fails.',
    file: `${FOLDER}/swap.ts`,
    piece: '...(has(cleaned.log) ? oldFirst : []),',
    replacement: '...oldFirst,',
    caughtBy: { file: SWAP, name: 'is completed by the second start if the first one dies too' },
  },
  {
    name: 'swap-not-completed',
    wrong: 'A start takes no notice of a swap that a crash cut short.',
    file: `${FOLDER}/swap.ts`,
    piece: '    if (parseSwapFileName(name)) return [',
    replacement: '    if (parseSwapFileName(name) === undefined) return [',
    caughtBy: { file: SWAP, name: 'is completed by the second start if the first one dies too' },
  },
  {
    name: 'replaced-segments-are-read',
    wrong:
      'In the middle of a swap readers find the other old segments, and hold on to what was compacted away.',
    file: 'src/log/log-reader.ts',
    piece: 'swaps.some(({ baseOffset, endOffset }) => baseOffset < offset && offset < endOffset)',
    replacement: 'swaps.length < 0 && offset < 0',
    caughtBy: {
      file: `${TESTS}/replaced-segments.test.ts`,
      name: 'finds no old segment between the first replacement of a swap',
    },
  },
  {
    name: 'readers-not-told-of-replacement',
    wrong: 'Readers go on at positions that they remember of the segment before.',
    file: `${FOLDER}/compactor.ts`,
    piece: '          this.#replacements = (this.#replacements + 1) | 0;\n',
    replacement: '',
    caughtBy: {
      file: COMPACTOR,
      name: 'shows a reader at any moment a log that has all that compaction must leave, in order',
    },
  },
  {
    name: 'retention-of-what-is-swapped',
    wrong: 'Retention deletes segments that are just being replaced.',
    file: 'src/log/log.ts',
    piece: 'const count = firstBusy < 0 ? deletable : Math.min(deletable, firstBusy);',
    replacement: 'const count = firstBusy < 0 ? deletable : Math.max(deletable, firstBusy);',
    caughtBy: { file: COMPACTOR, name: 'lets appends and retention go on' },
  },
  {
    name: 'cut-with-a-swap-left',
    wrong: 'A log is cut while a swap is decided and not complete.',
    file: 'src/log/log.ts',
    piece: '        (next) => this.#compactor.completeSwap(next),\n',
    replacement: '',
    caughtBy: {
      file: SWAP,
      name: 'is completed before the log is cut, and takes away nothing that comes after',
    },
  },
];
