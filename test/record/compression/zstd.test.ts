import { describe, expect, it } from 'vitest';
import { zstdCompress, zstdDecompress } from '../../../src/record/compression/zstd.js';

const BOUND = 2 ** 20;
const MAGIC = '28b52ffd';
/** Descriptor 0 and a window of 1 MiB: no content size, no checksum. */
const STREAM = `${MAGIC}0050`;
const read = (hex: string, bound = BOUND) => zstdDecompress(Buffer.from(hex, 'hex'), bound);

/** A block header: type 0 raw, 1 repeated byte, 2 compressed. */
function block(type: number, size: number, isLast: boolean): string {
  const bytes = Buffer.alloc(3);
  bytes.writeUIntLE((size << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return bytes.toString('hex');
}

describe('zstdDecompress', () => {
  it('reads raw and repeated blocks, several frames and skippable ones', () => {
    expect(read(`${STREAM}${block(0, 2, false)}6162${block(1, 3, true)}63`).toString()).toBe('abccc');
    const skippable = '5f2a4d1802000000ffff';
    const frame = `${STREAM}${block(0, 1, true)}61`;
    expect(read(skippable + frame + skippable + frame).toString()).toBe('aa');
  });

  it.each<[string, string, string]>([
    ['nothing', '', 'no frame'],
    ['another magic', '29b52ffd0050', 'no frame where one should begin'],
    ['no blocks', STREAM, 'cut off'],
    ['no last block', `${STREAM}${block(0, 1, false)}61`, 'cut off'],
    ['less than its block', `${STREAM}${block(0, 5, true)}61`, 'cut off'],
    ['no checksum though it says so', `${MAGIC}0450${block(0, 1, true)}61`, 'cut off'],
    ['a reserved bit', `${MAGIC}0850${block(0, 1, true)}61`, 'reserved bit'],
    ['an unknown block type', `${STREAM}${block(3, 1, true)}61`, 'unknown type'],
    ['a block beyond 128 KiB', `${STREAM}${block(1, 131073, true)}61`, 'larger than the frame allows'],
    ['a dictionary', `${MAGIC}015007${block(0, 1, true)}61`, 'needs a dictionary'],
    [
      'a content size beyond its blocks',
      `${MAGIC}c050ffffffffffffff7f${block(0, 1, true)}61`,
      'more than it can hold',
    ],
    ['a cut skippable frame', '502a4d1809000000ffff', 'cut off'],
    [
      'bytes behind it',
      `${STREAM}${block(0, 1, true)}61${'00'.repeat(8)}`,
      'no frame where one should begin',
    ],
  ])('refuses a frame with %s', (_, hex, message) => {
    expect(() => read(hex)).toThrow(message);
  });

  it('refuses a bomb before it takes memory for it', () => {
    // 128 KiB from each 4 bytes: 16 GiB in all.
    const blocks = Buffer.from(`${block(1, 131072, false)}00`, 'hex');
    const bomb = Buffer.concat([
      Buffer.from(STREAM, 'hex'),
      Buffer.alloc(blocks.length * 131072, blocks),
      Buffer.from(`${block(1, 1, true)}00`, 'hex'),
    ]);
    const before = process.memoryUsage().rss;
    expect(() => zstdDecompress(bomb, 128 * 2 ** 20)).toThrow('inflates to more than');
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });

  it('bounds the number of frames, and the sum of what they hold', () => {
    const frame = `${STREAM}${block(0, 1, true)}61`;
    expect(read(frame.repeat(1000), 1000).toString()).toBe('a'.repeat(1000));
    expect(() => read(frame.repeat(1001))).toThrow('more than 1000 frames');
    expect(() => read(frame.repeat(3), 2)).toThrow('inflates to more than 2 bytes');
  });

  it('takes many small blocks, as a writer leaves that flushes after every record', () => {
    const frame = `${STREAM}${`${block(0, 1, false)}61`.repeat(5000)}${block(0, 0, true)}`;
    expect(read(frame, 5000).toString()).toBe('a'.repeat(5000));
  });
});

describe('zstdCompress', () => {
  it('writes a frame that any decoder takes', () => {
    const bytes = zstdCompress(Buffer.from('text '.repeat(100)), 3);
    expect(bytes.toString('hex', 0, 4)).toBe(MAGIC);
    expect(zstdDecompress(bytes, BOUND).toString()).toBe('text '.repeat(100));
  });
});
