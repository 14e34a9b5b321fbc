// What a loss of power, at any moment and with any part of what was not synced, may and may not do to a log.
import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import type { Log } from '../../src/log/log.js';
import { batches, CONFIG, concat, from, LogMachine } from './log-fixture.js';

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);
/** Two batches of one record in each segment. */
const SMALL = { ...CONFIG, segmentBytes: 160 };

/** The base offsets of all batches, which all hold one record. */
function offsetsIn(log: Log): number[] {
  const offsets: number[] = [];
  const corrupt = log.forEachHeader(toOffset(0), (header) => offsets.push(Number(header.readBigInt64BE(0))));
  expect(corrupt).toBeNull();
  return offsets;
}

const range = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, index) => start + index);

const flush = (machine: LogMachine, log: Log) => expect(machine.wait((done) => log.flush(done))).toBeNull();

/**
 * Does something to a log of ten batches that are on the disk, and lets the power go after each number of events; `check` gets the
 * log as it opens afterwards. Ends when the work did.
 */
function atEachEvent(
  seed: number,
  work: (log: Log, machine: LogMachine, done: () => void) => void,
  check: (log: Log, context: string) => void,
): void {
  for (let events = 0, isOver = false; !isOver; events++) {
    const machine = new LogMachine(seed);
    const log = machine.open({ config: SMALL });
    log.append(batches(0, 10));
    flush(machine, log);
    work(log, machine, () => {
      isOver = true;
    });
    for (let ran = 0; ran < events && !isOver; ran++) machine.clock.runNext();
    machine.losePower();
    check(machine.open({ config: SMALL, recovery: from(10) }), `SEED ${seed}, ${events} events`);
  }
}

describe('A log that loses power', () => {
  it('has all that a flush covered, though the snapshot of the producers could not be written', () => {
    for (const seed of SEEDS) {
      const machine = new LogMachine(seed);
      const log = machine.open({ config: SMALL });
      log.append(batches(0, 1));
      flush(machine, log);
      machine.disk.failNext({ operation: 'open', path: /\.snapshot/, times: 100 });
      log.append(batches(1, 5));
      flush(machine, log);
      expect(log.recoveryPoint).toBe(6);
      machine.losePower();
      expect(machine.bytes()).toEqual(concat(batches(0, 6)));
    }
  });

  it('has all that a flush covered after the process had died behind a roll', () => {
    for (const seed of SEEDS) {
      const machine = new LogMachine(seed);
      const before = machine.open({ config: SMALL });
      before.append(batches(0, 1));
      flush(machine, before);
      before.append(batches(1, 4));
      machine.crash();
      const log = machine.open({ config: SMALL, recovery: from(1) });
      expect([log.recoveryPoint, log.logEndOffset]).toEqual([1, 5]);
      flush(machine, log);
      expect(log.recoveryPoint).toBe(5);
      machine.losePower();
      expect(machine.bytes()).toEqual(concat(batches(0, 5)));
    }
  });

  it('has what was appended and flushed where a truncation had cut', () => {
    for (const seed of SEEDS) {
      const machine = new LogMachine(seed);
      const log = machine.open();
      log.append(batches(0, 10));
      flush(machine, log);
      expect(machine.wait((done) => log.truncateTo(toOffset(4), done))).toBeNull();
      const added = batches(4, 3, { leaderEpoch: 1 });
      log.append(added);
      flush(machine, log);
      machine.losePower();
      expect(machine.bytes()).toEqual(concat([...batches(0, 4), ...added]));
    }
  });

  it('has no hole after a truncation that it interrupts', () => {
    for (const seed of SEEDS.slice(0, 3)) {
      atEachEvent(
        seed,
        (log, _machine, done) => log.truncateTo(toOffset(1), done),
        (log, context) => {
          const { length } = offsetsIn(log);
          expect(offsetsIn(log), context).toEqual(range(0, length));
          expect(length, context).toBeGreaterThanOrEqual(1);
        },
      );
    }
  });

  it('does not bring back what a truncation removed, behind what was appended since', () => {
    for (const seed of SEEDS) {
      const machine = new LogMachine(seed);
      const log = machine.open({ config: SMALL });
      log.append(batches(0, 6));
      flush(machine, log);
      expect(machine.wait((done) => log.truncateTo(toOffset(2), done))).toBeNull();
      // They fill the segment, and end where the next one began.
      log.append(batches(2, 2, { leaderEpoch: 1 }));
      machine.losePower();
      const epochs: number[] = [];
      const opened = machine.open({ config: SMALL, recovery: from(2) });
      opened.forEachHeader(toOffset(2), (header) => epochs.push(header.readInt32BE(12)));
      expect(epochs.filter((epoch) => epoch !== 1)).toEqual([]);
    }
  });

  it('has no hole after a retention that it interrupts', () => {
    for (const seed of SEEDS.slice(0, 3)) {
      atEachEvent(
        seed,
        (log, machine, done) => {
          log.advanceLogStartOffset(toOffset(8));
          expect(log.applyRetention(machine.clock.wallMs())).toBe(4);
          machine.clock.after(1_000, done);
        },
        (log, context) => expect(offsetsIn(log), context).toEqual(range(log.logStartOffset, 10)),
      );
    }
  });

  it('knows the leader epochs of batches whose checkpoint was not written', () => {
    const machine = new LogMachine();
    const log = machine.open();
    log.append(batches(0, 3, { leaderEpoch: 1 }));
    flush(machine, log);
    machine.disk.failNext({ operation: 'rename', path: /leader-epoch/, times: 100 });
    log.append(batches(3, 3, { leaderEpoch: 2 }));
    machine.settle();
    machine.crash();
    const opened = machine.open({ recovery: from(3) });
    expect(opened.leaderEpochs).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 3 },
    ]);
  });
});
