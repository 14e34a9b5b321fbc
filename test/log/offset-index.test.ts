import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import {
  findEntryAt,
  findEntryBehind,
  findOffsetEntry,
  offsetIndexLooksSound,
  trustedOffsetEntries,
} from '../../src/log/offset-index.js';
import vectors from '../vectors/log-files.json' with { type: 'json' };
import { LogMachine } from './log-fixture.js';

const BASE = toOffset(3);
const kafka = vectors.files.find(({ name }) => name === 'offset-index');
const bytes = Buffer.from(kafka?.hex ?? '', 'hex');

function fileOf(content: Uint8Array) {
  const { disk } = new LogMachine();
  const file = disk.open('/data/index', 'write');
  disk.write(file, 0, [content]);
  return { disk, file };
}

describe('offset index', () => {
  it('is read as Kafka wrote it', () => {
    const { disk, file } = fileOf(bytes);
    const entries = kafka?.entries as [number, number][];
    expect(entries).toHaveLength(3);
    for (let offset = 3; offset < 20; offset++) {
      const expected = entries.findLast(([lastOffset]) => lastOffset <= offset);
      const found = findOffsetEntry(disk, file, BASE, 3, offset);
      expect(found && [found.lastOffset, found.position]).toEqual(expected ?? null);
    }
  });

  it('finds the next entry behind a position', () => {
    const { disk, file } = fileOf(bytes);
    const behind = (position: number) => findEntryBehind(disk, file, BASE, 3, position)?.position ?? null;
    expect([0, 151, 152, 377, 378, 599, 600].map(behind)).toEqual([152, 152, 378, 378, 600, 600, null]);
  });

  it('finds the last entry at or before a position', () => {
    const { disk, file } = fileOf(bytes);
    const at = (position: number) => findEntryAt(disk, file, BASE, 3, position, 700)?.position ?? null;
    expect([0, 151, 152, 377, 378, 599, 600, 700].map(at)).toEqual([
      null,
      null,
      152,
      152,
      378,
      378,
      600,
      600,
    ]);
  });

  it('is trusted as far as its entries grow and stay within the bounds', () => {
    const trusted = (content: Buffer, offsetEnd = 100, positionEnd = 1000) =>
      trustedOffsetEntries(content, BASE, offsetEnd, positionEnd).count;
    expect(trusted(bytes)).toBe(3);
    expect(trusted(bytes.subarray(0, 23))).toBe(2);
    expect(trusted(bytes, 11)).toBe(2);
    expect(trusted(bytes, 12)).toBe(3);
    expect(trusted(bytes, 100, 600)).toBe(2);
    expect(trusted(Buffer.concat([bytes, Buffer.alloc(80)]))).toBe(3);
    expect(trusted(Buffer.concat([bytes.subarray(8, 16), bytes]))).toBe(1);
    expect(trusted(Buffer.alloc(0))).toBe(0);
    expect(trustedOffsetEntries(bytes, BASE, 100, 1000).last).toEqual({ lastOffset: 11, position: 600 });
  });

  it('looks sound by its size and its last entry', () => {
    const sound = (content: Buffer, offsetEnd = 12, logBytes = 700) => {
      const { disk, file } = fileOf(content);
      return offsetIndexLooksSound(disk, file, BASE, offsetEnd, logBytes);
    };
    expect(sound(bytes)).toBe(true);
    expect(sound(Buffer.alloc(0))).toBe(true);
    expect(sound(bytes.subarray(0, 20))).toBe(false);
    expect(sound(bytes, 11)).toBe(false);
    expect(sound(bytes, 12, 600)).toBe(false);
    expect(sound(Buffer.concat([bytes, Buffer.alloc(8)]))).toBe(false);
    expect(sound(Buffer.concat(Array.from({ length: 10 }, () => bytes)))).toBe(false);
  });
});
