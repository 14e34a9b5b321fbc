import { describe, expect, it } from 'vitest';
import { type Offset, toOffset } from '../../src/base/ids.js';
import type { Random } from '../../src/base/random.js';
import type { Log } from '../../src/log/log.js';
import { type Found, type Located, LogReader, type Published } from '../../src/log/log-reader.js';
import { wholeBatches } from '../../src/log/whole-batches.js';
import { readBaseOffset } from '../../src/record/batch-header.js';
import { pick, withSeeds } from '../actor/seeds.js';
import { appendLeft } from '../broker/append-left.js';
import {
  type BatchSpec,
  batch,
  batches,
  CONFIG,
  DIRECTORY,
  from,
  LogMachine,
  publish,
} from './log-fixture.js';

const config = { ...CONFIG, segmentBytes: 1000, retentionMs: 1000 };

function setUp(specs: readonly BatchSpec[]): { machine: LogMachine; log: Log; reader: LogReader } {
  const machine = new LogMachine();
  const log = machine.open({ config });
  log.append(specs.map(batch));
  return { machine, log, reader: new LogReader({ directory: DIRECTORY, disk: machine.disk }) };
}

/** The base offset of the batch that was found, or how it was not. */
function baseOffsetAt(machine: LogMachine, located: Located): number | string {
  if (located.type !== 'found') return located.type;
  const header = Buffer.alloc(61);
  machine.disk.read(located.file, located.position, header);
  return readBaseOffset(header, 0);
}

function find(reader: LogReader, log: Log, offset: number): Found {
  const located = reader.locate(toOffset(offset), publish(log));
  if (located.type !== 'found') throw new Error(`offset ${offset}: ${located.type}`);
  return located;
}

