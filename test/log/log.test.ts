import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import { toOffset } from '../../src/base/ids.js';
import vectors from '../vectors/log-files.json' with { type: 'json' };
import {
  type BatchSpec,
  batch,
  batches,
  CONFIG,
  concat,
  DIRECTORY,
  epoch,
  from,
  LogMachine,
} from './log-fixture.js';

const file = (name: string) => `${DIRECTORY}/${name}`;
const vector = (name: string) => {
  const found = vectors.files.find((entry) => entry.name === name);
  if (!found) throw new Error(`no vector ${name}`);
  return found;
};

describe('Log', () => {
  describe('append', () => {
    it('writes batches one after the other and moves the log end', () => {
      const machine = new LogMachine();
      const log = machine.open();
      const appended = [batch({ baseOffset: 0, count: 3 }), batch({ baseOffset: 3 })];
      expect(log.append(appended)).toEqual({ appended: 2, error: null });
      expect(log.logEndOffset).toBe(4);
      expect(log.activeSegmentBytes).toBe(concat(appended).length);
      expect(machine.bytes()).toEqual(concat(appended));
    });

    it('uses one disk write for a run of batches', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, indexIntervalBytes: 1_000_000 } });
      log.append(batches(0, 1));
      machine.settle();
      const before = machine.disk.operations;
      log.append(batches(1, 10));
      expect(machine.disk.operations - before).toBe(1);
    });

    it('refuses batches that do not continue the log', () => {
      const log = new LogMachine().open();
      log.append(batches(0, 2));
      expect(() => log.append([batch({ baseOffset: 3 })])).toThrow(AssertionError);
      expect(() => log.append([batch({ baseOffset: 1 })])).toThrow(AssertionError);
      expect(log.logEndOffset).toBe(2);
    });

    it('rolls before the batch that would make the segment too large', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 3 * 76 } });
      const appended = batches(0, 7);
      log.append(appended);
      expect(log.segmentCount).toBe(3);
      expect(log.activeSegmentBaseOffset).toBe(6);
      expect(machine.disk.contents(file('00000000000000000003.log'))).toEqual(concat(appended.slice(3, 6)));
      expect(log.sizeBytes).toBe(7 * 76);
    });

    it('gives a batch larger than a segment a segment of its own', () => {
      const log = new LogMachine().open({ config: { ...CONFIG, segmentBytes: 100 } });
      log.append([
        batch({ baseOffset: 0 }),
        batch({ baseOffset: 1, valueBytes: 500 }),
        batch({ baseOffset: 2 }),
      ]);
      expect(log.segmentCount).toBe(3);
    });

    it('rolls when the records of a segment span segment.ms', () => {
      const log = new LogMachine().open({ config: { ...CONFIG, segmentMs: 1000 } });
      log.append([batch({ baseOffset: 0, timestampMs: 5000 }), batch({ baseOffset: 1, timestampMs: 6000 })]);
      expect(log.segmentCount).toBe(1);
      log.append([batch({ baseOffset: 2, timestampMs: 6001 }), batch({ baseOffset: 3, timestampMs: 7002 })]);
      expect(log.segmentCount).toBe(3);
    });

    it('rolls by the wall clock when batches have no timestamp', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentMs: 1000 } });
      log.append([batch({ baseOffset: 0, timestampMs: -1 })]);
      machine.clock.advance(1001);
      log.append([batch({ baseOffset: 1, timestampMs: -1 })]);
      expect(log.segmentCount).toBe(2);
    });

    it('knows the age of the active segment after it was opened again', () => {
      const machine = new LogMachine();
      const config = { ...CONFIG, segmentMs: 1000 };
      const first = machine.open({ config });
      first.append([batch({ baseOffset: 0, timestampMs: 5000 })]);
      machine.wait((done) => first.close(done));
      const second = machine.open({ config });
      second.append([batch({ baseOffset: 1, timestampMs: 6001 })]);
      expect(second.segmentCount).toBe(2);
    });

    it('rolls when an index is full', () => {
      // Three time index entries fit, one of which is kept for the end: a third entry needs a new segment.
      const log = new LogMachine().open({
        config: { ...CONFIG, segmentIndexBytes: 36, indexIntervalBytes: 1 },
      });
      log.append(batches(0, 3));
      expect(log.segmentCount).toBe(1);
      log.append(batches(3, 1));
      expect(log.segmentCount).toBe(2);
    });

    it('cuts a failed write back to the last batch and says how many batches were appended', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 3 * 76 } });
      log.append(batches(0, 2));
      machine.disk.failNext({ operation: 'write', path: /3\.log$/, code: 'ENOSPC' });
      const { appended, error } = log.append(batches(2, 4));
      expect(appended).toBe(1);
      expect(error?.code).toBe('ENOSPC');
      expect(log.logEndOffset).toBe(3);
      expect(machine.bytes()).toEqual(concat(batches(0, 3)));
      expect(log.append(batches(3, 3))).toEqual({ appended: 3, error: null });
      expect(machine.bytes()).toEqual(concat(batches(0, 6)));
    });

    it.each(['EIO', 'EROFS', 'ENOENT', 'EACCES'] as const)(
      'goes offline at the first write that fails with %s',
      (code) => {
        const machine = new LogMachine();
        const offline: (string | undefined)[] = [];
        const log = machine.open({ wentOffline: (error) => offline.push(error.code) });
        log.append(batches(0, 2));
        machine.disk.failNext({ operation: 'write', path: /\.log$/, code });
        expect(log.append(batches(2, 1)).error?.code).toBe(code);
        expect(log.offline?.code).toBe(code);
        expect(log.append(batches(2, 1))).toEqual({ appended: 0, error: log.offline });
        expect(offline).toEqual([code]);
        // What was appended before is there, and nothing behind it.
        expect(machine.bytes()).toEqual(concat(batches(0, 2)));
      },
    );

    it('goes offline when the next segment cannot be made, unless there was no room for it', () => {
      for (const [code, offline] of [
        ['EIO', 'EIO'],
        ['ENOSPC', undefined],
        ['EMFILE', undefined],
      ] as const) {
        const machine = new LogMachine();
        const log = machine.open({ config: { ...CONFIG, segmentBytes: 2 * 76 } });
        log.append(batches(0, 2));
        machine.disk.failNext({ operation: 'open', path: /2\.log$/, code });
        expect(log.append(batches(2, 1))).toMatchObject({ appended: 0, error: { code } });
        expect(log.offline?.code).toBe(offline);
        expect(log.append(batches(2, 1)).appended).toBe(offline ? 0 : 1);
      }
    });

    it('says nothing of a full disk: its owner does, once for all logs', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 3 * 76, indexIntervalBytes: 0 } });
      log.append(batches(0, 3));
      machine.disk.capacityBytes = machine.disk.usedBytes;
      for (let i = 0; i < 3; i++) expect(log.append(batches(3, 1)).error?.code).toBe('ENOSPC');
      expect(machine.wait((done) => log.flush(done))).not.toBeNull();
      expect(machine.logger.lines.filter(({ level }) => level !== 'info')).toEqual([]);
      machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
      expect(log.append(batches(3, 4)).appended).toBe(4);
      expect(machine.wait((done) => log.close(done))).toBeNull();
      expect(machine.bytes()).toEqual(concat(batches(0, 7)));
    });

    it('goes offline when a failed write cannot be cut back', () => {
      const machine = new LogMachine();
      const log = machine.open();
      machine.disk.failNext({ operation: 'write', path: /\.log$/ });
      machine.disk.failNext({ operation: 'truncate', path: /\.log$/ });
      expect(log.append(batches(0, 1)).error?.code).toBe('EIO');
      expect(log.append(batches(0, 1))).toEqual({ appended: 0, error: log.offline });
      expect(log.offline?.code).toBe('EIO');
      expect(machine.logger.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    });

    it('goes on when there is no descriptor for a write, nor for a cut', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 2));
      for (const operation of ['write', 'truncate'] as const)
        machine.disk.failNext({ operation, path: /\.log$/, code: 'EMFILE' });
      expect(log.append(batches(2, 1))).toMatchObject({ appended: 0, error: { code: 'EMFILE' } });
      machine.disk.stopFailing();
      expect(log.append(batches(2, 1))).toMatchObject({ appended: 1, error: null });
      expect(log.offline).toBeNull();
      expect(machine.bytes()).toEqual(concat(batches(0, 3)));
    });

    it('goes on when an index cannot be written', () => {
      const machine = new LogMachine();
      const config = {
        ...CONFIG,
        segmentBytes: 1_000_000,
        segmentIndexBytes: 100_000,
        indexIntervalBytes: 1,
      };
      const log = machine.open({ config });
      machine.disk.failNext({ operation: 'write', path: /\.(time)?index$/, times: 2 });
      expect(log.append(batches(0, 200)).error).toBeNull();
      expect(machine.wait((done) => log.close(done))).toBeNull();
      expect(machine.logger.lines.some(({ message }) => message.includes('index'))).toBe(true);
      expect(machine.open({ config }).logEndOffset).toBe(200);
    });

    describe('when its time index ends too early, and can be neither completed nor emptied', () => {
      const config = { ...CONFIG, segmentBytes: 18 * 76, indexIntervalBytes: 1 };
      const opened = () => {
        const machine = new LogMachine();
        const log = machine.open({ config });
        log.append(batches(0, 9));
        machine.wait((done) => log.close(done));
        const again = machine.open({ config });
        again.append(batches(9, 9));
        return { machine, log: again };
      };

      it('seals no segment for lack of a descriptor', () => {
        const { machine, log } = opened();
        machine.disk.failNext({ operation: 'open', path: /\.timeindex$/, code: 'EMFILE', times: 2 });
        expect(log.append(batches(18, 1))).toMatchObject({ appended: 0, error: { code: 'EMFILE' } });
        expect([log.segmentCount, log.activeSegmentBaseOffset, log.offline]).toEqual([1, 0, null]);
        expect(log.append(batches(18, 1))).toMatchObject({ appended: 1, error: null });
        expect(log.segmentCount).toBe(2);
        // Readers take the last entry for the greatest timestamp.
        expect(machine.disk.contents(file('00000000000000000000.timeindex')).length).toBe(0);
        expect(machine.wait((done) => log.close(done))).toBeNull();
        expect(machine.bytes()).toEqual(concat(batches(0, 19)));
      });

      it.each(['EIO', 'EACCES'] as const)('goes on after any other error: %s', (code) => {
        const { machine, log } = opened();
        machine.disk.failNext({ operation: 'open', path: /\.timeindex$/, code, times: 2 });
        expect(log.append(batches(18, 1))).toMatchObject({ appended: 1, error: null });
        expect([log.segmentCount, log.offline]).toEqual([2, null]);
      });
    });

    it('stays with the full segment while a new one cannot be made', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 76 } });
      log.append(batches(0, 1));
      machine.disk.failNext({ operation: 'open', path: /1\.log$/, code: 'EMFILE' });
      expect(log.append(batches(1, 1))).toMatchObject({ appended: 0, error: { code: 'EMFILE' } });
      expect(log.append(batches(1, 1))).toMatchObject({ appended: 1, error: null });
    });
  });

  describe('files', () => {
    it('writes the index files that Kafka writes for the same batches', () => {
      // Sizes and timestamps of the batches that Kafka had when it wrote the vectors.
      const specs: [number, number, number][] = [
        [3, 8, 1795238835104], [4, 8, 1795238835104], [5, 7, 1795238835104], [6, 7, 1795238835120], [7, 8, 1795238835149],
        [8, 6, 1795238835149], [9, 6, 1795238835160], [10, 6, 1795238835170], [11, 6, 1795238835193],
      ]; // biome-ignore format: one line for each index entry
      const machine = new LogMachine();
      const log = machine.open({ logStartOffset: toOffset(3) });
      log.append(
        specs.map(([baseOffset, valueBytes, timestampMs]) => batch({ baseOffset, valueBytes, timestampMs })),
      );
      machine.wait((done) => log.close(done));
      const contents = (suffix: string) =>
        machine.disk.contents(file(`00000000000000000003.${suffix}`)).toString('hex');
      expect(contents('index')).toBe(vector('offset-index').hex);
      expect(contents('timeindex')).toBe(vector('time-index').hex);
    });

    it('writes partition.metadata and leader-epoch-checkpoint as Kafka does', () => {
      const machine = new LogMachine();
      const log = machine.open({ logStartOffset: toOffset(3) });
      machine.wait((done) => log.assignLeaderEpoch(epoch(0), done));
      expect(machine.disk.contents(file('partition.metadata')).toString()).toBe(
        vector('partition.metadata').text,
      );
      expect(machine.disk.contents(file('leader-epoch-checkpoint')).toString()).toBe(
        vector('leader-epoch-checkpoint').text,
      );
    });

    it('has the folder, its name and partition.metadata on the disk before a flush is done', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 1));
      expect(machine.disk.durableContents(file('partition.metadata')) ?? null).toBeNull();
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect(machine.disk.durableContents(file('partition.metadata'))?.toString()).toBe(
        vector('partition.metadata').text,
      );
    });
  });

  describe('flush', () => {
    it('makes everything durable and moves the recovery point', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 200 } });
      log.append(batches(0, 5));
      expect(log.recoveryPoint).toBe(0);
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect(log.recoveryPoint).toBe(5);
      const logs = machine.names().filter((name) => name.endsWith('.log'));
      expect(logs).toHaveLength(3);
      expect(
        Buffer.concat(logs.map((name) => machine.disk.durableContents(file(name)) ?? Buffer.alloc(0))),
      ).toEqual(concat(batches(0, 5)));
    });

    it('shares one pass among those who ask while another runs', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 1));
      machine.wait((done) => log.flush(done));
      log.append(batches(1, 1));
      const order: string[] = [];
      log.flush(() => order.push('first'));
      log.append(batches(2, 1));
      const before = machine.disk.operations;
      for (const name of ['second', 'third', 'fourth']) log.flush(() => order.push(name));
      machine.settle();
      expect(order).toEqual(['first', 'second', 'third', 'fourth']);
      expect(machine.disk.operations - before).toBe(1);
      expect(log.recoveryPoint).toBe(3);
    });

    it('calls back in a later turn even if there is nothing to do', () => {
      const machine = new LogMachine();
      const log = machine.open();
      machine.settle();
      let called = false;
      log.flush(() => {
        called = true;
      });
      expect(called).toBe(false);
      machine.settle();
      expect(called).toBe(true);
    });

    it('syncs a sealed segment in the background', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 76 } });
      log.append(batches(0, 2));
      machine.settle();
      expect(log.recoveryPoint).toBeGreaterThanOrEqual(1);
      expect(machine.disk.durableContents(file('00000000000000000000.log'))).toEqual(concat(batches(0, 1)));
    });

    it('starts by itself at flush.messages', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, flushMessages: 3 } });
      log.append(batches(0, 2));
      machine.settle();
      expect(log.recoveryPoint).toBe(0);
      log.append(batches(2, 1));
      machine.settle();
      expect(log.recoveryPoint).toBe(3);
    });

    it('does not wait for a timer that a longer flush.ms of before has set', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, flushMs: 3_600_000 } });
      log.append(batches(0, 2));
      machine.clock.advance(1000);
      log.updateConfig({ ...CONFIG, flushMs: 500 });
      machine.clock.advance(400);
      expect(log.recoveryPoint).toBe(0);
      machine.clock.advance(1000);
      expect(log.recoveryPoint).toBe(2);
    });

    it('starts by itself flush.ms after an append, also one that came while another flush ran', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, flushMs: 5000 } });
      log.append(batches(0, 1));
      machine.clock.advance(4999);
      expect(log.recoveryPoint).toBe(0);
      machine.clock.advance(1);
      log.append(batches(1, 1));
      machine.clock.advance(100);
      expect(log.recoveryPoint).toBe(1);
      machine.clock.advance(5100);
      expect(log.recoveryPoint).toBe(2);
    });

    it('takes the log offline when data cannot be synced', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 1));
      machine.disk.failNext({ operation: 'sync', path: /\.log$/ });
      expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'EIO' });
      expect(log.recoveryPoint).toBe(0);
      expect(log.append(batches(1, 1))).toMatchObject({ appended: 0, error: { code: 'EIO' } });
      expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'EIO' });
    });

    it('does not move the recovery point past leader epochs that could not be saved', () => {
      const machine = new LogMachine();
      const log = machine.open();
      machine.disk.failNext({ operation: 'sync', path: /leader-epoch/, times: 2 });
      log.append([batch({ baseOffset: 0, leaderEpoch: 4 })]);
      expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'EIO' });
      expect(log.recoveryPoint).toBe(0);
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect(log.recoveryPoint).toBe(1);
      expect(log.offline).toBeNull();
    });
  });

  describe('leader epochs', () => {
    it('are saved when they are assigned, and rise', () => {
      const machine = new LogMachine();
      const log = machine.open();
      expect(log.latestLeaderEpoch).toBe(-1);
      expect(machine.wait((done) => log.assignLeaderEpoch(epoch(1), done))).toBeNull();
      log.append(batches(0, 3, { leaderEpoch: 1 }));
      expect(machine.wait((done) => log.assignLeaderEpoch(epoch(2), done))).toBeNull();
      log.append(batches(3, 1, { leaderEpoch: 2 }));
      expect(machine.disk.contents(file('leader-epoch-checkpoint')).toString()).toBe('0\n2\n1 0\n2 3\n');
      expect(() => log.assignLeaderEpoch(epoch(1))).toThrow(AssertionError);
      expect(log.endOffsetForEpoch(epoch(1))).toEqual({ epoch: 1, endOffset: 3 });
      expect(log.endOffsetForEpoch(epoch(2))).toEqual({ epoch: 2, endOffset: 4 });
      expect(log.endOffsetForEpoch(epoch(3))).toBeNull();
      expect(log.epochAt(toOffset(2))).toBe(1);
    });

    it('begin with the first batch of an epoch that nobody assigned', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append([...batches(0, 2, { leaderEpoch: 5 }), ...batches(2, 2, { leaderEpoch: 7 })]);
      machine.settle();
      expect(machine.disk.contents(file('leader-epoch-checkpoint')).toString()).toBe('0\n2\n5 0\n7 2\n');
    });
  });

  describe('retention', () => {
    const config = { ...CONFIG, segmentBytes: 76, retentionMs: 1000 };
    const open = (machine: LogMachine, overrides: Partial<typeof CONFIG> = {}) => {
      const log = machine.open({ config: { ...config, ...overrides } });
      log.append(batches(0, 4).map((_, i) => batch({ baseOffset: i, timestampMs: 10_000 + i * 1000 })));
      machine.settle();
      return log;
    };

    it('renames segments that are too old and removes them later', () => {
      const machine = new LogMachine();
      const log = open(machine);
      expect(log.applyRetention(12_500)).toBe(2);
      expect(log.logStartOffset).toBe(2);
      machine.settle();
      expect(machine.names()).toContain('00000000000000000001.log.deleted');
      expect(machine.names()).not.toContain('00000000000000000001.log');
      machine.clock.advance(60_000);
      expect(machine.names().filter((name) => name.endsWith('.deleted'))).toEqual([]);
      expect(machine.names()).toContain('00000000000000000002.log');
    });

    it('rolls the active segment if it is too old too', () => {
      const machine = new LogMachine();
      const log = open(machine);
      expect(log.applyRetention(99_999)).toBe(4);
      expect([log.logStartOffset, log.logEndOffset, log.activeSegmentBytes]).toEqual([4, 4, 0]);
      expect(log.applyRetention(99_999)).toBe(0);
      log.append(batches(4, 1));
      expect(log.logEndOffset).toBe(5);
    });

    it('keeps what fits into retention.bytes', () => {
      const log = open(new LogMachine(), { retentionMs: -1, retentionBytes: 200 });
      expect(log.applyRetention(99_999)).toBe(1);
      expect(log.sizeBytes).toBe(3 * 76);
    });

    it('keeps what is too old or too much without the policy, but not what lies below the log start', () => {
      const log = open(new LogMachine(), { retentionBytes: 0, deletes: false });
      expect(log.applyRetention(99_999)).toBe(0);
      log.advanceLogStartOffset(toOffset(2));
      expect(log.applyRetention(99_999)).toBe(2);
      expect(log.segmentCount).toBe(2);
    });

    it('keeps what lies above the high watermark', () => {
      const log = open(new LogMachine());
      expect(log.applyRetention(99_999, toOffset(1))).toBe(1);
    });

    it('deletes segments below an advanced log start', () => {
      const log = open(new LogMachine(), { retentionMs: -1 });
      log.advanceLogStartOffset(toOffset(2));
      log.advanceLogStartOffset(toOffset(1));
      expect(log.logStartOffset).toBe(2);
      expect(log.applyRetention(0)).toBe(2);
      expect(log.logStartOffset).toBe(2);
    });

    it('deletes only what lies below the log start when it is told to, whatever retention says', () => {
      const log = open(new LogMachine(), { retentionMs: 0, retentionBytes: 0 });
      log.advanceLogStartOffset(toOffset(2));
      log.deleteBelowLogStart();
      expect([log.segmentCount, log.logStartOffset]).toEqual([2, 2]);
      log.advanceLogStartOffset(log.logEndOffset);
      log.deleteBelowLogStart();
      // The active segment stays, and what it holds.
      expect([log.segmentCount, log.logStartOffset, log.logEndOffset]).toEqual([1, 4, 4]);
    });

    it('forgets leader epochs that ended before the log start', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append([...batches(0, 2, { leaderEpoch: 1 }), ...batches(2, 2, { leaderEpoch: 2 })]);
      log.advanceLogStartOffset(toOffset(3));
      machine.settle();
      expect(machine.disk.contents(file('leader-epoch-checkpoint')).toString()).toBe('0\n1\n2 3\n');
    });

    it('takes new limits from updateConfig', () => {
      const log = open(new LogMachine(), { retentionMs: -1 });
      expect(log.applyRetention(99_999)).toBe(0);
      log.updateConfig({ ...config, retentionMs: 50_000 });
      expect(log.applyRetention(61_500)).toBe(2);
    });
  });

  describe('truncateTo', () => {
    const appended: BatchSpec[] = [0, 2, 4, 6, 8].map((baseOffset) => ({
      baseOffset,
      count: 2,
      leaderEpoch: baseOffset / 2,
    }));
    for (const [offset, end] of [
      [9, 8],
      [8, 8],
      [5, 4],
      [4, 4],
      [1, 0],
      [0, 0],
    ] as const) {
      it(`ends the log before the batch that holds offset ${offset}`, () => {
        const machine = new LogMachine();
        const all = appended.map(batch);
        const log = machine.open({ config: { ...CONFIG, segmentBytes: 200 } });
        log.append(all);
        machine.wait((done) => log.flush(done));
        expect(machine.wait((done) => log.truncateTo(toOffset(offset), done))).toBeNull();
        const kept = all.filter(({ lastOffset }) => lastOffset < offset);
        expect(log.logEndOffset).toBe(end);
        expect(log.recoveryPoint).toBe(end);
        expect(machine.bytes()).toEqual(concat(kept));
        expect(log.latestLeaderEpoch).toBe(end / 2 - 1);
        log.append(batches(end, 4));
        machine.wait((done) => log.close(done));
        const again = machine.open();
        expect(again.logEndOffset).toBe(end + 4);
        expect(machine.logger.lines.filter(({ level }) => level === 'warn')).toEqual([]);
      });
    }

    it('changes nothing at the end of the log', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 2));
      expect(machine.wait((done) => log.truncateTo(toOffset(2), done))).toBeNull();
      expect(log.logEndOffset).toBe(2);
    });

    it('moves the log start back if nothing is left above it', () => {
      const machine = new LogMachine();
      const log = machine.open({ logStartOffset: toOffset(10) });
      log.append(batches(10, 2));
      expect(machine.wait((done) => log.truncateTo(toOffset(4), done))).toBeNull();
      expect([log.logStartOffset, log.logEndOffset]).toEqual([4, 4]);
      log.append(batches(4, 1));
      expect(machine.names()).toContain('00000000000000000004.log');
    });

    it('allows no append meanwhile', () => {
      const log = new LogMachine().open();
      log.append(batches(0, 2));
      log.truncateTo(toOffset(1), () => {});
      expect(() => log.append(batches(2, 1))).toThrow(AssertionError);
    });
  });

  describe('forEachHeader', () => {
    it('visits the batch that holds the offset and all after it', () => {
      const log = new LogMachine().open({ config: { ...CONFIG, segmentBytes: 400 } });
      log.append(Array.from({ length: 20 }, (_, i) => batch({ baseOffset: i * 2, count: 2 })));
      const offsets: number[] = [];
      expect(log.forEachHeader(toOffset(31), (header) => offsets.push(header.readInt32BE(4)))).toBeNull();
      expect(offsets).toEqual([30, 32, 34, 36, 38]);
    });

    it('says where the files are corrupt', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 3));
      machine.disk.corrupt(file('00000000000000000000.log'), 76 + 16);
      const corrupt = log.forEachHeader(toOffset(0), () => {});
      expect(corrupt).toMatchObject({ path: file('00000000000000000000.log'), position: 76 });
    });
  });

  describe('close', () => {
    it('leaves nothing that is not on the disk, and no timers', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 200, flushMs: 5000, retentionMs: 0 } });
      log.append(batches(0, 6));
      log.applyRetention(3, toOffset(2));
      log.append(batches(6, 1));
      expect(machine.wait((done) => log.close(done))).toBeNull();
      expect(machine.clock.pending).toBe(0);
      machine.losePower();
      const again = machine.open({ logStartOffset: log.logStartOffset });
      expect([again.logStartOffset, again.logEndOffset]).toEqual([2, 7]);
      expect(machine.names().filter((name) => name.endsWith('.deleted'))).toEqual([]);
      expect(machine.logger.lines.filter(({ level }) => level === 'warn')).toEqual([]);
      expect(() => log.append(batches(7, 1))).toThrow(AssertionError);
    });

    it('reports that the last flush failed', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 1));
      machine.disk.failNext({ operation: 'sync', path: /\.log$/ });
      expect(machine.wait((done) => log.close(done))).toMatchObject({ code: 'EIO' });
    });
  });

  describe('delete', () => {
    it('renames the folder as Kafka does and removes it later', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 3));
      expect(machine.wait((done) => log.delete(done))).toBeNull();
      const folders = () => new Set(machine.disk.files().map((path) => path.split('/')[2] ?? ''));
      expect([...folders()]).toEqual([expect.stringMatching(/^orders-0\.[0-9a-f]{32}-delete$/)]);
      machine.clock.advance(61_000);
      expect([...folders()]).toEqual([]);
    });

    it('lets a new log of the same name take its place at once', () => {
      const machine = new LogMachine();
      const log = machine.open();
      log.append(batches(0, 3));
      machine.wait((done) => log.delete(done));
      expect(machine.open().logEndOffset).toBe(0);
      machine.clock.advance(61_000);
      expect(machine.names()).toContain('00000000000000000000.log');
    });
  });

  it('keeps its recovery point across a crash that comes after a flush', () => {
    const machine = new LogMachine();
    const log = machine.open();
    log.append(batches(0, 3));
    machine.wait((done) => log.flush(done));
    machine.losePower();
    const again = machine.open({ recovery: from(3) });
    expect([again.logEndOffset, again.recoveryPoint]).toEqual([3, 3]);
  });
});
