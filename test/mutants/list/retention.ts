// What is deleted, and that nothing else is.
import type { Mutant } from '../mutant.js';

const RETENTION = 'test/log/retention.test.ts';
const LOG = 'test/log/log.test.ts';
const ACTOR = 'test/partition/partition-actor.test.ts';
const DELETION = 'test/broker/record-deletion.test.ts';

export const RETENTION_MUTANTS: readonly Mutant[] = [
  {
    name: 'retention-above-high-watermark',
    wrong: 'Retention deletes what is not committed yet.',
    file: 'src/log/retention.ts',
    piece: 'if (endOffset > limitOffset || (active && segment.bytes === 0)) break;',
    replacement: 'if (active && segment.bytes === 0) break;',
    caughtBy: { file: RETENTION, name: 'stops at the high watermark' },
  },
  {
    name: 'leaving-segments-not-flushed',
    wrong:
      'A flush promises what follows segments that retention took, and leaves those to the chance of a loss of power.',
    file: 'src/log/log.ts',
    piece: 'leaving: () => this.#removal.leaving,',
    replacement: 'leaving: () => [],',
    caughtBy: {
      file: 'test/log/histories/findings.test.ts',
      name: 'leaves no hole where retention took what was not durable',
    },
  },
  {
    name: 'retention-one-segment-too-many',
    wrong: 'Retention by size goes below retention.bytes.',
    file: 'src/log/retention.ts',
    piece: 'excessBytes >= segment.bytes) reason',
    replacement: 'excessBytes > 0) reason',
    caughtBy: { file: RETENTION, name: 'keeps at least retention.bytes' },
  },
  {
    name: 'retention-by-time-of-opening',
    wrong: 'Retention by time goes by when the segment was opened, not by its records.',
    file: 'src/log/retention.ts',
    piece: 'const timestampMs = segment.maxTimestampMs >= 0 ? segment.maxTimestampMs : segment.openedAtMs;',
    replacement: 'const timestampMs = segment.openedAtMs;',
    caughtBy: {
      file: RETENTION,
      name: 'stops at the first segment that is young enough, even if older ones follow',
    },
  },
  {
    name: 'retention-passes-over-young-segments',
    wrong: 'Retention deletes an old segment behind one that stays.',
    file: 'src/log/retention.ts',
    piece: '    else break;',
    replacement: '    else if (active) break;',
    caughtBy: { file: RETENTION, name: 'keeps everything without limits' },
  },
  {
    name: 'segment-of-log-start-deleted',
    wrong: 'The segment in whose midst the log begins is deleted.',
    file: 'src/log/retention.ts',
    piece: 'if (!active && endOffset <= logStartOffset) reason',
    replacement: 'if (!active && segment.baseOffset < logStartOffset) reason',
    caughtBy: { file: RETENTION, name: 'takes sealed segments below the log start' },
  },
  {
    name: 'active-segment-deleted',
    wrong: 'Retention deletes the active segment without a new one in its place.',
    file: 'src/log/log.ts',
    piece: '    if (count === this.#segments.length) {',
    replacement: '    if (count > this.#segments.length) {',
    caughtBy: { file: LOG, name: 'rolls the active segment if it is too old too' },
  },
  {
    name: 'log-start-left-behind-by-retention',
    wrong: 'The log still claims to begin where its segments were deleted.',
    file: 'src/log/log.ts',
    piece: 'if (first.baseOffset > this.#logStartOffset) this.#moveLogStart(first.baseOffset);',
    replacement: '',
    caughtBy: { file: LOG, name: 'renames segments that are too old and removes them later' },
  },
  {
    name: 'deletion-without-folder-sync',
    wrong: 'Several segments are deleted at once: a loss of power may bring back an older one than it takes.',
    file: 'src/log/segment-removal.ts',
    piece: '        (next) => disk.syncDirectory(directory, next),\n',
    replacement: '',
    caughtBy: {
      file: 'test/log/power-loss.test.ts',
      name: 'has no hole after a retention that it interrupts',
    },
  },
  {
    name: 'deleted-at-once',
    wrong: 'Segments are removed without file.delete.delay.ms: readers lose the file in their hands.',
    file: 'src/log/segment-removal.ts',
    piece: 'this.#options.clock.after(this.#delayMs, () => {',
    replacement: 'this.#options.clock.after(0, () => {',
    caughtBy: { file: LOG, name: 'renames segments that are too old and removes them later' },
  },
  {
    name: 'records-deleted-above-high-watermark',
    wrong: 'DeleteRecords deletes what is not committed yet.',
    file: 'src/partition/partition-actor.ts',
    piece: '    if (offset > this.#highWatermark) {\n      const detail',
    replacement: '    if (offset > this.#log.logEndOffset) {\n      const detail',
    caughtBy: {
      file: ACTOR,
      name: 'refuses what lies behind the high watermark, also of what waits for the disk',
    },
  },
  {
    name: 'deletion-answered-before-checkpoint',
    wrong: 'DeleteRecords is answered before the checkpoint says so: a crash brings the records back.',
    file: 'src/broker/record-deletion.ts',
    piece: 'this.#options.data.startMoved(checkpoint, (error) => {',
    replacement:
      'this.#options.data.checkpoint(checkpoint);\n        ((moved: (error: Error | null) => void) => moved(null))((error) => {',
    caughtBy: {
      file: DELETION,
      name: 'opens the partition for it; no crash and no loss of power brings the records back',
    },
  },
  {
    name: 'deletion-answered-though-checkpoint-failed',
    wrong: 'A checkpoint that could not be written counts as written.',
    file: 'src/broker/data-directory-state.ts',
    piece: '    } else this.#writeLater(CHECKPOINT_SOON_MS);',
    replacement: '    } else this.#tellWritten(null);',
    caughtBy: { file: DELETION, name: 'answers when the checkpoint is written, however long the disk takes' },
  },
  {
    name: 'checkpoint-of-deleted-topic-stays',
    wrong: 'A topic made anew begins where the deleted one of its name ended.',
    file: 'src/broker/data-directory-state.ts',
    piece: '      this.#checkpoints.delete(name);\n      this.#folders.delete(name);\n',
    replacement: '      this.#folders.delete(name);\n',
    caughtBy: {
      file: 'test/broker/data-directory-state.test.ts',
      name: 'has forgotten a deleted topic, for good, before another one of its name can be made',
    },
  },
  {
    name: 'view-not-told-of-retention',
    wrong: 'Readers are not told that the log begins later.',
    file: 'src/partition/partition-actor.ts',
    piece: '    if (this.#log.logStartOffset === before) return;\n    this.#publish();',
    replacement: '    if (this.#log.logStartOffset === before) return;',
    caughtBy: { file: ACTOR, name: 'tells readers and checkpoint when retention lets the log begin later' },
  },
];
