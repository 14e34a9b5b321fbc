import { describe, expect, it } from 'vitest';
import { compress } from '../../../src/record/compression/codec.js';
import { lz4Decompress } from '../../../src/record/compression/lz4.js';
import { xxhash32 } from '../../../src/record/compression/xxhash32.js';

const BOUND = 2 ** 20;
const INDEPENDENT = 0x20;
const CONTENT_CHECKSUM = 0x04;
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;

interface FrameOptions {
  readonly flags?: number;
  readonly blockCode?: number;
  readonly contentSize?: bigint;
  readonly tail?: Buffer;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A frame of the given blocks, with a right header checksum. A block is its hex; `stored` marks one as not compressed. */
function frame(blocks: readonly (string | { stored: string })[], options: FrameOptions = {}): Buffer {
  const { flags = INDEPENDENT, blockCode = 4, contentSize, tail = Buffer.alloc(0) } = options;
  const size = Buffer.alloc(contentSize === undefined ? 0 : 8);
  if (contentSize !== undefined) size.writeBigUInt64LE(contentSize);
  const descriptor = Buffer.concat([Buffer.from([0x40 | flags, blockCode << 4]), size]);
  const pieces = [uint32(0x184d2204), descriptor, Buffer.from([(xxhash32(descriptor) >>> 8) & 0xff])];
  for (const block of blocks) {
    const data = Buffer.from(typeof block === 'string' ? block : block.stored, 'hex');
    pieces.push(uint32(typeof block === 'string' ? data.length : data.length + 0x8000_0000), data);
  }
  return Buffer.concat([...pieces, uint32(0), tail]);
}

const read = (bytes: Buffer, bound = BOUND) => lz4Decompress(bytes, bound).toString('latin1');

describe('lz4Decompress', () => {
  it('reads literals, matches and matches that overlap themselves', () => {
    // "ab", then 4 bytes from 2 back, then 5 literals.
    expect(read(frame(['2061620200' + '507a7a7a7a7a']))).toBe('abababzzzzz');
    // One byte repeated 4 + 15 + 255 + 7 times.
    expect(read(frame(['1f780100ff07' + '00']))).toBe('x'.repeat(282));
    // 15 + 3 literals.
    expect(read(frame([`f003${'79'.repeat(18)}`]))).toBe('y'.repeat(18));
  });

  it('reads blocks that copy from the block before, if the frame says that they may', () => {
    const blocks = ['5068656c6c6f', '050500' + '1021'];
    // 5 back from the start of the second block: hello and 4 of it again, an exclamation mark.
    expect(read(frame(blocks, { flags: 0 }))).toBe('hellohellohell!');
    expect(() => read(frame(blocks))).toThrow('a block is malformed');
  });

  it('does not reach into the frame before', () => {
    const first = frame(['5068656c6c6f'], { flags: 0 });
    expect(() => read(Buffer.concat([first, frame(['050500' + '1021'], { flags: 0 })]))).toThrow('malformed');
  });

  it('reads stored blocks, empty frames and skippable ones', () => {
    const skippable = Buffer.concat([uint32(0x184d2a53), uint32(3), Buffer.from('xyz')]);
    const bytes = Buffer.concat([frame([]), skippable, frame([{ stored: '616263' }]), skippable]);
    expect(read(bytes)).toBe('abc');
    expect(() => read(bytes.subarray(0, -1))).toThrow('cut off');
  });

  it('grows beyond its first guess', () => {
    const zeros = Buffer.alloc(5 * 2 ** 20);
    expect(lz4Decompress(compress('lz4', zeros), zeros.length).equals(zeros)).toBe(true);
  });

  it.each<[string, Buffer, string]>([
    ['another version', Buffer.from('04224d18a0408200000000', 'hex'), 'unknown version'],
    ['a dictionary', frame([], { flags: INDEPENDENT | 1 }), 'needs a dictionary'],
    ['block size 3', frame([], { blockCode: 3 }), 'unknown block size'],
    ['a wrong header checksum', Buffer.from('04224d1860408300000000', 'hex'), 'header fails its checksum'],
    [
      'a block larger than it allows',
      frame([{ stored: '00'.repeat(65537) }]),
      'larger than the frame allows',
    ],
    [
      'a content size that is wrong',
      frame(['1061'], { flags: INDEPENDENT | CONTENT_SIZE, contentSize: 2n }),
      'another size',
    ],
    [
      'a wrong content checksum',
      frame(['1061'], { flags: CONTENT_CHECKSUM, tail: uint32(1) }),
      'content fails its checksum',
    ],
    ['no content checksum', frame(['1061'], { flags: CONTENT_CHECKSUM }), 'cut off'],
    ['a wrong block checksum', frame(['1061'], { flags: BLOCK_CHECKSUM }), 'block fails its checksum'],
    ['another magic', Buffer.from('04224d1960408200000000', 'hex'), 'no frame where one should begin'],
    ['bytes behind it that are no frame', Buffer.concat([frame([]), Buffer.from('abcd')]), 'no frame'],
  ])('refuses a frame with %s', (_, bytes, message) => {
    expect(() => lz4Decompress(bytes, BOUND)).toThrow(message);
  });

  it.each<[string, string]>([
    ['literals that are not there', '5061'],
    ['a literal length that is not there', 'f0'],
    ['a literal length without end', 'f0ffffff'],
    ['a match without distance', '106101'],
    ['a distance of 0', '100061' + '0000' + '1061'],
    ['a distance beyond its start', '10610200' + '1061'],
    ['a match as its end', '10610100'],
    ['a match length that is not there', '1f610100'],
    ['a match longer than a block may be', `1f610100${'ff'.repeat(300)}001061`],
  ])('refuses a block with %s', (_, block) => {
    expect(() => lz4Decompress(frame([block]), BOUND)).toThrow('a block is malformed');
  });

  it('tells too much from malformed', () => {
    const bytes = frame(['1f780100ff07' + '00']);
    expect(lz4Decompress(bytes, 282)).toHaveLength(282);
    expect(() => lz4Decompress(bytes, 281)).toThrow('inflates to more than 281 bytes');
    expect(() => lz4Decompress(frame([{ stored: '616263' }]), 2)).toThrow('inflates to more than 2 bytes');
  });
});
