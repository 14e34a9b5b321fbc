// Appending, flushing, truncating: what the owner of a log promises about the disk.
import type { Mutant } from '../mutant.js';

const LOG = 'test/log/log.test.ts';
const OPEN_LOG = 'test/log/open-log.test.ts';
const POWER = 'test/log/power-loss.test.ts';
const FLUSHER = 'test/log/flusher.test.ts';
const SYSTEM = 'test/io/node-disk-failures.test.ts';

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: 'fsync-skipped-at-flush',
    wrong: 'A flush counts as done though the batches were never synced.',
    file: 'src/log/segment.ts',
    piece: 'this.#disk.sync(this.#log(), (error) => {',
    replacement:
      '((_file: DiskFile, synced: (error: DiskError | null) => void) => synced(null))(this.#log(), (error) => {',
    caughtBy: { file: LOG, name: 'makes everything durable and moves the recovery point' },
  },
  {
    name: 'fsync-of-active-segment-only',
    wrong: 'A flush moves the recovery point over sealed segments that it does not sync.',
    file: 'src/log/flusher.ts',
    piece: 'const dirty = segments.filter((segment) => segment.dirty);',
    replacement: 'const dirty = log.segments.filter((segment) => segment.dirty && segment === log.active);',
    caughtBy: { file: LOG, name: 'makes everything durable and moves the recovery point' },
  },
  {
    name: 'fsync-skipped-at-roll',
    wrong: 'A sealed segment is not synced before somebody asks for a flush.',
    file: 'src/log/log.ts',
    piece: `    this.#takeSnapshot();
    this.#drawJitter();
    this.#flusher.flush();`,
    replacement: `    this.#takeSnapshot();
    this.#drawJitter();`,
    caughtBy: { file: LOG, name: 'syncs a sealed segment in the background' },
  },
  {
    name: 'folder-not-synced-with-new-files',
    wrong: 'The names of new segments are not synced: a loss of power takes whole files.',
    file: 'src/log/flusher.ts',
    piece: 'this.#newNames = segment.takeNewNames() || this.#newNames;',
    replacement: 'segment.takeNewNames();',
    caughtBy: { file: FLUSHER, name: 'syncs the folder when indexes are all that is new in it' },
  },
  {
    name: 'names-of-other-files-not-synced',
    wrong:
      'A flush syncs the folder only for new segments: a checkpoint counts as durable though its rename is not.',
    file: 'src/log/flusher.ts',
    piece: 'if (this.#newNames || files.length > 0)',
    replacement: 'if (this.#newNames)',
    caughtBy: { file: FLUSHER, name: 'writes the next one, and goes on when its name cannot be synced' },
  },
  {
    name: 'files-named-though-folder-not-synced',
    wrong: 'What a flush writes counts as durable though the sync of the folder failed.',
    file: 'src/log/flusher.ts',
    piece: 'named(error, then),',
    replacement: 'named(null, then),',
    caughtBy: { file: FLUSHER, name: 'writes the next one, and goes on when its name cannot be synced' },
  },
  {
    name: 'new-names-forgotten-by-a-failed-flush',
    wrong: 'A flush that ends before the folder is synced forgets that segments have names to be synced.',
    file: 'src/log/flusher.ts',
    piece: 'const hasSegments = this.#newNames;',
    replacement: 'const hasSegments = false;',
    caughtBy: {
      file: FLUSHER,
      name: 'still has the names of segments to sync when there was no room for what comes before that',
    },
  },
  {
    name: 'snapshot-not-found-by-truncation',
    wrong: 'A snapshot whose name could not be synced stays when the batches that it tells of are cut off.',
    file: 'src/log/producer-snapshot-files.ts',
    piece: 'else if (this.#offsets.at(-1) !== snapshot.offset) this.#offsets.push(snapshot.offset);',
    replacement: '',
    caughtBy: { file: FLUSHER, name: 'leaves no snapshot that a truncation would not find' },
  },
  {
    name: 'recovery-point-before-sync',
    wrong: 'The recovery point moves when a flush begins, not when it ends.',
    file: 'src/log/flusher.ts',
    piece:
      '    runSteps(clock, steps, (error) => {\n      if (!error && this.#recoveryPoint < target) this.#recoveryPoint = target;',
    replacement: '    this.#recoveryPoint = target;\n    runSteps(clock, steps, (error) => {',
    caughtBy: { file: LOG, name: 'makes everything durable and moves the recovery point' },
  },
  {
    name: 'recovery-point-after-failed-sync',
    wrong: 'The recovery point moves though the sync failed.',
    file: 'src/log/flusher.ts',
    piece: 'if (!error && this.#recoveryPoint < target) this.#recoveryPoint = target;',
    replacement: 'if (this.#recoveryPoint < target) this.#recoveryPoint = target;',
    caughtBy: { file: LOG, name: 'takes the log offline when data cannot be synced' },
  },
  {
    name: 'recovery-point-at-the-end',
    wrong: 'What was appended while a flush ran counts as durable too.',
    file: 'src/log/flusher.ts',
    piece: 'if (!error && this.#recoveryPoint < target) this.#recoveryPoint = target;',
    replacement:
      'if (!error && this.#recoveryPoint < target) this.#recoveryPoint = this.#options.log().logEndOffset;',
    caughtBy: {
      file: LOG,
      name: 'starts by itself flush.ms after an append, also one that came while another flush ran',
    },
  },
  {
    name: 'clean-after-sync-of-less',
    wrong: 'A segment that grew while it was synced counts as synced to its new end.',
    file: 'src/log/segment.ts',
    piece: 'this.#syncedBytes = Math.max(this.#syncedBytes, syncedBytes);',
    replacement: 'this.#syncedBytes = Math.max(this.#syncedBytes, this.#bytes);',
    caughtBy: { file: LOG, name: 'shares one pass among those who ask while another runs' },
  },
  {
    name: 'index-clean-after-failed-sync',
    wrong: 'An index whose sync failed counts as synced.',
    file: 'src/log/entry-file.ts',
    piece: 'if (error) this.#dirty = true;',
    replacement: 'if (error) this.#dirty = false;',
    caughtBy: { file: 'test/log/entry-file.test.ts', name: 'is clean after a sync, unless the sync failed' },
  },
  {
    name: 'log-goes-on-after-failed-sync',
    wrong: 'A log goes on after a sync that failed, though the kernel has dropped what it could not write.',
    file: 'src/log/flusher.ts',
    piece: '        if (error instanceof DiskError) goOffline(error);\n',
    replacement: '',
    caughtBy: { file: LOG, name: 'takes the log offline when data cannot be synced' },
  },
  {
    name: 'failed-sync-tried-again',
    wrong:
      'A sync that failed is tried again: then the kernel says that all is well, and has dropped what it could not write.',
    file: 'src/log/flusher.ts',
    piece: 'if (!(error instanceof DiskError && error.lacksDescriptors) || triesLeft === 1) {',
    replacement: 'if (!(error instanceof DiskError) || triesLeft === 1) {',
    caughtBy: { file: FLUSHER, name: 'is offline at once when a sync that has begun fails' },
  },
  {
    name: 'sync-without-descriptor-counts',
    wrong: 'A sync that could not begin for want of a descriptor counts as done.',
    file: 'src/log/flusher.ts',
    piece: 'else attempt(triesLeft - 1, Math.min(2 * pauseMs, PAUSE_MS_MAX));',
    replacement: 'else done(null);',
    caughtBy: { file: FLUSHER, name: 'waits until there is one for' },
  },
  {
    name: 'error-of-close-forgotten',
    wrong: 'What a file system says of lost writes when a descriptor is closed is not told to the next sync.',
    file: 'src/io/open-files.ts',
    piece: 'file.closeError ??= error;',
    replacement: '',
    caughtBy: {
      file: SYSTEM,
      name: 'tells the next sync of a file what was said when its descriptor was closed',
    },
  },
  {
    name: 'begun-sync-taken-for-none',
    wrong: 'A sync that failed is taken for one that has not begun, because of its error.',
    file: 'src/io/node-disk.ts',
    piece: 'if (!failure.lacksDescriptors) return failure;',
    replacement: 'if (failure !== null) return failure;',
    caughtBy: { file: SYSTEM, name: 'never takes a sync that has begun for one that has not' },
  },
  {
    name: 'sealed-with-a-time-index-that-misleads',
    wrong:
      'A segment is sealed though its time index ends too early: readers by time pass over its last records.',
    file: 'src/log/segment.ts',
    piece: 'if (this.#timesEndEarly && error instanceof DiskError && error.lacksDescriptors) throw error;',
    replacement: '',
    caughtBy: { file: LOG, name: 'seals no segment for lack of a descriptor' },
  },
  {
    name: 'index-made-anew-without-a-flush',
    wrong:
      'Indexes that were made anew wait for the next flush: after a crash nobody knows that they are not on the disk.',
    file: 'src/log/maintenance.ts',
    piece: '    this.#options.flush();\n',
    replacement: '',
    caughtBy: {
      file: 'test/log/maintenance.test.ts',
      name: 'has index files that it made anew on the disk at once',
    },
  },
  {
    name: 'log-end-before-write',
    wrong: 'The end of the log moves before the batches are written, and stays there if they cannot be.',
    file: 'src/log/log.ts',
    piece: `    try {
      active.append(batches, start, end, this.#config.indexIntervalBytes, this.#indexFailed);`,
    replacement: `    this.#logEndOffset = nextOffset;
    try {
      active.append(batches, start, end, this.#config.indexIntervalBytes, this.#indexFailed);`,
    caughtBy: {
      file: LOG,
      name: 'cuts a failed write back to the last batch and says how many batches were appended',
    },
  },
  {
    name: 'failed-append-not-cut-back',
    wrong: 'What a failed write left in the file stays there.',
    file: 'src/log/log.ts',
    piece: 'if (error instanceof DiskError) this.#cutBack(active, error);',
    replacement: '',
    caughtBy: {
      file: LOG,
      name: 'cuts a failed write back to the last batch and says how many batches were appended',
    },
  },
  {
    name: 'offset-index-one-too-far',
    wrong: 'Entries of the offset index name the offset behind the batch that they point at.',
    file: 'src/log/segment.ts',
    piece: 'this.#offsetIndex.append(lastOffset, this.#bytes);',
    replacement: 'this.#offsetIndex.append(toOffset(lastOffset + 1), this.#bytes);',
    caughtBy: { file: LOG, name: 'writes the index files that Kafka writes for the same batches' },
  },
  {
    name: 'offset-index-of-batch-end',
    wrong: 'Entries of the offset index point at the end of their batch.',
    file: 'src/log/segment.ts',
    piece: 'this.#offsetIndex.append(lastOffset, this.#bytes);',
    replacement: 'this.#offsetIndex.append(lastOffset, this.#bytes + batch.bytes.length);',
    caughtBy: { file: LOG, name: 'writes the index files that Kafka writes for the same batches' },
  },
  {
    name: 'time-index-of-last-batch',
    wrong: 'An entry of the time index has the timestamp of the newest batch, not the greatest so far.',
    file: 'src/log/segment.ts',
    piece: `        this.#timeIndex.append(this.#maxTimestampMs, this.#maxTimestampOffset);
      } catch`,
    replacement: `        this.#timeIndex.append(maxTimestampMs, lastOffset);
      } catch`,
    caughtBy: { file: LOG, name: 'writes the index files that Kafka writes for the same batches' },
  },
  {
    name: 'time-index-goes-back',
    wrong: 'The time index takes a timestamp that is below the one before it.',
    file: 'src/log/time-index.ts',
    piece: 'if (timestampMs <= this.#lastTimestampMs) return;',
    replacement: 'if (timestampMs === this.#lastTimestampMs) return;',
    caughtBy: {
      file: 'test/log/time-index.test.ts',
      name: 'takes a timestamp only if it is above the last one',
    },
  },
  {
    name: 'checkpoint-not-synced',
    wrong: 'A checkpoint is renamed into place before its content is synced.',
    file: 'src/log/checkpoint-file.ts',
    piece: '  disk.sync(file, finish);',
    replacement: '  finish(null);',
    caughtBy: {
      file: 'test/log/checkpoint-file.test.ts',
      name: 'leaves the old content or the new one, whenever the power goes',
    },
  },
  {
    name: 'checkpoint-folder-not-synced',
    wrong: 'A checkpoint counts as durable though its rename is not.',
    file: 'src/log/checkpoint-file.ts',
    piece: 'else disk.syncDirectory(dirname(path), done);',
    replacement: 'else done(null);',
    caughtBy: {
      file: 'test/log/checkpoint-file.test.ts',
      name: 'leaves the old content or the new one, whenever the power goes',
    },
  },
  {
    name: 'checkpoint-of-earlier-content',
    wrong: 'Of two contents that wait for a checkpoint file the older one is written.',
    file: 'src/log/checkpoint-file.ts',
    piece: '      this.#next.content = content;\n',
    replacement: '',
    caughtBy: {
      file: 'test/log/checkpoint-file.test.ts',
      name: 'writes the newest of the contents that came meanwhile',
    },
  },
  {
    name: 'epoch-of-append-not-noted',
    wrong: 'A leader epoch that begins with an appended batch is not noted.',
    file: 'src/log/log.ts',
    piece: '    this.#epochs.assign(leaderEpoch, baseOffset);\n',
    replacement: '',
    caughtBy: {
      file: LOG,
      name: 'does not move the recovery point past leader epochs that could not be saved',
    },
  },
  {
    name: 'epochs-not-truncated',
    wrong: 'Leader epochs of batches that were cut off stay.',
    file: 'src/log/log.ts',
    piece: '    this.#epochs.truncateFromEnd(this.#logEndOffset);\n',
    replacement: '',
    caughtBy: { file: LOG, name: 'ends the log before the batch that holds offset' },
  },
  {
    name: 'epoch-ends-too-late',
    wrong:
      'An epoch is said to end where the log does, even if others follow: a diverged follower keeps its tail.',
    file: 'src/log/leader-epochs.ts',
    piece: 'endOffset: next.startOffset };',
    replacement: 'endOffset: logEndOffset };',
    caughtBy: { file: 'test/log/leader-epochs.test.ts', name: 'tells where an epoch ends' },
  },
  {
    name: 'truncation-leaves-recovery-point',
    wrong: 'After a truncation the recovery point lies behind the end of the log.',
    file: 'src/log/log.ts',
    piece: '    this.#flusher.cutTo(this.#logEndOffset);\n',
    replacement: '',
    caughtBy: { file: LOG, name: 'ends the log before the batch that holds offset' },
  },
  {
    name: 'truncation-from-the-oldest',
    wrong: 'A truncation removes the oldest segments first: a loss of power leaves a hole.',
    file: 'src/log/segment-removal.ts',
    piece: '    .reverse()\n',
    replacement: '',
    caughtBy: { file: POWER, name: 'has no hole after a truncation that it interrupts' },
  },
  {
    name: 'truncation-without-folder-sync',
    wrong: 'A truncation ends before it is certain that the removed segments stay away.',
    file: 'src/log/segment-removal.ts',
    piece: '      (next) => disk.syncDirectory(directory, next),\n    ]);',
    replacement: '    ]);',
    caughtBy: { file: POWER, name: 'has no hole after a truncation that it interrupts' },
  },
  {
    name: 'close-without-flush',
    wrong: 'A log closes without a flush, and says that all is well.',
    file: 'src/log/log.ts',
    piece: '    else this.#flusher.flush(flushed);\n',
    replacement: '    else flushed(null);\n',
    caughtBy: { file: LOG, name: 'goes on when an index cannot be written' },
  },
  {
    name: 'flush-without-folder',
    wrong: 'A flush leaves out the name of the folder, and whose it is.',
    file: 'src/log/log.ts',
    piece: 'const files = this.#folder.unsynced ? [this.#folder.flushed] : [];',
    replacement: 'const files: FlushedFile[] = [];',
    caughtBy: {
      file: LOG,
      name: 'has the folder, its name and partition.metadata on the disk before a flush is done',
    },
  },
  {
    name: 'foreign-folder-taken-over',
    wrong: 'A new topic takes over what a deleted one of its name left in the folder.',
    file: 'src/log/partition-folder.ts',
    piece: '  if (found === topicId) return false;',
    replacement: '  if (found) return false;',
    caughtBy: { file: OPEN_LOG, name: 'refuses a folder that belongs to another topic' },
  },
  {
    name: 'emptied-log-closed-without-flush',
    wrong:
      'A log that recovery cut to nothing is closed as one that nothing was ever written to: a loss of power brings back what was cut.',
    file: 'src/log/log.ts',
    piece: 'every(({ bytes, dirty }) => bytes === 0 && !dirty)',
    replacement: 'every(({ bytes }) => bytes === 0)',
    caughtBy: {
      file: 'test/log/histories/findings.test.ts',
      name: 'flushes a log that recovery has emptied',
    },
  },
  {
    name: 'torn-mark-of-a-flushed-log-believed-missing',
    wrong:
      'A folder whose log was flushed, and that does not say whose it is, is marked anew: it may be of another topic.',
    file: 'src/log/partition-folder.ts',
    piece: "recovery.type === 'from' && recovery.recoveryPoint <= logStartOffset",
    replacement: "recovery.type === 'from'",
    caughtBy: { file: 'test/log/open-log.test.ts', name: 'refuses a torn mark of a log that was flushed' },
  },
];
