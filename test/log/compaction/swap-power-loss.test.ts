// Losses of power around the moments that decide a swap: when the `.swap` file comes, and when it goes.
import { describe, expect, it } from 'vitest';
import { SimulatedCrash } from '../../../src/io/simulated-disk.js';
import type { Log } from '../../../src/log/log.js';
import { from, LogMachine } from '../log-fixture.js';
import { appendKeys, COMPACTED, compact, recordsIn, seal, startCompaction } from './log-scene.js';

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);
/** So many disk calls before and behind such a moment. */
const AROUND = 2;

/** Segments of which the first ones become one. */
function sealedLog(seed: number): { machine: LogMachine; log: Log } {
  const machine = new LogMachine(seed);
  const log = machine.open({ config: { ...COMPACTED, segmentBytes: 170 } });
  appendKeys(log, ['a', 'b', 'a', 'c', 'a', 'b', 'a']);
  seal(machine, log);
  log.updateConfig(COMPACTED);
  return { machine, log };
}

const hasSwap = (machine: LogMachine): boolean => machine.names().some((name) => name.endsWith('.swap'));

/** How many disk calls a compaction has made when its `.swap` file comes, and when it goes. */
function decisiveCalls(seed: number): number[] {
  const { machine, log } = sealedLog(seed);
  const before = machine.disk.operations;
  const outcome = startCompaction(machine, log);
  const calls: number[] = [];
  for (let had = false; !outcome.isOver && machine.clock.runNext(); had = hasSwap(machine)) {
    if (hasSwap(machine) !== had) calls.push(machine.disk.operations - before);
  }
  return calls;
}

describe('A loss of power', () => {
  it('at the moments that decide a swap leaves what was there or what was compacted, and brings nothing back', () => {
    for (const seed of SEEDS) {
      const { machine: undisturbed, log: whole } = sealedLog(seed);
      const states = [recordsIn(undisturbed, whole).join()];
      compact(undisturbed, whole, { replaced: () => states.push(recordsIn(undisturbed, whole).join()) });
      const decisive = decisiveCalls(seed);
      expect(decisive.length).toBeGreaterThanOrEqual(2);
      for (const call of decisive.flatMap((at) =>
        Array.from({ length: 2 * AROUND + 1 }, (_, i) => at - AROUND + i),
      )) {
        const { machine, log } = sealedLog(seed);
        machine.disk.crashIn(call);
        const outcome = startCompaction(machine, log);
        try {
          machine.clock.runUntil(() => outcome.isOver);
        } catch (error) {
          if (!(error instanceof SimulatedCrash)) throw error;
        }
        machine.losePower();
        const reopened = machine.open({ config: COMPACTED, recovery: from(log.recoveryPoint) });
        expect(states, `SEED ${seed}, call ${call}`).toContain(recordsIn(machine, reopened).join());
      }
    }
  });
});
