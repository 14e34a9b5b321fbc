// The model must be able to condemn: here the log gets a disk, jobs or options that are broken on purpose, through its own ports,
// and within some histories each must be noticed.
import { describe, expect, it } from 'vitest';
import { toOffset } from '../../../src/base/ids.js';
import type { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { DiskFile } from '../../../src/io/disk.js';
import { KeyOffsets } from '../../../src/log/compaction/key-offsets.js';
import { changed } from '../../io/changed-disk.js';
import { believeTornBatches } from '../believe-torn-batches.js';
import type { Sabotage } from './machine.js';
import { runHistories } from './run-histories.js';

const HISTORIES_MAX = 60;

const holdsBatches = ({ path }: DiskFile): boolean => /\.log(\.cleaned)?$/.test(path);

/** Says that it is done, and does it some time later, if the process lives that long. */
function late(clock: SimulatedClock, act: () => void, done: () => void): void {
  clock.schedule(1, done);
  clock.schedule(200, act);
}

const ignore = (): void => {};

const BUGS: Readonly<Record<string, Sabotage>> = {
  'a sync that does nothing': {
    disk: (disk, clock) =>
      changed(disk, {
        sync: (file, done) => {
          if (holdsBatches(file)) clock.schedule(1, () => done(null));
          else disk.sync(file, done);
        },
      }),
  },
  'syncs of folders that do nothing': {
    disk: (disk, clock) =>
      changed(disk, { syncDirectory: (_path, done) => clock.schedule(1, () => done(null)) }),
  },
  'renames that are done too late': {
    disk: (disk, clock) =>
      changed(disk, {
        rename: (from, to, done) => {
          late(
            clock,
            () => disk.rename(from, to, ignore),
            () => done(null),
          );
        },
      }),
  },
  'removals that do nothing': {
    disk: (disk, clock) => changed(disk, { remove: (_path, done) => clock.schedule(1, () => done(null)) }),
  },
  'cuts that do nothing': {
    disk: (disk) =>
      changed(disk, {
        truncate: (file, size) => {
          if (!holdsBatches(file)) disk.truncate(file, size);
        },
      }),
  },
  'entries of time indexes that are lost': {
    disk: (disk) =>
      changed(disk, {
        write: (file, position, pieces) => {
          const isLost = file.path.endsWith('.timeindex') && position > 0;
          disk.write(file, position, isLost ? pieces.map((piece) => new Uint8Array(piece.length)) : pieces);
        },
      }),
  },
  'a recovery that believes a torn batch': { jobs: believeTornBatches },
  'a recovery point that is too high': {
    open: (options) =>
      options.recovery.type === 'from'
        ? {
            ...options,
            recovery: { type: 'from', recoveryPoint: toOffset(options.recovery.recoveryPoint + 20) },
          }
        : options,
  },
  'a crash that passes for a clean stop': {
    open: (options) => ({ ...options, recovery: { type: 'clean' } }),
  },
  'a log start that is forgotten': {
    open: (options) => ({ ...options, logStartOffset: toOffset(0) }),
  },
  'a key that is taken for another one': {
    jobs: (functions) => ({
      ...functions,
      'index-keys': (disk, input) => {
        const output = functions['index-keys'](disk, input);
        new KeyOffsets(input.keys).put(Buffer.from('key-0'), 0, 5, output.indexedTo);
        return output;
      },
    }),
  },
  'a compaction that goes beyond what it has indexed': {
    jobs: (functions) => ({
      ...functions,
      'compact-batches': (disk, input) =>
        functions['compact-batches'](disk, { ...input, logStartOffset: toOffset(input.logStartOffset + 2) }),
    }),
  },
  'a compaction that keeps no tombstones': {
    jobs: (functions) => ({
      ...functions,
      'compact-batches': (disk, input) =>
        functions['compact-batches'](disk, { ...input, nowMs: input.nowMs + 3_600_000 }),
    }),
  },
  'a compaction that keeps everything': {
    jobs: (functions) => ({
      ...functions,
      'compact-batches': (disk, input) =>
        functions['compact-batches'](disk, { ...input, indexedTo: toOffset(0) }),
    }),
  },
  'producers that are forgotten at once': {
    open: (options) => ({ ...options, producerIdExpirationMs: 0 }),
  },
};

describe('The model of a log', () => {
  it.each(Object.entries(BUGS))('notices %s', (_name, sabotage) => {
    const seeds = Array.from({ length: HISTORIES_MAX }, (_, index) => index + 1);
    const { failures, totals } = runHistories(seeds, { sabotage });
    console.log(`noticed in history ${totals.histories + 1}: ${failures[0]?.error.message}`);
    expect(failures).toHaveLength(1);
  });
});
