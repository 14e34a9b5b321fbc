// What seeded histories have found, told as short scenarios.
import { describe, expect, it } from 'vitest';
import { type Offset, toOffset } from '../../../src/base/ids.js';
import type { Log } from '../../../src/log/log.js';
import { LogReader } from '../../../src/log/log-reader.js';
import { ProducerSnapshotFiles } from '../../../src/log/producer-snapshot-files.js';
import { ProducerStates } from '../../../src/log/producer-states.js';
import type { AppendBatch } from '../../../src/log/segment.js';
import { BatchBuilder } from '../../../src/record/batch-builder.js';
import { batch, batches, CONFIG, DIRECTORY, epoch, from, LogMachine, publish } from '../log-fixture.js';
import { header } from '../producer-fixture.js';

const NEVER = { ...CONFIG, segmentBytes: 1_000_000 };

function append(log: Log, ...added: AppendBatch[]): void {
  expect(log.append(added)).toEqual({ appended: added.length, error: null });
}

function flush(machine: LogMachine, log: Log): void {
  expect(machine.wait((done) => log.flush(done))).toBeNull();
}

/** Records of an idempotent producer. */
function idempotent(baseOffset: number, sequence: number, count: number): AppendBatch {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++)
    builder.add({ timestampMs: 5, key: null, value: Buffer.alloc(8), headers: [] });
  const bytes = builder.build({
    baseOffset: toOffset(baseOffset),
    leaderEpoch: epoch(0),
    producerId: 7,
    producerEpoch: 0,
    baseSequence: sequence,
  });
  return {
    bytes,
    baseOffset: toOffset(baseOffset),
    lastOffset: toOffset(baseOffset + count - 1),
    maxTimestampMs: 5,
    leaderEpoch: epoch(0),
  };
}

/** Where a reader finds the first batch with the timestamp. */
function baseOffsetAtTime(machine: LogMachine, log: Log, timestampMs: number): Offset | string {
  const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
  const located = reader.locateTimestamp(timestampMs, publish(log));
  if (located.type !== 'found') return located.type;
  const bytes = Buffer.alloc(8);
  machine.disk.read(located.file, located.position, bytes);
  reader.close();
  return toOffset(Number(bytes.readBigInt64BE(0)));
}

