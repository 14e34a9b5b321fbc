import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import {
  findTimeEntry,
  lastTimeEntry,
  TimeIndexWriter,
  timeIndexLooksSound,
  trustedTimeEntries,
} from '../../src/log/time-index.js';
import vectors from '../vectors/log-files.json' with { type: 'json' };
import { LogMachine } from './log-fixture.js';

const BASE = toOffset(3);
const kafka = vectors.files.find(({ name }) => name === 'time-index');
const bytes = Buffer.from(kafka?.hex ?? '', 'hex');
const entries = kafka?.entries as [number, number][];

function fileOf(content: Uint8Array) {
  const { disk } = new LogMachine();
  const file = disk.open('/data/timeindex', 'write');
  disk.write(file, 0, [content]);
  return { disk, file };
}

describe('time index', () => {
  it('is read as Kafka wrote it', () => {
    const { disk, file } = fileOf(bytes);
    const [first = [0, 0]] = entries;
    for (let timestampMs = first[0] - 2; timestampMs < first[0] + 120; timestampMs++) {
      const found = findTimeEntry(disk, file, BASE, 3, timestampMs);
      const expected = entries.findLast(([own]) => own <= timestampMs);
      expect(found && [found.timestampMs, found.offset]).toEqual(expected ?? null);
    }
    expect(lastTimeEntry(disk, file, BASE, 3)).toEqual({ timestampMs: entries[2]?.[0], offset: 11 });
    expect(lastTimeEntry(disk, file, BASE, 0)).toBeNull();
  });

  it('is trusted as far as both fields grow and offsets stay within the bound', () => {
    const trusted = (content: Buffer, offsetEnd = 100) => trustedTimeEntries(content, BASE, offsetEnd).count;
    expect(trusted(bytes)).toBe(3);
    expect(trusted(bytes.subarray(0, 35))).toBe(2);
    expect(trusted(bytes, 11)).toBe(2);
    expect(trusted(Buffer.concat([bytes, Buffer.alloc(24)]))).toBe(3);
    expect(trusted(Buffer.concat([bytes.subarray(12, 24), bytes]))).toBe(1);
    expect(trusted(Buffer.alloc(12, 0xff))).toBe(0);
  });

  it('looks sound by its size and its first and last entries', () => {
    const sound = (content: Buffer, offsetEnd = 12, logBytes = 700) => {
      const { disk, file } = fileOf(content);
      return timeIndexLooksSound(disk, file, BASE, offsetEnd, logBytes);
    };
    expect(sound(bytes)).toBe(true);
    expect(sound(bytes.subarray(0, 12))).toBe(true);
    expect(sound(Buffer.alloc(0))).toBe(true);
    expect(sound(bytes.subarray(0, 30))).toBe(false);
    expect(sound(bytes, 11)).toBe(false);
    expect(sound(bytes, 12, 61)).toBe(false);
    expect(sound(Buffer.concat([bytes, Buffer.alloc(12)]))).toBe(false);
    expect(sound(Buffer.alloc(12, 0xff))).toBe(false);
  });
});

describe('TimeIndexWriter', () => {
  it('takes a timestamp only if it is above the last one', () => {
    const { disk } = new LogMachine();
    const writer = new TimeIndexWriter(disk, '/data/timeindex', BASE, 0, -1, false);
    for (const [timestampMs, offset] of [...entries, [5, 12], [entries[2]?.[0] ?? 0, 13]] as [
      number,
      number,
    ][]) {
      writer.append(timestampMs, offset);
    }
    writer.entries.write();
    expect(disk.contents('/data/timeindex')).toEqual(bytes);
    expect(writer.lastBelow(11)).toEqual({ entry: { timestampMs: entries[1]?.[0], offset: 7 }, count: 2 });
  });
});
