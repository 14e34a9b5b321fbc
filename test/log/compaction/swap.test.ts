// Crashes in every disk call of a compaction, of the process and of the power: each group of segments is old or new.
import { describe, expect, it } from 'vitest';
import { toOffset } from '../../../src/base/ids.js';
import { SimulatedCrash } from '../../../src/io/simulated-disk.js';
import type { Log } from '../../../src/log/log.js';
import { DIRECTORY, from, LogMachine } from '../log-fixture.js';
import { appendKeys, COMPACTED, compact, newReader, recordsIn, seal, startCompaction } from './log-scene.js';

const KEYS = ['a', 'b', 'a', 'c!', 'a', 'b', 'd', 'a', 'b', 'a'];
/** Some of it has to be made small again, so that neighbours are merged. */
const SMALL = { ...COMPACTED, segmentBytes: 170 };

function sealedLog(seed: number): { machine: LogMachine; log: Log } {
  const machine = new LogMachine(seed);
  const log = machine.open({ config: SMALL });
  appendKeys(log, KEYS);
  seal(machine, log);
  log.updateConfig(COMPACTED);
  return { machine, log };
}

/** What is in the log before a compaction, and after each group of it. */
function statesOf(seed: number): string[] {
  const { machine, log } = sealedLog(seed);
  const states = new Set([recordsIn(machine, log).join()]);
  compact(machine, log, { replaced: () => states.add(recordsIn(machine, log).join()) });
  return [...states];
}

/** Lets the machine stop in that call of a compaction; false if there is none. */
function crashIn(call: number, machine: LogMachine, log: Log, what: 'power' | 'process'): boolean {
  machine.disk.crashIn(call);
  const outcome = startCompaction(machine, log);
  try {
    machine.clock.runUntil(() => outcome.isOver);
    return false;
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error;
  }
  if (what === 'power') machine.losePower();
  else machine.crash();
  return true;
}

/** Every third call, in another run others. */
const STRIDE = 3;

/** What the checkpoint says may lie far behind what the log knew. */
const RECOVERY_POINTS = [0, 5, KEYS.length];

