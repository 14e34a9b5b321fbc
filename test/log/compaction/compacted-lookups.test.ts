// Looking things up in logs that compaction made holes in, against a walk over all batches.
import { describe, expect, it } from 'vitest';
import { toLeaderEpoch as epochOf, toOffset } from '../../../src/base/ids.js';
import { type Random, seededRandom } from '../../../src/base/random.js';
import type { Log } from '../../../src/log/log.js';
import { type Located, LogReader } from '../../../src/log/log-reader.js';
import { readBaseOffset } from '../../../src/record/batch-header.js';
import type { Batch } from '../../../src/record/batch-reader.js';
import { DIRECTORY, from, LogMachine, publish } from '../log-fixture.js';
import { batchesIn, COMPACTED, compact, keyed, seal } from './log-scene.js';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const config = { ...COMPACTED, segmentBytes: 500 };

function compactedLog(machine: LogMachine, random: Random): Log {
  const log = machine.open({ config });
  const keys = 1 + random.below(30);
  for (let round = 0; round < 3; round++) {
    for (let i = random.below(40); i >= 0; i--) {
      const records = Array.from({ length: 1 + random.below(4) }, () => `k${random.below(keys)}`);
      log.append([keyed(log.logEndOffset, records, random.below(1000))]);
    }
    seal(machine, log);
    compact(machine, log);
  }
  for (let i = random.below(5); i > 0; i--) log.append([keyed(log.logEndOffset, ['k0'], random.below(1000))]);
  return log;
}

function baseOffsetOf(machine: LogMachine, located: Located): number | string {
  if (located.type !== 'found') return located.type;
  const header = Buffer.alloc(61);
  machine.disk.read(located.file, located.position, header);
  return readBaseOffset(header, 0);
}

describe('A compacted log', () => {
  it('is looked up by offset and by time as if all its batches were walked over', () => {
    let emptied = 0;
    let holes = 0;
    for (let run = 0; run < 12; run++) {
      const context = `SEED=${SEED}, run ${run}`;
      const random = seededRandom(SEED + run);
      const machine = new LogMachine(SEED + run);
      const log = compactedLog(machine, random);
      const batches = batchesIn(machine, log);
      const filled = batches.filter(({ recordCount }) => recordCount > 0);
      emptied += batches.length - filled.length;
      const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
      const published = publish(log);
      const expected = (batch: Batch | undefined) => batch?.baseOffset ?? 'end';
      for (let offset = log.logStartOffset; offset < log.logEndOffset; offset = toOffset(offset + 1)) {
        const found = baseOffsetOf(machine, reader.locate(offset, published));
        expect(found, `${context}, offset ${offset}`).toBe(
          expected(batches.find(({ lastOffset }) => lastOffset >= offset)),
        );
        if (typeof found === 'number' && found > offset) holes++;
      }
      for (let timestampMs = 0; timestampMs < 1000; timestampMs += 1 + random.below(30)) {
        const found = baseOffsetOf(machine, reader.locateTimestamp(timestampMs, published));
        const batch = filled.find(({ maxTimestampMs }) => maxTimestampMs >= timestampMs);
        expect(found, `${context}, time ${timestampMs}`).toBe(expected(batch));
      }
      const greatestMs = Math.max(...filled.map(({ maxTimestampMs }) => maxTimestampMs));
      expect(baseOffsetOf(machine, reader.locateMaxTimestamp(published)), context).toBe(
        expected(filled.find(({ maxTimestampMs }) => maxTimestampMs === greatestMs)),
      );
      reader.close();
      machine.wait((done) => log.close(done));
      const reopened = machine.open({ config, recovery: run % 2 > 0 ? { type: 'clean' } : from(0) });
      expect(batchesIn(machine, reopened), context).toEqual(batches);
    }
    expect(emptied).toBeGreaterThan(0);
    expect(holes).toBeGreaterThan(0);
  });

  it('keeps its leader epochs, whose records are gone', () => {
    const machine = new LogMachine();
    const log = machine.open({ config });
    for (let epoch = 0; epoch < 5; epoch++) {
      log.assignLeaderEpoch(epochOf(epoch));
      log.append([{ ...keyed(log.logEndOffset, ['a', 'b']), leaderEpoch: epochOf(epoch) }]);
    }
    seal(machine, log);
    const ends = () => [0, 1, 2, 3, 4].map((epoch) => log.endOffsetForEpoch(epochOf(epoch)));
    const before = ends();
    compact(machine, log);
    expect(batchesIn(machine, log)[0]?.baseOffset).toBe(8);
    expect(ends()).toEqual(before);
    expect(log.epochAt(toOffset(3))).toBe(1);
    expect(log.leaderEpochs.map(({ startOffset }) => startOffset)).toEqual([0, 2, 4, 6, 8]);
  });
});
