import { describe, expect, it } from 'vitest';
import { toOffset } from '../../../src/base/ids.js';
import type { IndexKeysInput } from '../../../src/log/compaction/compaction-jobs.js';
import { indexKeys } from '../../../src/log/compaction/index-keys.js';
import { KeyOffsets } from '../../../src/log/compaction/key-offsets.js';
import { CODEC_NAMES } from '../../../src/record/compression/codec.js';
import {
  batchesOfKeys,
  keyedBatch,
  newKeys,
  PATH,
  simulatedDisk,
  sizeOf,
  writeFile,
} from './segment-fixture.js';

function index(batches: readonly Buffer[], changes: Partial<IndexKeysInput> = {}) {
  const disk = simulatedDisk();
  writeFile(disk, PATH, batches);
  const endPosition = sizeOf(disk, PATH);
  const keys = changes.keys ?? newKeys();
  const output = indexKeys(disk, {
    path: PATH,
    fromPosition: 0,
    endPosition,
    bytesMax: endPosition,
    minOffset: toOffset(0),
    keys,
    ...changes,
  });
  const offsetOf = (key: string) => new KeyOffsets(keys).get(Buffer.from(key), 0, Buffer.byteLength(key));
  return { ...output, count: new KeyOffsets(keys).count, offsetOf };
}

describe('indexKeys', () => {
  it('notes the newest record of each key, tombstones too', () => {
    const batches = batchesOfKeys(['a', 'b', 'a'], ['c!', 'b', '']);
    const { offsetOf, ...output } = index(batches);
    expect(output).toEqual({
      nextPosition: Buffer.concat(batches).length,
      indexedTo: 6,
      full: false,
      count: 4,
    });
    expect(['a', 'b', 'c', '', 'd'].map(offsetOf)).toEqual([2, 4, 3, 5, -1]);
  });

  it.each(CODEC_NAMES)('reads batches compressed with %s', (codec) => {
    const records = Array.from({ length: 100 }, (_, offset) => ({ offset, key: `key ${offset % 10}` }));
    const { offsetOf, count } = index([keyedBatch({ records, codec })]);
    expect(count).toBe(10);
    expect(offsetOf('key 3')).toBe(93);
  });

  it('passes over records below an offset', () => {
    const batches = batchesOfKeys(['a', 'b'], ['c', 'd']);
    const { offsetOf, indexedTo } = index(batches, { minOffset: toOffset(3) });
    expect(['a', 'b', 'c', 'd'].map(offsetOf)).toEqual([-1, -1, -1, 3]);
    expect(indexedTo).toBe(4);
    expect(index(batches, { minOffset: toOffset(9) })).toMatchObject({ indexedTo: 9, count: 0 });
  });

  it('passes over records without a key and over markers of transactions', () => {
    const marker = keyedBatch({ records: [{ offset: 2, key: 'marker' }], isControl: true });
    const batches = [
      keyedBatch({
        records: [
          { offset: 0, key: null },
          { offset: 1, key: 'a' },
        ],
      }),
      marker,
    ];
    expect(index(batches)).toMatchObject({ indexedTo: 3, count: 1, full: false });
  });

  it('goes behind the offsets that an earlier pass emptied', () => {
    const empty = keyedBatch({ records: [], baseOffset: toOffset(3), lastOffsetDelta: 4 });
    expect(index([empty])).toMatchObject({ indexedTo: 8, count: 0 });
  });

  it('ends at the first key that finds no room, within a batch', () => {
    const batches = batchesOfKeys(['a', 'b'], ['a', 'c', 'd', 'a'], ['e']);
    const first = batches[0]?.length;
    expect(index(batches, { keys: newKeys(3) })).toMatchObject({
      nextPosition: first,
      indexedTo: 4,
      full: true,
      count: 3,
    });
    expect(index(batches, { keys: newKeys(1) })).toMatchObject({ nextPosition: 0, indexedTo: 1, full: true });
    expect(index(batches, { keys: newKeys(5) })).toMatchObject({ indexedTo: 7, full: false });
  });

  it('goes on where the last slice ended', () => {
    const batches = batchesOfKeys(['a', 'b'], ['a', 'c'], ['b']);
    const keys = newKeys();
    const first = index(batches, { keys, bytesMax: 1 });
    expect(first).toMatchObject({ nextPosition: batches[0]?.length, indexedTo: 2 });
    const second = index(batches, { keys, fromPosition: first.nextPosition, minOffset: first.indexedTo });
    expect(second).toMatchObject({ nextPosition: Buffer.concat(batches).length, indexedTo: 5, count: 3 });
    expect(['a', 'b', 'c'].map(second.offsetOf)).toEqual([2, 4, 3]);
  });

  it('fails at a batch that is not valid', () => {
    const [first, second] = batchesOfKeys(['a'], ['b']);
    second?.writeInt8(~(second.at(-3) ?? 0), second.length - 3);
    const run = () => index([first as Buffer, second as Buffer]);
    expect(run).toThrow(`${PATH}, position ${first?.length}: the batch at offset 1 is corrupt`);
  });
});