describe('SegmentSwap', () => {
  it.each(['power', 'process'] as const)(
    'leaves each group of segments as it was or compacted, whenever the %s dies',
    (what) => {
      const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 20));
      const expected = statesOf(seed);
      expect(expected).toHaveLength(3);
      const seen = new Set<number>();
      for (let call = 1 + (seed % STRIDE); ; call += STRIDE) {
        const { machine, log } = sealedLog(seed + call);
        if (!crashIn(call, machine, log, what)) break;
        const context = `SEED=${seed}, call ${call}`;
        const recoveryPoint = RECOVERY_POINTS[call % 3] ?? 0;
        const reopened = machine.open({ config: COMPACTED, recovery: from(recoveryPoint) });
        const state = expected.indexOf(recordsIn(machine, reopened).join());
        expect(state, `${context}: ${recordsIn(machine, reopened).join()}`).toBeGreaterThanOrEqual(0);
        seen.add(state);
        expect(
          machine.names().filter((name) => /cleaned|swap|deleted/.test(name)),
          context,
        ).toEqual([]);
        expect(
          machine.logger.lines.filter(({ level }) => level !== 'info'),
          context,
        ).toEqual([]);
        if (call % 4 > 0) continue;
        machine.wait((done) => reopened.flush(done));
        compact(machine, reopened);
        expect(recordsIn(machine, reopened).join(), context).toBe(expected.at(-1));
      }
      expect([...seen].sort()).toEqual([0, 1, 2]);
    },
  );

  it('is completed by the second start if the first one dies too', () => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 20));
    const expected = statesOf(seed);
    let completed = 0;
    for (let call = 1 + (seed % STRIDE); ; call += STRIDE) {
      const { machine, log } = sealedLog(seed + call);
      if (!crashIn(call, machine, log, 'process')) break;
      if (!machine.names().some((name) => name.endsWith('.swap'))) continue;
      const before = machine.disk.operations;
      machine.disk.crashIn(1 + (call % 12));
      try {
        machine.open({ config: COMPACTED, recovery: from(0) });
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error;
        completed++;
      }
      expect(machine.disk.operations).toBeGreaterThan(before);
      if (call % 2 > 0) machine.losePower();
      else machine.crash();
      const reopened = machine.open({ config: COMPACTED, recovery: from(0) });
      const context = `SEED=${seed}, call ${call}`;
      // The power may take the decision back, as long as nothing was made durable after it.
      const possible = call % 2 > 0 ? expected : expected.slice(1);
      expect(possible, context).toContain(recordsIn(machine, reopened).join());
      expect(
        machine.names().filter((name) => /cleaned|swap/.test(name)),
        context,
      ).toEqual([]);
    }
    expect(completed).toBeGreaterThan(5);
  });

  it.each(['EIO', 'ENOSPC'] as const)(
    'leaves the log in order and online if a call fails with %s, and is completed later',
    (code) => {
      const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 20));
      const expected = statesOf(seed);
      const errors = new Set<boolean>();
      for (const operation of [
        'open',
        'write',
        'truncate',
        'sync',
        'syncDirectory',
        'rename',
        'remove',
        'read',
      ] as const) {
        for (let nth = 1 + (seed % 2); nth <= 9; nth += 2) {
          const { machine, log } = sealedLog(seed + nth);
          const context = `SEED=${seed}, ${operation} ${nth}`;
          const reader = newReader(machine);
          // As many calls as are let pass are counted by those that go before.
          let passed = 0;
          const { disk } = machine;
          const pass = disk[operation].bind(disk) as (...args: unknown[]) => unknown;
          Object.assign(disk, {
            [operation]: (...args: unknown[]) => {
              if (++passed === nth) disk.failNext({ operation, code });
              return pass(...args);
            },
          });
          const outcome = startCompaction(machine, log);
          machine.clock.runUntil(() => outcome.isOver);
          Object.assign(disk, { [operation]: pass });
          disk.stopFailing();
          errors.add(outcome.error !== null);
          expect(log.offline, context).toBeNull();
          expect(expected, context).toContain(recordsIn(machine, log, reader).join());
          if (outcome.error) {
            expect(log.compactionDue(machine.clock.wallMs(), log.logEndOffset), context).toBeNull();
            machine.clock.advance(20_000);
            expect(log.compactionDue(machine.clock.wallMs(), log.logEndOffset), context).not.toBeNull();
            compact(machine, log);
          }
          expect(recordsIn(machine, log, reader).join(), context).toBe(expected.at(-1));
          machine.settle();
          expect(
            machine.names().filter((name) => /cleaned|swap/.test(name)),
            context,
          ).toEqual([]);
          machine.losePower();
          const reopened = machine.open({ config: COMPACTED, recovery: from(KEYS.length) });
          expect(recordsIn(machine, reopened).join(), context).toBe(expected.at(-1));
        }
      }
      expect(errors.size).toBe(2);
    },
  );

  /** A log whose compaction was decided, and could then not go on. */
  function pendingSwap(): { machine: LogMachine; log: Log } {
    const scene = sealedLog(1);
    const { machine, log } = scene;
    machine.disk.failNext({ operation: 'rename', path: /\.log\.cleaned$/ });
    const outcome = startCompaction(machine, log);
    machine.clock.runUntil(() => outcome.isOver);
    expect(outcome.error).toMatchObject({ code: 'EIO' });
    expect(machine.names().filter((name) => name.endsWith('.swap'))).toHaveLength(1);
    return scene;
  }

  it('is completed by the next start after a close in good order', () => {
    const { machine, log } = pendingSwap();
    expect(machine.wait((done) => log.close(done))).toBeNull();
    const reopened = machine.open({ config: COMPACTED });
    expect(recordsIn(machine, reopened).join()).toBe(statesOf(1)[1]);
    expect(machine.names().filter((name) => /cleaned|swap/.test(name))).toEqual([]);
  });

  it('is completed before the log is cut, and takes away nothing that comes after', () => {
    const { machine, log } = pendingSwap();
    expect(machine.wait((done) => log.truncateTo(toOffset(0), done))).toBeNull();
    expect(machine.names().filter((name) => /cleaned|swap/.test(name))).toEqual([]);
    log.updateConfig(SMALL);
    appendKeys(log, KEYS);
    seal(machine, log);
    machine.losePower();
    const reopened = machine.open({ config: COMPACTED, recovery: from(0) });
    expect(recordsIn(machine, reopened)).toHaveLength(KEYS.length);
  });

  it('takes the log offline if it cannot be completed before a cut', () => {
    const { machine, log } = pendingSwap();
    machine.disk.failNext({ operation: 'rename', path: /\.log\.cleaned$/ });
    expect(machine.wait((done) => log.truncateTo(toOffset(3), done))).toMatchObject({ code: 'EIO' });
    expect(log.offline).not.toBeNull();
    machine.crash();
    const reopened = machine.open({ config: COMPACTED, recovery: from(KEYS.length) });
    expect(recordsIn(machine, reopened).join()).toBe(statesOf(1)[1]);
  });

  it('keeps retention off its segments until it is completed', () => {
    const { machine, log } = pendingSwap();
    const before = recordsIn(machine, log);
    log.advanceLogStartOffset(toOffset(8));
    log.deleteBelowLogStart();
    expect(log.segmentCount).toBeGreaterThan(4);
    machine.clock.advance(20_000);
    compact(machine, log);
    log.deleteBelowLogStart();
    machine.settle();
    expect(log.segmentCount).toBe(2);
    expect(recordsIn(machine, log)).toEqual(before.slice(-2));
  });

  it('completes nothing of files that it does not know', () => {
    const { machine, log } = sealedLog(1);
    const before = recordsIn(machine, log);
    machine.wait((done) => log.close(done));
    for (const name of [
      '00000000000000000000.log.cleaned',
      '0-4.index.swap',
      '00000000000000000002.index.swap',
    ])
      machine.disk.write(machine.disk.open(`${DIRECTORY}/${name}`, 'write'), 0, [Buffer.from('what')]);
    const reopened = machine.open({ config: COMPACTED });
    expect(recordsIn(machine, reopened)).toEqual(before);
    expect(machine.names().filter((name) => /cleaned|swap/.test(name))).toEqual([]);
  });

  it('completes what a Kafka broker left, which had the old segments out of the way or not', () => {
    const { machine, log } = sealedLog(1);
    compact(machine, log);
    const compacted = recordsIn(machine, log);
    const [, second = '', third = ''] = machine.names().filter((name) => name.endsWith('.log'));
    const batches = machine.disk.contents(`${DIRECTORY}/${second}`);
    for (const wereRemoved of [true, false]) {
      const other = sealedLog(2);
      const before = recordsIn(other.machine, other.log);
      other.machine.wait((done) => other.log.close(done));
      const write = (name: string, bytes: Buffer): void => {
        const { disk } = other.machine;
        disk.write(disk.open(`${DIRECTORY}/${name}`, 'write'), 0, [bytes]);
      };
      write(`${second}.swap`, batches);
      write(second.replace('.log', '.index.swap'), Buffer.alloc(8));
      write('00000000000000000000.log.swap', batches.subarray(0, batches.length - 1));
      const [base, end] = [Number.parseInt(second, 10), Number.parseInt(third, 10)];
      const removed = other.machine
        .names()
        .filter((name) => /\.(log|index|timeindex)$/.test(name) && name >= second && name < third);
      expect(removed.length).toBeGreaterThan(3);
      for (const name of removed) {
        if (wereRemoved)
          other.machine.wait((done) => other.machine.disk.remove(`${DIRECTORY}/${name}`, done));
      }
      const reopened = other.machine.open({ config: COMPACTED });
      other.machine.settle();
      const offsetOf = (record: string): number => Number(record.split(' ')[0]);
      expect(recordsIn(other.machine, reopened)).toEqual([
        ...before.filter((record) => offsetOf(record) < base),
        ...compacted.filter((record) => offsetOf(record) >= base && offsetOf(record) < end),
        ...before.filter((record) => offsetOf(record) >= end),
      ]);
      expect(other.machine.names().filter((name) => /cleaned|swap/.test(name))).toEqual([]);
    }
  });
});