describe('Log', () => {
  it('keeps what lies behind the empty file of a roll that failed', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: NEVER });
    append(log, ...batches(0, 5));
    machine.settle();
    // A roll that a crash of the machine cut short after it had made the file.
    machine.disk.close(machine.disk.open(`${DIRECTORY}/00000000000000000003.log`, 'write'));
    log.roll();
    append(log, ...batches(5, 5));
    flush(machine, log);
    machine.crash();
    const opened = machine.open({ recovery: from(4), config: NEVER });
    expect(opened.logEndOffset).toBe(10);
    expect(opened.logStartOffset).toBe(0);
  });

  it('leaves no file behind when a roll fails', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: NEVER });
    append(log, ...batches(0, 5));
    for (const operation of ['open', 'size', 'truncate'] as const) {
      machine.disk.failNext({ operation, path: /0005\.log$/ });
      try {
        log.roll();
      } catch {
        expect(machine.names()).not.toContain('00000000000000000005.log');
      }
      machine.disk.stopFailing();
    }
  });

  it('finds a time when the offset index has got further than the time index', () => {
    const machine = new LogMachine();
    const config = { ...NEVER, indexIntervalBytes: 1 };
    let log = machine.open({ config });
    append(log, ...batches(0, 2, { timestampMs: 100 }));
    machine.crash();
    log = machine.open({ recovery: from(0), config });
    append(log, batch({ baseOffset: 2, timestampMs: 900 }), ...batches(3, 3, { timestampMs: 100 }));
    flush(machine, log);
    // Only the offset index is looked at, and written for that.
    expect(log.forEachHeader(toOffset(5), () => {})).toBeNull();
    machine.crash();
    log = machine.open({ recovery: from(6), config });
    append(log, ...batches(6, 3, { timestampMs: 200 }));
    log.roll();
    expect(baseOffsetAtTime(machine, log, 800)).toBe(2);
  });

  it('finds a time when the time index could not be written at the close', () => {
    const machine = new LogMachine();
    const config = { ...NEVER, indexIntervalBytes: 1 };
    let log = machine.open({ config });
    append(log, ...batches(0, 2, { timestampMs: 100 }), batch({ baseOffset: 2, timestampMs: 900 }));
    append(log, ...batches(3, 3, { timestampMs: 100 }));
    machine.disk.failNext({ operation: 'write', path: /timeindex$/ });
    expect(machine.wait((done) => log.close(done))).toBeNull();
    log = machine.open({ config });
    append(log, ...batches(6, 3, { timestampMs: 200 }));
    log.roll();
    expect(baseOffsetAtTime(machine, log, 800)).toBe(2);
  });

  it('knows the producer of a batch that the log start lies in', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: NEVER });
    append(log, idempotent(0, 0, 4));
    flush(machine, log);
    machine.crash();
    const opened = machine.open({ recovery: from(4), logStartOffset: toOffset(2), config: NEVER });
    const again = header({ producerId: 7, sequence: 0, count: 4 });
    expect(opened.producers.check(again, 0)).toMatchObject({ baseOffset: 0 });
  });

  it('leaves no hole where retention took what was not durable, before what a flush has promised', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = new LogMachine(seed);
      const log = machine.open();
      append(log, ...batches(0, 60));
      log.advanceLogStartOffset(toOffset(40));
      log.deleteBelowLogStart();
      flush(machine, log);
      machine.losePower();
      expect(machine.open({ recovery: from(0) }).logEndOffset, `seed ${seed}`).toBe(60);
    }
  });

  it('believes no producer snapshot from before its first segment', () => {
    const machine = new LogMachine();
    let log = machine.open({ config: NEVER });
    append(log, idempotent(0, 0, 4));
    expect(machine.wait((done) => log.close(done))).toBeNull();
    log = machine.open({ config: NEVER });
    append(log, idempotent(4, 4, 4));
    log.roll();
    append(log, batch({ baseOffset: 8 }));
    machine.settle();
    machine.crash();
    // What a crash leaves of a deletion: the segment and the snapshot at its end are gone.
    for (const name of ['00000000000000000000.log', '00000000000000000008.snapshot'])
      machine.disk.remove(`${DIRECTORY}/${name}`, () => {});
    machine.settle();
    const opened = machine.open({ recovery: from(9), logStartOffset: toOffset(8), config: NEVER });
    expect(opened.producers.check(header({ producerId: 7, sequence: 8 }), 0)).toBeNull();
  });

  it('takes a producer snapshot where one went with its segment', () => {
    const { disk } = new LogMachine();
    const names = ['00000000000000000004.snapshot'];
    const snapshots = new ProducerSnapshotFiles({ disk, directory: DIRECTORY, names, warn: () => {} });
    expect(snapshots.read(toOffset(4))).toBeNull();
    snapshots.take(toOffset(4), new ProducerStates());
    expect(snapshots.pending).toBe(true);
  });

  it('knows the epochs of a thread that died before it had saved them', () => {
    const machine = new LogMachine();
    let log = machine.open({ config: NEVER });
    expect(machine.wait((done) => log.assignLeaderEpoch(epoch(1), done))).toBeNull();
    append(log, ...batches(0, 3, { leaderEpoch: 1 }));
    expect(machine.wait((done) => log.close(done))).toBeNull();
    log = machine.open({ config: NEVER });
    log.assignLeaderEpoch(epoch(2));
    append(log, ...batches(3, 3, { leaderEpoch: 2 }));
    log.roll();
    append(log, ...batches(6, 3, { leaderEpoch: 2 }));
    const { activeSegmentBaseOffset: segmentBaseOffset, activeSegmentBytes: bytes } = log;
    machine.crash();
    const opened = machine.open({
      recovery: { type: 'worker-died', segmentBaseOffset, bytes, recoveryPoint: toOffset(3) },
      config: NEVER,
    });
    expect(opened.leaderEpochs).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 3 },
    ]);
  });

  it('syncs the last index entries of a segment that ends at the recovery point', () => {
    // What a loss of power spares is drawn; so often none may be spared by luck.
    for (let seed = 1; seed <= 20; seed++) {
      const machine = new LogMachine(seed);
      const config = { ...NEVER, indexIntervalBytes: 1000 };
      const log = machine.open({ config });
      append(log, ...batches(0, 2, { timestampMs: 100 }), batch({ baseOffset: 2, timestampMs: 900 }));
      flush(machine, log);
      log.roll();
      append(log, ...batches(3, 2, { timestampMs: 950 }));
      const { activeSegmentBaseOffset: segmentBaseOffset, activeSegmentBytes: bytes } = log;
      machine.crash();
      const recoveryPoint = toOffset(3);
      const opened = machine.open({
        recovery: { type: 'worker-died', segmentBaseOffset, bytes, recoveryPoint },
        config,
      });
      append(opened, ...batches(5, 2, { timestampMs: 960 }));
      flush(machine, opened);
      const index = machine.disk.durableContents(`${DIRECTORY}/00000000000000000000.timeindex`);
      expect(index?.length, `seed ${seed}`).toBe(12);
      machine.losePower();
    }
  });

  it('flushes a log that recovery has emptied, before it is closed in good order', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = new LogMachine(seed);
      const log = machine.open({ config: NEVER });
      append(log, ...batches(0, 3));
      machine.settle();
      machine.crash();
      const file = machine.disk.open(`${DIRECTORY}/00000000000000000000.log`, 'write');
      machine.disk.write(file, 16, [Buffer.from([0])]);
      expect(machine.wait((done) => machine.disk.sync(file, done))).toBeNull();
      machine.disk.close(file);
      const cut = machine.open({ recovery: from(0), config: NEVER });
      expect(cut.logEndOffset).toBe(0);
      expect(machine.wait((done) => cut.close(done))).toBeNull();
      machine.losePower();
      machine.logger.lines.length = 0;
      expect(machine.open({ recovery: { type: 'clean' }, config: NEVER }).logEndOffset, `seed ${seed}`).toBe(
        0,
      );
      expect(machine.logger.lines.filter(({ level }) => level === 'warn')).toEqual([]);
      machine.losePower();
    }
  });
});
