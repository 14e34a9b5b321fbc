// What a start makes of what a crash left.
import type { Mutant } from '../mutant.js';

const OPEN_LOG = 'test/log/open-log.test.ts';
const POWER = 'test/log/power-loss.test.ts';
const STRAYS = 'test/broker/stray-folders.test.ts';
const SCAN = 'test/log/scan-segment.test.ts';
const WALKER = 'src/log/batch-walker.ts';

export const RECOVERY_MUTANTS: readonly Mutant[] = [
  {
    name: 'crash-not-recovered',
    wrong: 'After a crash nothing is verified.',
    file: 'src/log/recovery.ts',
    piece: '      return fromRecoveryPoint(recovery.recoveryPoint);',
    replacement: '      return null;',
    caughtBy: { file: OPEN_LOG, name: 'cuts a torn tail at every length' },
  },
  {
    name: 'checksum-skipped-in-recovery',
    wrong: 'A recovery believes a batch whose checksum is wrong.',
    file: 'src/log/scan-segment.ts',
    piece: 'if (crc === expected) return null;',
    replacement: 'if (crc >= 0 || expected >= 0) return null;',
    caughtBy: { file: SCAN, name: 'verifies the checksum of batches larger than its window' },
  },
  {
    name: 'checksum-of-first-window-only',
    wrong: 'Of a batch larger than 256 KiB only the first part is verified.',
    file: 'src/log/scan-segment.ts',
    piece: 'crc = crc32c(bytes.subarray(at, at + available), crc);',
    replacement:
      'crc = start > position + CRC_START ? expected : crc32c(bytes.subarray(at, at + available), crc);',
    caughtBy: { file: SCAN, name: 'verifies the checksum of batches larger than its window' },
  },
  {
    name: 'recovery-verifies-too-late',
    wrong: 'The batch that holds the recovery point is believed without a look.',
    file: 'src/log/scan-segment.ts',
    piece: 'readLastOffset(this.#window.bytes, at) >= verifyFromOffset;',
    replacement: 'readBaseOffset(this.#window.bytes, at) > verifyFromOffset;',
    caughtBy: {
      file: OPEN_LOG,
      name: 'cuts at a corrupt batch whichever byte is wrong, but for those that no checksum covers',
    },
  },
  {
    name: 'torn-tail-stays',
    wrong: 'What lies behind the last whole batch is found, and not cut.',
    file: 'src/log/segment.ts',
    piece: '    if (scan.validBytes < this.#bytes) this.#cutTo(scan.validBytes);\n',
    replacement: '',
    caughtBy: { file: OPEN_LOG, name: 'verifies and cuts the end if it is not what it should be' },
  },
  {
    name: 'recovery-cuts-one-batch-too-many',
    wrong: 'The batch at the very end of the file is cut off with what is torn.',
    file: WALKER,
    piece: '  if (batchBytes > remainingBytes)',
    replacement: '  if (batchBytes >= remainingBytes)',
    caughtBy: { file: OPEN_LOG, name: 'removes what a crash left half done, and indexes without a segment' },
  },
  {
    name: 'base-offset-may-go-back',
    wrong: 'A batch whose offsets lie before those of the batch before it is taken for valid.',
    file: WALKER,
    piece: 'if (baseOffset < minOffset) return',
    replacement: 'if (baseOffset < 0) return',
    caughtBy: { file: SCAN, name: 'says what is wrong with the first invalid batch' },
  },
  {
    name: 'segments-behind-a-cut-stay',
    wrong: 'A log that was cut goes on in the segments behind the cut.',
    file: 'src/log/open-log.ts',
    piece: 'const removed = this.#segments.slice(index + 1);',
    replacement: 'const removed = this.#segments.slice(index + 2);',
    caughtBy: { file: OPEN_LOG, name: 'cuts all later segments too, and says so once' },
  },
  {
    name: 'recovery-leaves-hole',
    wrong: 'A sealed segment that lost its tail leaves a hole in the log.',
    file: 'src/log/open-log.ts',
    piece: 'return baseOffset !== this.#logEndOffset && baseOffset > (start?.offset ?? 0);',
    replacement: 'return baseOffset < this.#logEndOffset && baseOffset > (start?.offset ?? 0);',
    caughtBy: { file: OPEN_LOG, name: 'does not leave a hole where a sealed segment lost its tail' },
  },
  {
    name: 'recovered-taken-for-durable',
    wrong: 'What a recovery found in the page cache counts as on the disk.',
    file: 'src/log/recovery.ts',
    piece: 'return toOffset(Math.min(recovery.recoveryPoint ?? ZERO_OFFSET, logEndOffset));',
    replacement: 'return logEndOffset;',
    caughtBy: { file: POWER, name: 'has all that a flush covered after the process had died behind a roll' },
  },
  {
    name: 'cut-not-synced',
    wrong: 'A cut is not synced: a loss of power brings back what was cut off, behind new batches.',
    file: 'src/log/segment.ts',
    piece: '    this.#bytes = bytes;\n    this.markUnsynced();',
    replacement: '    this.#bytes = bytes;',
    caughtBy: { file: POWER, name: 'has what was appended and flushed where a truncation had cut' },
  },
  {
    name: 'epoch-in-use-forgotten',
    wrong: 'A crash that takes the first batches of an epoch makes the log forget that it was in use.',
    file: 'src/log/open-log.ts',
    piece: 'this.#epochs.clampToEnd(logEndOffset)',
    replacement: 'this.#epochs.truncateFromEnd(logEndOffset)',
    caughtBy: {
      file: OPEN_LOG,
      name: 'takes leader epochs from the batches, and never forgets an epoch that was in use',
    },
  },
  {
    name: 'epochs-of-scanned-batches-dropped',
    wrong: 'Leader epochs of batches that a recovery found are not noted.',
    file: 'src/log/open-log.ts',
    piece: '      this.#logEndOffset = output.nextOffset;\n      this.#takeEpochs(output);',
    replacement: '      this.#logEndOffset = output.nextOffset;',
    caughtBy: { file: POWER, name: 'knows the leader epochs of batches whose checkpoint was not written' },
  },
  {
    name: 'published-position-ignored',
    wrong: 'After the death of its thread, what a log had not published is believed too.',
    file: 'src/log/recovery.ts',
    piece: '        verifyFromPosition: recovery.bytes,',
    replacement: '        verifyFromPosition: Number.MAX_SAFE_INTEGER,',
    caughtBy: {
      file: OPEN_LOG,
      name: 'keeps what was published without verifying it, and verifies what follows',
    },
  },
  {
    name: 'index-believed-blindly',
    wrong: 'A recovery begins where the index says, whether a batch begins there or not.',
    file: 'src/log/recovery.ts',
    piece: '  if (!walker.next() || walker.lastOffset !== last.lastOffset) return scan;\n',
    replacement: '',
    caughtBy: { file: OPEN_LOG, name: 'does not begin at an index entry that points at no batch' },
  },
  {
    name: 'later-segments-not-verified',
    wrong: 'A recovery verifies the segment with the recovery point, and not those behind it.',
    file: 'src/log/open-log.ts',
    piece: 'this.#scans = [scan, ...later.map(',
    replacement: 'this.#scans = [scan, ...later.slice(1).map(',
    caughtBy: { file: OPEN_LOG, name: 'cuts all later segments too, and says so once' },
  },
  {
    name: 'unsound-index-kept',
    wrong: 'An index that cannot be right is used for lookups and appends.',
    file: 'src/log/open-log.ts',
    piece: 'if (bytes > 0 && (offsetEntries === null || times === null)) this.#unsound.add(segment);',
    replacement: '',
    caughtBy: { file: OPEN_LOG, name: 'never trusts indexes' },
  },
  {
    name: 'corrupt-middle-not-reported',
    wrong: 'What a crash should not have touched is not verified afterwards.',
    file: 'src/log/open-log.ts',
    piece: "if (recovery.type === 'from') this.#verifyLater(scan, recovery.recoveryPoint);",
    replacement: '',
    caughtBy: {
      file: OPEN_LOG,
      name: 'cuts nothing before the recovery point and reports what is corrupt there',
    },
  },
  {
    name: 'log-start-below-deleted-records',
    wrong: 'A log that opens again begins with its first segment: deleted records come back.',
    file: 'src/log/open-log.ts',
    piece: 'return toOffset(Math.max(this.#options.logStartOffset, first.baseOffset));',
    replacement: 'return first.baseOffset;',
    caughtBy: {
      file: OPEN_LOG,
      name: 'begins where it was told to, in the midst of a segment, whatever the segment holds',
    },
  },
  {
    name: 'moved-partition-forgets-its-start',
    wrong:
      'What a directory remembers of a partition is lost when its folder is moved: deleted records come back.',
    file: 'src/broker/data-directories.ts',
    piece: 'bears(holder, place)) holder.takeOver(place, from);',
    replacement: 'bears(holder, place)) void from;',
    caughtBy: {
      file: 'test/broker/data-directories.test.ts',
      name: 'keeps its start and its recovery point',
    },
  },
  {
    name: 'unmarked-folder-taken-for-the-new-topics',
    wrong:
      'A folder whose mark went with the power is taken over by any topic of its name: records of a deleted topic come up in the next one.',
    file: 'src/broker/data-directories.ts',
    piece: 'return existed && (directoryId === null || directoryId === state.directoryId);',
    replacement: 'return true;',
    caughtBy: { file: STRAYS, name: 'is not taken over by another topic of its name' },
  },
  {
    name: 'unmarked-folder-set-aside-where-it-belongs',
    wrong:
      'A folder whose mark went with the power gives way to a copy of it, though the metadata say that the topic lies there.',
    file: 'src/broker/data-directories.ts',
    piece: 'return existed && (directoryId === null || directoryId === state.directoryId);',
    replacement: 'return false;',
    caughtBy: { file: STRAYS, name: 'is not set aside for another one that says the same id' },
  },
  {
    name: 'partition-of-a-dead-disk-made-anew',
    wrong: 'A partition that may lie in a directory that died is made anew, and empty, in another one.',
    file: 'src/broker/data-directories.ts',
    piece: 'return existed && !isInPlace ? [...own, ...dead] : own;',
    replacement: 'return own;',
    caughtBy: { file: 'test/broker/data-directories.test.ts', name: 'keeps one closed that may be there' },
  },
  {
    name: 'stray-folder-set-aside-later',
    wrong:
      'The metadata say where a topic lies before what another one left there is out of the way: a crash between gives it that.',
    file: 'src/broker/partition-lifecycle.ts',
    piece: 'const raising = begun.filter(({ clear }) => clear === null);',
    replacement: 'const raising = begun;',
    caughtBy: { file: STRAYS, name: 'is out of the way before anything says that the topic lies there' },
  },
  {
    name: 'stray-folder-set-aside-without-sync',
    wrong:
      'The new name of a folder that was set aside may not survive a loss of power: a topic that was opened since takes it over.',
    file: 'src/log/data-directory.ts',
    piece: 'else disk.syncDirectory(parent, (problem) => done(problem ?? (isGone ? null : target)));',
    replacement: 'else done(isGone ? null : target);',
    caughtBy: { file: STRAYS, name: 'is out of the way before anything says that the topic lies there' },
  },
  {
    name: 'new-topic-begins-where-an-old-one-did',
    wrong:
      'A directory that was away while a topic was deleted has the next one of its name begin where the old one did.',
    file: 'src/broker/data-directories.ts',
    piece: '!(isNew && home.remembers(topic, partition))',
    replacement: 'true',
    caughtBy: { file: STRAYS, name: 'is forgotten, for good, before another one of its name lies there' },
  },
  {
    name: 'moved-partition-opened-too-soon',
    wrong:
      'A partition that was moved is opened before what its old directory remembers of it is written down: a crash brings deleted records back.',
    file: 'src/broker/data-directories.ts',
    piece: '!home.isTakingOver(topic, partition)',
    replacement: 'true',
    caughtBy: {
      file: 'test/broker/data-directories.test.ts',
      name: 'keeps its start, wherever a crash comes',
    },
  },
  {
    name: 'clean-mark-after-unclean-stop',
    wrong: 'A stop in which a log could not be flushed is marked as clean.',
    file: 'src/broker/data-directory-state.ts',
    piece: '      if (clean) this.#markClean(done);\n      else done();',
    replacement: '      this.#markClean(done);',
    caughtBy: {
      file: 'test/broker/supervisor.test.ts',
      name: 'leaves no mark when a worker could not flush, or dies meanwhile',
    },
  },
  {
    name: 'clean-mark-stays',
    wrong: 'The mark of a clean stop is taken away without a sync: a loss of power brings it back.',
    file: 'src/log/data-directory.ts',
    piece: '    if (error) done(error);\n    else disk.syncDirectory(dataDirectory, done);',
    replacement: '    done(error);',
    caughtBy: { file: 'test/log/data-directory.test.ts', name: 'comes and goes durably' },
  },
  {
    name: 'crash-taken-for-clean-stop',
    wrong: 'A directory without the mark of a clean stop is opened as after one.',
    file: 'src/broker/data-directory-state.ts',
    piece: 'this.#clean = hasCleanShutdownMark(disk, path) || folders.length === 0;',
    replacement: 'this.#clean = true;',
    caughtBy: {
      file: 'test/broker/supervisor.test.ts',
      name: 'in the background when the last stop was not clean',
    },
  },
  {
    name: 'served-before-lower-recovery-point',
    wrong: 'A log that was cut takes records before the checkpoint has its lower recovery point.',
    file: 'src/broker/data-directory-state.ts',
    piece: '    if (!lower) {',
    replacement: '    if (lower || !lower) {',
    caughtBy: {
      file: 'test/broker/data-directory-state.test.ts',
      name: 'lets a log that was cut take records when the checkpoint has its lower recovery point',
    },
  },
];
