// What a flush does to the folder: names of all kinds by one sync of it. log.test.ts has the rest.
import { describe, expect, it, vi } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import type { LogConfig } from '../../src/log/log-config.js';
import { batch, batches, CONFIG, DIRECTORY, epoch, from, LogMachine } from './log-fixture.js';

const MIB = 1024 * 1024;
/** So that nothing but what the test asks for is flushed, and a flush finds no new names. */
const ONE_SEGMENT = { ...CONFIG, segmentBytes: 1024 * MIB, segmentIndexBytes: MIB, indexIntervalBytes: MIB };

/** The folders whose syncs are asked for from now on. */
function folderSyncs(machine: LogMachine): string[] {
  const folders: string[] = [];
  const sync = machine.disk.syncDirectory.bind(machine.disk);
  vi.spyOn(machine.disk, 'syncDirectory').mockImplementation((path, done) => {
    folders.push(path);
    sync(path, done);
  });
  return folders;
}

/** What a loss of power leaves of the partition's files. */
const durable = (machine: LogMachine) =>
  machine.names().filter((name) => machine.disk.durableContents(`${DIRECTORY}/${name}`) !== null);

const SNAPSHOT = '00000000000000000009.snapshot';

describe('Flusher', () => {
  it('has all names of a new log on the disk by one sync of its folder, and one of the folder that this lies in', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: ONE_SEGMENT });
    log.beginLeaderEpoch(epoch(0));
    log.append(batches(0, 9));
    expect(durable(machine)).toEqual([]);
    const folders = folderSyncs(machine);
    expect(machine.wait((done) => log.close(done))).toBeNull();
    expect(folders).toEqual([DIRECTORY, '/data']);
    expect(durable(machine)).toEqual([
      '00000000000000000000.index',
      '00000000000000000000.log',
      '00000000000000000000.timeindex',
      SNAPSHOT,
      'leader-epoch-checkpoint',
      'partition.metadata',
    ]);
  });

  it('syncs the folder once for each sealed segment, and not for batches alone', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: ONE_SEGMENT });
    log.beginLeaderEpoch(epoch(0));
    log.append(batches(0, 1));
    machine.wait((done) => log.flush(done));
    const folders = folderSyncs(machine);
    log.append(batches(1, 1));
    machine.wait((done) => log.flush(done));
    expect(folders).toEqual([]);
    log.roll();
    machine.settle();
    expect(folders).toEqual([DIRECTORY]);
    expect(durable(machine)).toEqual(machine.names());
    expect(log.recoveryPoint).toBe(2);
  });

  it('syncs the folder when indexes are all that is new in it', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: { ...ONE_SEGMENT, indexIntervalBytes: 1 } });
    log.append(batches(0, 1));
    machine.wait((done) => log.flush(done));
    const folders = folderSyncs(machine);
    log.append(batches(1, 100));
    machine.wait((done) => log.flush(done));
    expect(folders).toEqual([DIRECTORY]);
    expect(durable(machine)).toContain('00000000000000000000.index');
  });

  it('does not move the recovery point, and takes the log offline, when the names of segments cannot be synced', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: ONE_SEGMENT });
    log.append(batches(0, 1));
    machine.settle();
    machine.disk.failNext({ operation: 'syncDirectory', path: /orders-0/ });
    expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'EIO' });
    expect(log.recoveryPoint).toBe(0);
    expect(log.offline?.code).toBe('EIO');
  });

  it('still has the names of segments to sync when there was no room for what comes before that', () => {
    const machine = new LogMachine();
    const log = machine.open({ config: ONE_SEGMENT });
    log.append(batches(0, 1));
    machine.settle();
    machine.disk.failNext({ operation: 'write', path: /partition\.metadata/, code: 'ENOSPC' });
    expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'ENOSPC' });
    expect([log.offline, log.recoveryPoint]).toEqual([null, 0]);
    machine.disk.failNext({ operation: 'syncDirectory', path: /orders-0/, code: 'ENOSPC' });
    // ENOSPC passes for the mark; but whether the names of segments are there nobody knows.
    expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'ENOSPC' });
    expect(log.offline?.code).toBe('ENOSPC');
  });

  describe('without a file descriptor', () => {
    const WAITS = 'a flush waits for a file descriptor';
    const waits = (machine: LogMachine) =>
      machine.logger.lines.filter(({ message }) => message === WAITS).length;
    const opened = (config: LogConfig = ONE_SEGMENT) => {
      const machine = new LogMachine();
      const log = machine.open({ config });
      log.append(batches(0, 9));
      machine.settle();
      return { machine, log };
    };
    const FILES = [
      ['the batches', { operation: 'sync', path: /\.log$/ }],
      ['the mark', { operation: 'sync', path: /partition\.metadata/ }],
      ['the names', { operation: 'syncDirectory', path: /orders-0$/ }],
    ] as const;

    it.each(FILES)('waits until there is one for %s, and has flushed then', (_what, call) => {
      const { machine, log } = opened();
      machine.disk.failNext({ ...call, code: 'EMFILE', times: 4 });
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect([log.offline, log.recoveryPoint, waits(machine)]).toEqual([null, 9, 1]);
      machine.losePower();
      expect(machine.open({ config: ONE_SEGMENT, recovery: from(9) }).logEndOffset).toBe(9);
    });

    it('waits for one for an index, too, but is not offline without', () => {
      for (const times of [4, 1000]) {
        const { machine, log } = opened();
        log.roll();
        machine.disk.failNext({ operation: 'sync', path: /\.timeindex$/, code: 'EMFILE', times });
        expect(machine.wait((done) => log.flush(done))).toBeNull();
        const gaps = machine.logger.lines.filter(({ message }) =>
          message.startsWith('an index could not be written'),
        );
        expect([log.offline, log.recoveryPoint, gaps.length > 0]).toEqual([null, 9, times > 4]);
        expect(waits(machine)).toBeGreaterThan(0);
      }
    });

    it('flushes with the batches what came while it waited, if that is on time', () => {
      const { machine, log } = opened();
      machine.disk.failNext({ operation: 'sync', path: /\.log$/, code: 'EMFILE', times: 3 });
      const flushed: (Error | null)[] = [];
      log.flush((error) => flushed.push(error));
      machine.clock.advance(100);
      log.append(batches(9, 3));
      log.flush((error) => flushed.push(error));
      expect(flushed).toEqual([]);
      machine.clock.advance(10_000);
      expect(flushed).toEqual([null, null]);
      expect(log.recoveryPoint).toBe(12);
      machine.losePower();
      expect(machine.open({ config: ONE_SEGMENT, recovery: from(12) }).logEndOffset).toBe(12);
    });

    it.each([FILES[0], FILES[2]])('is offline when there is none for %s for too long', (_what, call) => {
      const { machine, log } = opened();
      machine.disk.failNext({ ...call, code: 'EMFILE', times: 1000 });
      const beganMs = machine.clock.monotonicMs();
      expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'EMFILE' });
      expect(machine.clock.monotonicMs() - beganMs).toBeGreaterThan(5000);
      expect([log.offline?.code, log.recoveryPoint]).toEqual(['EMFILE', 0]);
    });

    it('is offline at once when a sync that has begun fails, however often one could not begin', () => {
      const { machine, log } = opened();
      machine.disk.failNext({ operation: 'sync', path: /\.log$/, code: 'EMFILE', times: 2 });
      machine.disk.failNext({ operation: 'sync', path: /\.log$/ });
      expect(machine.wait((done) => log.flush(done))).toMatchObject({ code: 'EIO' });
      expect([log.offline?.code, log.recoveryPoint]).toEqual(['EIO', 0]);
    });

    it('tries no more when the log is offline for another reason', () => {
      const { machine, log } = opened();
      machine.disk.failNext({ operation: 'sync', path: /\.log$/, code: 'EMFILE', times: 4 });
      const flushed: (Error | null)[] = [];
      log.flush((error) => flushed.push(error));
      machine.clock.advance(100);
      machine.disk.failNext({ operation: 'write', path: /\.log$/ });
      machine.disk.failNext({ operation: 'truncate', path: /\.log$/ });
      expect(log.append(batches(9, 1)).error?.code).toBe('EIO');
      machine.clock.advance(10_000);
      expect(flushed).toEqual([log.offline]);
      expect(log.recoveryPoint).toBe(0);
    });

    it('does not lack the patience for a segment whose file is to be opened again', () => {
      const { machine, log } = opened();
      log.roll();
      machine.settle();
      machine.losePower();
      const again = machine.open({ config: ONE_SEGMENT, recovery: from(0) });
      machine.disk.failNext({ operation: 'open', path: /\.log$/, code: 'EMFILE', times: 2 });
      expect(machine.wait((done) => again.flush(done))).toBeNull();
      expect([again.offline, again.recoveryPoint]).toEqual([null, again.logEndOffset]);
    });

    it('takes its time when what fails is due at once', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...ONE_SEGMENT, flushMessages: 1 } });
      machine.disk.failNext({ operation: 'write', path: /partition\.metadata/, code: 'ENOSPC', times: 1000 });
      const callsBefore = machine.disk.operations;
      log.append(batches(0, 1));
      machine.clock.advance(10_000);
      expect(log.recoveryPoint).toBe(0);
      expect(machine.disk.operations - callsBefore).toBeLessThan(200);
      machine.disk.stopFailing();
      machine.clock.advance(2000);
      expect([log.offline, log.recoveryPoint]).toEqual([null, 1]);
    });
  });

  describe('of a log with enough behind its last snapshot', () => {
    const flushed = () => {
      const machine = new LogMachine();
      const log = machine.open({ config: ONE_SEGMENT });
      log.append([batch({ baseOffset: 0 })]);
      machine.wait((done) => log.flush(done));
      for (let baseOffset = 1; baseOffset < 9; baseOffset++)
        log.append([batch({ baseOffset, valueBytes: 4 * MIB })]);
      return { machine, log };
    };

    it('writes the next one, and goes on when its name cannot be synced', () => {
      const { machine, log } = flushed();
      const folders = folderSyncs(machine);
      machine.disk.failNext({ operation: 'syncDirectory', path: /orders-0/ });
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect([log.offline, log.recoveryPoint]).toEqual([null, 9]);
      const lines = machine.logger.lines.filter(({ level }) => level === 'warn');
      expect(lines.map(({ message }) => message)).toEqual(['a producer snapshot could not be written']);
      // The next flush tries again.
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect(folders).toEqual([DIRECTORY, DIRECTORY]);
      expect(durable(machine)).toContain(SNAPSHOT);
    });

    it('leaves no snapshot that a truncation would not find', () => {
      const { machine, log } = flushed();
      machine.disk.failNext({ operation: 'syncDirectory', path: /orders-0/ });
      expect(machine.wait((done) => log.flush(done))).toBeNull();
      expect(machine.names()).toContain(SNAPSHOT);
      expect(machine.wait((done) => log.truncateTo(toOffset(1), done))).toBeNull();
      expect(machine.names()).not.toContain(SNAPSHOT);
      log.append(batches(1, 1));
      machine.wait((done) => log.flush(done));
      machine.losePower();
      expect(machine.open({ config: ONE_SEGMENT, recovery: from(2) }).logEndOffset).toBe(2);
      expect(machine.names()).not.toContain(SNAPSHOT);
    });
  });
});
