import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toOffset } from '../../../src/base/ids.js';
import type { Log } from '../../../src/log/log.js';
import { DIRECTORY, from, LogMachine } from '../log-fixture.js';
import { header } from '../producer-fixture.js';
import {
  appendKeys,
  batchesIn,
  COMPACTED,
  compact,
  keyed,
  newReader,
  recordsIn,
  seal,
  startCompaction,
} from './log-scene.js';

const many = (count: number, keys: number): string[] =>
  Array.from({ length: count }, (_, i) => `k${i % keys}`);

function logOf(keys: readonly string[], config = COMPACTED): { machine: LogMachine; log: Log } {
  const machine = new LogMachine();
  const log = machine.open({ config });
  appendKeys(log, keys);
  seal(machine, log);
  return { machine, log };
}

const due = (machine: LogMachine, log: Log, limitOffset = log.logEndOffset) =>
  log.compactionDue(machine.clock.wallMs(), limitOffset);

describe('Compactor', () => {
  describe('what is compacted', () => {
    it('leaves the newest record of each key, and what is in the active segment', () => {
      const { machine, log } = logOf(many(40, 4));
      appendKeys(log, ['k0', 'k1']);
      const result = compact(machine, log);
      expect(recordsIn(machine, log)).toEqual(['36 k0', '37 k1', '38 k2', '39 k3', '40 k0', '41 k1']);
      expect(result).toMatchObject({
        outcome: 'completed',
        passes: 1,
        recordsRead: 40,
        recordsRemoved: 36,
      });
      expect(log.firstDirtyOffset).toBe(40);
    });

    it('merges neighbours that fit into one segment', () => {
      const { machine, log } = logOf(many(40, 4));
      const before = log.segmentCount;
      compact(machine, log);
      appendKeys(log, ['k0']);
      seal(machine, log);
      compact(machine, log);
      expect(log.segmentCount).toBeLessThan(before / 2);
      expect(recordsIn(machine, log)).toEqual(['37 k1', '38 k2', '39 k3', '40 k0']);
      expect(machine.names().filter((name) => name.endsWith('.log'))).toHaveLength(log.segmentCount);
    });

    it('makes as many passes as the map of keys needs, with the same result', () => {
      const { machine, log } = logOf(many(150, 40));
      const { passes } = compact(machine, log, { keysBytesMax: 0 });
      expect(passes).toBeGreaterThan(3);
      const other = logOf(many(150, 40));
      expect(compact(other.machine, other.log).passes).toBe(1);
      expect(recordsIn(machine, log)).toEqual(recordsIn(other.machine, other.log));
    });

    it('keeps off what is not below the high watermark', () => {
      const { machine, log } = logOf(many(40, 4));
      compact(machine, log, { limitOffset: 20 });
      expect(log.firstDirtyOffset).toBeLessThanOrEqual(20);
      expect(recordsIn(machine, log).slice(-20)).toEqual(
        many(40, 4)
          .slice(20)
          .map((key, i) => `${20 + i} ${key}`),
      );
    });

    it('keeps off what is not on the disk', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: COMPACTED });
      appendKeys(log, many(40, 4));
      expect(log.recoveryPoint).toBe(0);
      expect(due(machine, log)).toBeNull();
      machine.settle();
      expect(due(machine, log)).toMatchObject({ dirtyRatio: 1, forced: false });
    });

    it('takes what was sealed right before a crash, though nothing comes after it', () => {
      const { machine, log } = logOf(many(40, 4));
      const { recoveryPoint } = log;
      expect(recoveryPoint).toBe(log.logEndOffset);
      machine.losePower();
      const reopened = machine.open({ config: COMPACTED, recovery: from(recoveryPoint) });
      machine.settle();
      expect(compact(machine, reopened)).toMatchObject({ recordsRead: 40, recordsRemoved: 36 });
      expect(reopened.firstDirtyOffset).toBe(40);
    });

    it('keeps off what is younger than min.compaction.lag.ms', () => {
      const machine = new LogMachine();
      const { compaction } = COMPACTED;
      const config = { ...COMPACTED, compaction: compaction && { ...compaction, minLagMs: 5000 } };
      const log = machine.open({ config });
      const nowMs = machine.clock.wallMs();
      for (let i = 0; i < 40; i++) log.append([keyed(i, ['k'], nowMs - 10_000 + i * 250)]);
      seal(machine, log);
      compact(machine, log);
      expect(log.firstDirtyOffset).toBeGreaterThan(10);
      expect(log.firstDirtyOffset).toBeLessThanOrEqual(21);
      expect(recordsIn(machine, log).length).toBe(40 - log.firstDirtyOffset + 1);
      machine.clock.advance(20_000);
      compact(machine, log);
      expect(recordsIn(machine, log)).toEqual(['39 k']);
    });

    it('keeps the newest durable batch of a producer that went on behind it', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: COMPACTED });
      log.append([keyed(0, ['a'], undefined, { producerId: 7, producerEpoch: 0, baseSequence: 0 })]);
      appendKeys(log, many(20, 1));
      appendKeys(log, ['a']);
      seal(machine, log);
      const { recoveryPoint } = log;
      log.append([keyed(22, ['b'], undefined, { producerId: 7, producerEpoch: 0, baseSequence: 1 })]);
      compact(machine, log);
      machine.losePower();
      for (const name of machine.names().filter((one) => one.endsWith('.snapshot')))
        machine.disk.remove(join(DIRECTORY, name), () => {});
      machine.settle();
      const reopened = machine.open({ config: COMPACTED, recovery: from(recoveryPoint) });
      expect(reopened.logEndOffset).toBe(22);
      expect(reopened.producers.check(header({ producerId: 7, sequence: 2 }), 0)).toBe(
        'OUT_OF_ORDER_SEQUENCE_NUMBER',
      );
      expect(reopened.producers.check(header({ producerId: 7, sequence: 1 }), 0)).toBeNull();
    });

    it('does nothing for a log without the policy', () => {
      const { machine, log } = logOf(many(40, 4), { ...COMPACTED, compaction: null });
      expect(due(machine, log)).toBeNull();
      expect(log.dirtyRatio(machine.clock.wallMs(), log.logEndOffset)).toBe(0);
      expect(compact(machine, log)).toMatchObject({ outcome: 'stopped', recordsRead: 0 });
      expect(recordsIn(machine, log)).toHaveLength(40);
    });
  });

  describe('when it is due', () => {
    it('is due once enough of the log is new, by bytes', () => {
      const { machine, log } = logOf(many(8, 4));
      compact(machine, log);
      expect(due(machine, log)).toBeNull();
      appendKeys(log, ['k0']);
      seal(machine, log);
      expect(due(machine, log)).toBeNull();
      expect(log.dirtyRatio(machine.clock.wallMs(), log.logEndOffset)).toBeCloseTo(0.2, 1);
      appendKeys(log, many(8, 4));
      seal(machine, log);
      expect(due(machine, log)?.dirtyRatio).toBeGreaterThan(0.5);
    });

    it('is due when a record waits for longer than max.compaction.lag.ms, and takes the active segment in', () => {
      const machine = new LogMachine();
      const { compaction } = COMPACTED;
      const config = { ...COMPACTED, compaction: compaction && { ...compaction, maxLagMs: 60_000 } };
      const log = machine.open({ config });
      const nowMs = machine.clock.wallMs();
      log.append([keyed(0, ['a'], nowMs), keyed(1, ['a'], nowMs)]);
      machine.clock.advance(59_000);
      expect(due(machine, log)).toBeNull();
      machine.clock.advance(2_000);
      expect(due(machine, log)).toMatchObject({ forced: true });
      let published = 0;
      compact(machine, log, { replaced: () => published++ });
      expect(recordsIn(machine, log)).toEqual(['1 a']);
      expect(published).toBe(2);
      expect(due(machine, log)).toBeNull();
    });

    it('lets segments end in time for max.compaction.lag.ms', () => {
      const machine = new LogMachine();
      const { compaction } = COMPACTED;
      const config = { ...COMPACTED, compaction: compaction && { ...compaction, maxLagMs: 60_000 } };
      const log = machine.open({ config });
      log.append([keyed(0, ['a'], 1000)]);
      log.append([keyed(1, ['a'], 61_001)]);
      expect(log.segmentCount).toBe(2);
    });

    it('goes on where the checkpoint says, and from the start where it says nothing', () => {
      const { machine, log } = logOf(many(40, 4));
      compact(machine, log);
      machine.wait((done) => log.close(done));
      const again = machine.open({ config: COMPACTED, firstDirtyOffset: log.firstDirtyOffset });
      expect(again.firstDirtyOffset).toBe(40);
      expect(due(machine, again)).toBeNull();
      machine.wait((done) => again.close(done));
      const anew = machine.open({ config: COMPACTED });
      expect(due(machine, anew)).toMatchObject({ dirtyRatio: 1 });
      compact(machine, anew);
      expect(recordsIn(machine, anew)).toEqual(['36 k0', '37 k1', '38 k2', '39 k3']);
    });
  });

  it('paces the jobs by what they read and wrote', () => {
    const { machine, log } = logOf(many(40, 4));
    const paced: number[] = [];
    const { bytesRead, bytesWritten, elapsedMs } = compact(machine, log, {
      pace: (bytes) => {
        paced.push(bytes);
        return 1000;
      },
    });
    expect(paced.reduce((sum, bytes) => sum + bytes, 0)).toBe(bytesRead + bytesWritten);
    expect(elapsedMs).toBeGreaterThan(1000 * paced.length);
  });

  it('shows a reader at any moment a log that has all that compaction must leave, in order', () => {
    const { machine, log } = logOf(many(60, 5));
    const all = recordsIn(machine, log);
    const reader = newReader(machine);
    const outcome = startCompaction(machine, log);
    const least = all.slice(-5);
    let reads = 0;
    while (!outcome.isOver) {
      const read = recordsIn(machine, log, reader);
      const offsets = read.map((record) => Number(record.split(' ')[0]));
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      expect(new Set(offsets).size).toBe(offsets.length);
      expect(all).toEqual(expect.arrayContaining(read));
      expect(read).toEqual(expect.arrayContaining(least));
      reads++;
      machine.clock.runNext();
    }
    expect(reads).toBeGreaterThan(50);
    expect(recordsIn(machine, log, reader)).toEqual(least);
  });

  it('never takes a record for a batch, whatever it holds, at a position that was remembered', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: { ...COMPACTED, segmentBytes: 4000 } });
    appendKeys(log, many(30, 30));
    seal(machine, log);
    const reader = newReader(machine);
    expect(batchesIn(machine, log, reader)).toHaveLength(30);
    appendKeys(log, many(29, 29));
    seal(machine, log);
    const outcome = startCompaction(machine, log);
    while (!outcome.isOver) {
      for (const offset of [0, 7, 29, 40]) {
        const located = reader.locate(toOffset(offset), {
          logStartOffset: toOffset(0),
          highWatermark: log.logEndOffset,
          logEndOffset: log.logEndOffset,
          segmentBaseOffset: log.activeSegmentBaseOffset,
          segmentBytes: log.activeSegmentBytes,
          replacements: log.replacements,
        });
        if (located.type !== 'found') throw new Error(`${offset}: ${located.type}`);
        const bytes = Buffer.alloc(61);
        machine.disk.read(located.file, located.position, bytes);
        expect(Number(bytes.readBigInt64BE(0))).toBeGreaterThanOrEqual(offset);
      }
      machine.clock.runNext();
    }
  });

  describe('with what happens meanwhile', () => {
    /** Lets a compaction run for so many events. */
    const midway = (
      events: number,
    ): { machine: LogMachine; log: Log; outcome: ReturnType<typeof startCompaction> } => {
      const { machine, log } = logOf(many(60, 5));
      const outcome = startCompaction(machine, log);
      for (let i = 0; i < events && !outcome.isOver; i++) machine.clock.runNext();
      return { machine, log, outcome };
    };
    const untilOver = (check: (events: number, scene: ReturnType<typeof midway>) => void): void => {
      for (let events = 0; ; events += 47) {
        const scene = midway(events);
        if (scene.outcome.isOver) return;
        check(events, scene);
      }
    };

    it('ends early and cleanly when the log is closed', () => {
      untilOver((events, { machine, log, outcome }) => {
        expect(
          machine.wait((done) => log.close(done)),
          `${events}`,
        ).toBeNull();
        expect(outcome, `${events}`).toMatchObject({
          isOver: true,
          error: null,
          result: { outcome: 'stopped' },
        });
        expect(
          machine.names().filter((name) => /cleaned|swap/.test(name)),
          `${events}`,
        ).toEqual([]);
        const again = machine.open({ config: COMPACTED });
        expect(recordsIn(machine, again), `${events}`).toEqual(expect.arrayContaining(['55 k0', '59 k4']));
      });
    });

    it('ends when the log is deleted', () => {
      untilOver((events, { machine, log, outcome }) => {
        expect(
          machine.wait((done) => log.delete(done)),
          `${events}`,
        ).toBeNull();
        expect(outcome.isOver, `${events}`).toBe(true);
        machine.clock.advance(100_000);
        expect(machine.names()).toEqual([]);
      });
    });

    it('ends when the log is cut, which then holds what came before the cut and nothing else', () => {
      untilOver((events, { machine, log, outcome }) => {
        expect(
          machine.wait((done) => log.truncateTo(toOffset(33), done)),
          `${events}`,
        ).toBeNull();
        expect(outcome.isOver, `${events}`).toBe(true);
        expect(log.logEndOffset, `${events}`).toBeLessThanOrEqual(33);
        expect(log.firstDirtyOffset).toBeLessThanOrEqual(log.logEndOffset);
        const { logEndOffset } = log;
        appendKeys(log, ['new']);
        seal(machine, log);
        machine.losePower();
        const again = machine.open({ config: COMPACTED, recovery: from(logEndOffset) });
        const records = recordsIn(machine, again);
        expect(records.at(-1), `${events}`).toBe(`${logEndOffset} new`);
        expect(records.filter((record) => record.endsWith('new'))).toHaveLength(1);
      });
    });

    it('keeps retention off a new segment until all of its files are in their place', () => {
      const { machine, log } = logOf(many(60, 5));
      const deleteAll = (): void => {
        log.advanceLogStartOffset(toOffset(60));
        log.deleteBelowLogStart();
      };
      const outcome = startCompaction(machine, log, { replaced: () => machine.clock.after(0, deleteAll) });
      machine.clock.runUntil(() => outcome.isOver);
      expect(log.logStartOffset).toBe(60);
      log.deleteBelowLogStart();
      machine.clock.advance(3_600_000);
      expect(log.segmentCount).toBe(1);
      const active = String(log.activeSegmentBaseOffset).padStart(20, '0');
      expect(machine.names().filter((name) => /index$/.test(name) && !name.startsWith(active))).toEqual([]);
    });

    it('lets appends and retention go on', () => {
      untilOver((events, { machine, log, outcome }) => {
        appendKeys(log, ['late']);
        log.advanceLogStartOffset(toOffset(30));
        log.deleteBelowLogStart();
        machine.clock.runUntil(() => outcome.isOver);
        expect(outcome.error, `${events}`).toBeNull();
        const records = recordsIn(machine, log);
        expect(records.at(-1), `${events}`).toBe('60 late');
        expect(records).toEqual(expect.arrayContaining(['55 k0', '56 k1', '57 k2', '58 k3', '59 k4']));
        expect(log.logStartOffset).toBe(30);
        log.deleteBelowLogStart();
        machine.settle();
        seal(machine, log);
        compact(machine, log);
        expect(recordsIn(machine, log), `${events}`).toEqual([
          '55 k0',
          '56 k1',
          '57 k2',
          '58 k3',
          '59 k4',
          '60 late',
        ]);
      });
    });
  });

  it('gives a damaged log up, says so once, and takes it up again when the damage is gone', () => {
    const { machine, log } = logOf(many(40, 4));
    machine.disk.corrupt('/data/orders-0/00000000000000000005.log', 70);
    const outcome = startCompaction(machine, log);
    machine.clock.runUntil(() => outcome.isOver);
    expect(outcome.error?.message).toMatch(/00000000000000000005.log, position 0/);
    expect(log.uncleanable).toMatchObject({ path: '/data/orders-0/00000000000000000005.log' });
    machine.clock.advance(3_600_000);
    expect(due(machine, log)).toBeNull();
    const warnings = machine.logger.lines.filter(({ level }) => level === 'warn');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.fields).toMatchObject({
      topic: 'orders',
      reason: expect.stringContaining('position 0'),
    });
    expect(log.offline).toBeNull();
    log.advanceLogStartOffset(toOffset(20));
    log.deleteBelowLogStart();
    expect(log.uncleanable).toBeNull();
    expect(due(machine, log)).not.toBeNull();
    machine.settle();
    compact(machine, log);
    expect(recordsIn(machine, log)).toEqual(['36 k0', '37 k1', '38 k2', '39 k3']);
  });
});