/** What a reader that reads everything would give, up to a limit. */
function wholeFrom(
  machine: LogMachine,
  { file, position, endPosition }: Found,
  bytesMax: number,
  end: number,
) {
  const bytes = Buffer.alloc(Math.min(bytesMax, endPosition - position));
  machine.disk.read(file, position, bytes);
  return wholeBatches(bytes, bytes.length, toOffset(end));
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('LogReader', () => {
  describe('runFrom', () => {
    /** Runs from random places on, where `limit` may fall anywhere; how many bytes of those that a reader of everything finds they have. */
    function compareRuns(
      random: Random,
      sizes: readonly number[],
      { count, segmentBytes, bytesMax }: { count: number; segmentBytes: number; bytesMax: number },
    ): { found: number; of: number } {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes, indexIntervalBytes: 2000 } });
      let baseOffset = 0;
      for (let i = 0; i < count; i++) {
        const records = 1 + random.below(3);
        log.append([batch({ baseOffset, count: records, valueBytes: pick(random, sizes) })]);
        baseOffset += records;
      }
      if (random.below(2) === 0) machine.wait((done) => log.flush(done));
      const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
      const bytes = { found: 0, of: 0 };
      for (let i = 0; i < 50; i++) {
        const isBelowEnd = random.below(2) === 0;
        const highWatermark = toOffset(isBelowEnd ? 1 + random.below(baseOffset) : baseOffset);
        const published = { ...publish(log), highWatermark };
        const located = reader.locate(toOffset(random.below(highWatermark)), published);
        if (located.type !== 'found') continue; // The batch is not wholly below the high watermark.
        const wanted = 1 + random.below(bytesMax);
        const whole = wholeFrom(machine, located, wanted, highWatermark);
        const run = reader.runFrom(located, wanted, published);
        bytes.of += whole.bytes;
        bytes.found += run?.bytes ?? 0;
        // The active segment's index lags behind; what it says of batches above the high watermark is of no use.
        const isSealed = located.segmentBaseOffset !== published.segmentBaseOffset;
        if (isSealed && !isBelowEnd) expect(run?.bytes ?? 0).toBe(whole.bytes);
        if (run === null) continue;
        const same = wholeFrom(machine, located, run.bytes, highWatermark);
        expect(run).toEqual({ bytes: same.bytes, nextOffset: same.nextOffset });
      }
      return bytes;
    }

    it('reaches as far as a reader of everything comes, where there are not many batches', () => {
      withSeeds(60, (random) => {
        const { found, of } = compareRuns(random, [1, 50, 300], {
          count: 60,
          segmentBytes: 4000,
          bytesMax: 4000,
        });
        expect(found).toBe(of);
      });
    });

    it.each([
      { sizes: [900] },
      { sizes: [1, 300, 900] },
      { sizes: [300, 20_000] },
      { sizes: [900, 900, 900, 900, 900, 900, 900, 60_000] },
      { sizes: [30, 100, 300, 1000, 3000, 10_000, 30_000] },
    ])('reaches nearly as far by the index, where there are many batches: $sizes', ({ sizes }) => {
      withSeeds(3, (random) => {
        const each = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
        const count = Math.ceil(1_500_000 / (each * 2));
        const { found, of } = compareRuns(random, sizes, { count, segmentBytes: 700_000, bytesMax: 300_000 });
        expect(found).toBeGreaterThan(of / 2);
      });
    });

    it('is as far as some steps lead where the index has gaps, or points elsewhere', () => {
      const machine = new LogMachine();
      const log = machine.open({ config: { ...CONFIG, segmentBytes: 300_000, indexIntervalBytes: 2000 } });
      for (let i = 0; i < 200; i++) log.append([batch({ baseOffset: i, valueBytes: 900 })]);
      machine.wait((done) => log.flush(done));
      const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
      const place = find(reader, log, 50);
      const bytesMax = 100_000;
      const whole = wholeFrom(machine, place, bytesMax, log.logEndOffset);
      const run = () => reader.runFrom(place, bytesMax, publish(log));
      const stepped = { bytes: (whole.bytes / whole.batches) * 24, nextOffset: 74 };
      expect(run()).toEqual({ bytes: whole.bytes, nextOffset: whole.nextOffset });
      const index = machine.disk.open(`${DIRECTORY}/00000000000000000000.index`, 'write');
      const entries = Buffer.from(machine.disk.contents(index.path));
      for (const field of [0, 4]) {
        const wrong = Buffer.from(entries);
        for (let at = field; at < wrong.length; at += 8) wrong.writeInt32BE(entries.readInt32BE(at) + 1, at);
        machine.disk.write(index, 0, [wrong]);
        expect(run()).toEqual(stepped);
      }
      machine.disk.write(index, 0, [entries]);
      for (const bytes of [8, 0]) {
        machine.disk.truncate(index, bytes);
        expect(run()).toEqual(stepped);
      }
      machine.disk.write(index, 0, [entries]);
      expect(run()).toMatchObject({ bytes: whole.bytes });
    });

    it('is none where the first batch is larger, emptied or no batch, or the file is let go', () => {
      const { machine, log, reader } = setUp(range(8).map((baseOffset) => ({ baseOffset })));
      const first = find(reader, log, 0);
      expect(reader.runFrom(first, 70, publish(log))).toBeNull();
      expect(reader.runFrom({ ...first, position: first.position + 1 }, 500, publish(log))).toBeNull();
      appendLeft(log, { timestamps: {}, lastOffsetDelta: 3, maxTimestampMs: 1 });
      log.append([batch({ baseOffset: log.logEndOffset })]);
      expect(reader.runFrom(find(reader, log, 9), 500, publish(log))).toBeNull();
      expect(reader.runFrom(find(reader, log, 7), 500, publish(log))).toMatchObject({ nextOffset: 13 });
      reader.forget();
      expect(reader.runFrom(first, 500, publish(log))).toBeNull();
      const again = find(reader, log, 0);
      machine.disk.failNext({ operation: 'read' });
      expect(reader.runFrom(again, 500, publish(log))).toBeNull();
      expect(reader.runFrom(again, 500, publish(log))).not.toBeNull();
    });
  });

  describe('locate', () => {
    it('finds the batch that holds each offset, also while indexes lag behind', () => {
      const { machine, log, reader } = setUp(range(60).map((i) => ({ baseOffset: i * 3, count: 3 })));
      for (const when of ['lagging', 'flushed']) {
        for (const offset of range(180)) {
          const located = reader.locate(toOffset(offset), publish(log));
          expect(baseOffsetAt(machine, located), `${when} ${offset}`).toBe(Math.floor(offset / 3) * 3);
        }
        machine.wait((done) => log.flush(done));
      }
    });

    it('gives the end of the active segment as published, of others as on the disk', () => {
      const { log, reader } = setUp(range(20).map((baseOffset) => ({ baseOffset })));
      const before = publish(log);
      log.append(batches(20, 2));
      expect(reader.locate(toOffset(0), before)).toMatchObject({
        segmentBaseOffset: 0,
        position: 0,
        endPosition: 13 * 76,
      });
      expect(reader.locate(toOffset(15), before)).toMatchObject({
        segmentBaseOffset: 13,
        position: 152,
        endPosition: 7 * 76,
      });
      expect(reader.locate(toOffset(15), publish(log))).toMatchObject({ endPosition: 9 * 76 });
    });

    it('answers end from the high watermark to the log end, and out of range elsewhere', () => {
      const { log, reader } = setUp(range(10).map((baseOffset) => ({ baseOffset })));
      log.advanceLogStartOffset(toOffset(2));
      const published = publish(log, toOffset(8));
      const type = (offset: number) => reader.locate(toOffset(offset), published).type;
      expect([1, 2, 7, 8, 10, 11].map(type)).toEqual([
        'out-of-range',
        'found',
        'found',
        'end',
        'end',
        'out-of-range',
      ]);
    });

    it('learns of segments that were rolled', () => {
      const { machine, log, reader } = setUp([{ baseOffset: 0 }]);
      expect(reader.locate(toOffset(0), publish(log)).type).toBe('found');
      log.append(batches(1, 60));
      expect(baseOffsetAt(machine, reader.locate(toOffset(60), publish(log)))).toBe(60);
      expect(baseOffsetAt(machine, reader.locate(toOffset(30), publish(log)))).toBe(30);
    });

    it('needs one lookup less where it remembers', () => {
      const { machine, log, reader } = setUp(range(20).map((baseOffset) => ({ baseOffset })));
      reader.remember(toOffset(16), find(reader, log, 15), 3 * 76);
      const before = machine.disk.operations;
      expect(reader.locate(toOffset(16), publish(log))).toMatchObject({ position: 3 * 76 });
      expect(machine.disk.operations).toBe(before);
    });

    it('goes on in the next segment where a remembered one ended', () => {
      const { machine, log, reader } = setUp(range(20).map((baseOffset) => ({ baseOffset })));
      reader.remember(toOffset(13), find(reader, log, 0), 13 * 76);
      expect(reader.locate(toOffset(13), publish(log))).toMatchObject({ segmentBaseOffset: 13, position: 0 });
      expect(baseOffsetAt(machine, reader.locate(toOffset(13), publish(log)))).toBe(13);
    });

    it('remembers a bounded number of offsets', () => {
      const { machine, log, reader } = setUp(range(20).map((baseOffset) => ({ baseOffset })));
      const found = find(reader, log, 0);
      reader.remember(toOffset(5), found, 0);
      for (const offset of range(256)) reader.remember(toOffset(1000 + offset), found, 0);
      expect(baseOffsetAt(machine, reader.locate(toOffset(5), publish(log)))).toBe(5);
    });

    it('goes to the next segment where compaction left nothing behind the offset', () => {
      const { machine, log, reader } = setUp(range(30).map((baseOffset) => ({ baseOffset })));
      const handle = machine.disk.open(`${DIRECTORY}/00000000000000000000.log`, 'write');
      machine.disk.truncate(handle, 4 * 76);
      expect(baseOffsetAt(machine, reader.locate(toOffset(3), publish(log)))).toBe(3);
      expect(baseOffsetAt(machine, reader.locate(toOffset(4), publish(log)))).toBe(13);
    });

    it('never follows an index entry that points at no such batch', () => {
      const { machine, log, reader } = setUp(range(30).map((baseOffset) => ({ baseOffset })));
      machine.wait((done) => log.flush(done));
      const handle = machine.disk.open(`${DIRECTORY}/00000000000000000000.index`, 'write');
      for (const entry of [
        '0000000200000099',
        '0000000200000130',
        '00000002000fffff',
        'ffffffff00000000',
        '',
      ]) {
        machine.disk.truncate(handle, 0);
        machine.disk.write(handle, 0, [Buffer.from(entry, 'hex')]);
        for (const offset of range(13)) {
          expect(baseOffsetAt(machine, reader.locate(toOffset(offset), publish(log)))).toBe(offset);
        }
      }
    });

    it('says where a segment is corrupt, and finds what lies behind the next index entry', () => {
      const { machine, log, reader } = setUp(range(30).map((baseOffset) => ({ baseOffset })));
      machine.wait((done) => log.flush(done));
      machine.disk.corrupt(`${DIRECTORY}/00000000000000000000.log`, 4 * 76 + 16);
      expect(reader.locate(toOffset(4), publish(log))).toMatchObject({
        type: 'corrupt',
        path: `${DIRECTORY}/00000000000000000000.log`,
        position: 4 * 76,
        reason: expect.stringContaining('magic'),
      });
      expect(baseOffsetAt(machine, reader.locate(toOffset(12), publish(log)))).toBe(12);
    });

    it('finds the first record of the batch with the next index entry behind a corrupt one', () => {
      const { machine, log, reader } = setUp(range(30).map((i) => ({ baseOffset: i * 3, count: 3 })));
      machine.wait((done) => log.flush(done));
      const batchBytes = batch({ baseOffset: 0, count: 3 }).bytes.length;
      machine.disk.corrupt(`${DIRECTORY}/00000000000000000000.log`, 2 * batchBytes + 16);
      const located = range(18).map((offset) =>
        baseOffsetAt(machine, reader.locate(toOffset(offset), publish(log))),
      );
      const lost = Array.from({ length: 6 }, () => 'corrupt'); // The batch, and one without an entry behind it.
      expect(located).toEqual([0, 0, 0, 3, 3, 3, ...lost, 12, 12, 12, 15, 15, 15]);
    });

    it('hands out a disk error as a value', () => {
      const { machine, log, reader } = setUp([{ baseOffset: 0 }]);
      machine.disk.failNext({ operation: 'read', path: /\.log$/ });
      expect(reader.locate(toOffset(0), publish(log))).toMatchObject({
        type: 'failed',
        error: { code: 'EIO' },
      });
      expect(reader.locate(toOffset(0), publish(log)).type).toBe('found');
    });
  });

  describe('while segments are deleted', () => {
    const specs = range(60).map((baseOffset) => ({ baseOffset, timestampMs: baseOffset * 100 }));

    it('answers out of range once the files are gone, before that is published', () => {
      const { machine, log, reader } = setUp(specs);
      const stale = publish(log);
      expect(reader.locate(toOffset(59), stale).type).toBe('found');
      log.applyRetention(5000);
      machine.settle();
      const { logStartOffset } = log;
      expect(logStartOffset).toBe(39);
      for (const offset of range(60)) {
        const located = reader.locate(toOffset(offset), stale);
        expect(baseOffsetAt(machine, located), `${offset}`).toBe(
          offset < logStartOffset ? 'out-of-range' : offset,
        );
      }
      expect(reader.locate(toOffset(0), publish(log)).type).toBe('out-of-range');
    });

    it('keeps a file readable that it handed out before', () => {
      const { machine, log, reader } = setUp(specs);
      const located = reader.locate(toOffset(0), publish(log));
      log.applyRetention(5000);
      machine.clock.advance(70_000);
      expect(reader.locate(toOffset(50), publish(log)).type).toBe('found');
      expect(baseOffsetAt(machine, located)).toBe(0);
    });

    it('closes the files of deleted segments when more are deleted', () => {
      const { machine, log, reader } = setUp(specs);
      const located = reader.locate(toOffset(0), publish(log));
      reader.locate(toOffset(30), publish(log));
      log.applyRetention(2500);
      machine.settle();
      reader.locate(toOffset(45), publish(log));
      log.applyRetention(5000);
      machine.settle();
      reader.locate(toOffset(45), publish(log));
      expect(() => baseOffsetAt(machine, located)).toThrow('used after close');
    });

    it('answers out of range when the whole folder is gone', () => {
      const { machine, log, reader } = setUp(specs);
      const published = publish(log);
      machine.wait((done) => log.delete(done));
      expect(reader.locate(toOffset(3), published).type).not.toBe('found');
    });
  });

  describe('locateTimestamp', () => {
    const times = [50, 10, 70, 70, 60, 90, 20, 120, 110, 130];
    const specs = range(60).map((i) => ({
      baseOffset: i,
      timestampMs: Math.floor(i / 10) * 1000 + (times[i % 10] ?? 0),
    }));
    const first = (timestampMs: number, start: number, limit: number): number | string =>
      specs.find(
        ({ baseOffset, timestampMs: own }) => own >= timestampMs && baseOffset >= start && baseOffset < limit,
      )?.baseOffset ?? 'end';

    it('finds the first batch that is not older, for every timestamp', () => {
      const { machine, log, reader } = setUp(specs);
      const published: Published = { ...publish(log, toOffset(55)), logStartOffset: toOffset(3) };
      for (let timestampMs = 0; timestampMs < 5200; timestampMs += 5) {
        const located = reader.locateTimestamp(timestampMs, published);
        expect(baseOffsetAt(machine, located), `at ${timestampMs}`).toBe(first(timestampMs, 3, 55));
      }
    });

    it('does without time indexes', () => {
      const { machine, log, reader } = setUp(specs);
      for (const name of machine.names().filter((each) => each.endsWith('timeindex'))) {
        machine.wait((done) => machine.disk.remove(`${DIRECTORY}/${name}`, done));
      }
      for (const timestampMs of [0, 70, 1111, 4120, 5130, 5131]) {
        const located = reader.locateTimestamp(timestampMs, publish(log));
        expect(baseOffsetAt(machine, located)).toBe(first(timestampMs, 0, 60));
      }
    });

    it('finds nothing in an empty log', () => {
      const { log, reader } = setUp([]);
      expect(reader.locateTimestamp(0, publish(log)).type).toBe('end');
      expect(reader.locateMaxTimestamp(publish(log)).type).toBe('end');
    });
  });

  describe('locateMaxTimestamp', () => {
    const locate = (specs: BatchSpec[], limit?: Offset, start = 0) => {
      const { machine, log, reader } = setUp(specs);
      return baseOffsetAt(
        machine,
        reader.locateMaxTimestamp({ ...publish(log, limit), logStartOffset: toOffset(start) }),
      );
    };
    const specs = range(60).map((i) => ({
      baseOffset: i,
      timestampMs: i === 20 || i === 5 || i === 40 ? 9000 + (i % 3) : i,
    }));

    it('finds the first batch with the greatest timestamp', () => {
      // 20 -> 9002, 5 -> 9002, 40 -> 9001
      expect(locate(specs)).toBe(5);
    });

    it('looks only at what may be read', () => {
      expect(locate(specs, undefined, 6)).toBe(20);
      expect(locate(specs, undefined, 21)).toBe(40);
      expect(locate(specs, toOffset(5))).toBe(4);
      expect(locate(specs, toOffset(40), 21)).toBe(39);
    });
  });

  it('serves a log that was recovered after it was told to forget', () => {
    const { machine, log, reader } = setUp(range(30).map((baseOffset) => ({ baseOffset })));
    reader.locate(toOffset(29), publish(log));
    reader.close();
    machine.settle();
    machine.crash();
    machine.disk.corrupt(`${DIRECTORY}/00000000000000000013.log`, 5 * 76 + 65);
    const again = machine.open({ config, recovery: from(0) });
    reader.forget();
    expect(baseOffsetAt(machine, reader.locate(toOffset(17), publish(again)))).toBe(17);
    expect(reader.locate(toOffset(18), publish(again)).type).toBe('end');
  });
});
