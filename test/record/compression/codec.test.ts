import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../../src/base/errors.js';
import { seededRandom } from '../../../src/base/random.js';
import {
  CODEC_NAMES,
  type CodecName,
  codecId,
  codecName,
  compress,
  decompress,
} from '../../../src/record/compression/codec.js';

const firstSeed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const seeds = (count: number) =>
  process.env['SEED'] === undefined ? Array.from({ length: count }, (_, i) => firstSeed + i) : [firstSeed];
const seed = process.env['SEED'] === undefined ? {} : { seed: firstSeed };
const BOUND = 2 ** 20;
const REAL_CODECS = CODEC_NAMES.filter((name) => name !== 'none');

/** What other programs wrote: gzip, lz4 1.9.4 and zstd 1.5.4. */
interface Frame {
  readonly name: string;
  readonly codec: CodecName;
  readonly input: string;
  readonly hex: string;
}
const file: { inputs: Record<string, { text: string; count: number }>; frames: Frame[] } = JSON.parse(
  readFileSync(new URL('../../vectors/compressed-frames.json', import.meta.url), 'utf8'),
);
const frames = file.frames.map((frame) => {
  const { text, count } = file.inputs[frame.input] ?? { text: '', count: 0 };
  return { ...frame, bytes: Buffer.from(frame.hex, 'hex'), content: Buffer.from(text.repeat(count)) };
});

function expectRefused(codec: CodecName, bytes: Buffer, message: RegExp | string, bound = BOUND): void {
  let thrown: unknown;
  try {
    decompress(codec, bytes, bound);
  } catch (error) {
    thrown = error;
  }
  expect(thrown, codec).toBeInstanceOf(OdradekError);
  expect(thrown, codec).toMatchObject({ code: 'ODR_COMPRESSION', message: expect.stringMatching(message) });
}

describe('codecName', () => {
  it("has Kafka's ids", () => {
    expect([0, 1, 2, 3, 4].map(codecName)).toEqual(['none', 'gzip', 'snappy', 'lz4', 'zstd']);
    for (const id of [5, 6, 7, -1, 1.5]) expect(codecName(id)).toBe(null);
    for (const name of CODEC_NAMES) expect(codecName(codecId(name))).toBe(name);
  });
});

describe.each(CODEC_NAMES)('%s', (codec) => {
  it('gives back what it was given', () => {
    const check = (bytes: Uint8Array) => {
      const original = Buffer.from(bytes);
      const compressed = compress(codec, original);
      expect(decompress(codec, compressed, original.length).equals(original)).toBe(true);
    };
    const random = seededRandom(firstSeed);
    for (const length of [0, 1, 15, 32 * 1024, 32 * 1024 + 1, 300_000]) {
      check(Buffer.alloc(length, 'rather repetitive, '));
      check(random.bytes(Math.min(length, 70_000)));
    }
    const piece = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(Buffer.alloc(500, 'abc')));
    const repetitive = fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.concat(pieces));
    fc.assert(fc.property(repetitive, check), seed);
  });

  it('works on shared memory', () => {
    const original = Buffer.from('shared '.repeat(100));
    const share = (bytes: Buffer) => {
      const shared = Buffer.from(new SharedArrayBuffer(bytes.length));
      bytes.copy(shared);
      return shared;
    };
    const compressed = compress(codec, share(original));
    expect(decompress(codec, share(compressed), BOUND)).toEqual(original);
  });
});

describe.each(REAL_CODECS)('%s', (codec) => {
  const original = Buffer.alloc(100_000, 'what is repeated takes little room; ');
  const compressed = compress(codec, original);

  it('makes repetitive data smaller', () => {
    expect(compressed.length).toBeLessThan(original.length / 10);
  });

  it('keeps to the bound, exactly', () => {
    expect(decompress(codec, compressed, original.length).equals(original)).toBe(true);
    expectRefused(codec, compressed, 'inflates to more than 99999 bytes', original.length - 1);
    expectRefused(codec, compressed, 'inflates to more than 0 bytes', 0);
  });

  it('refuses data that is cut off anywhere', () => {
    for (let length = 0; length < compressed.length; length++) {
      // A Xerial stream has no end mark: cut between blocks, it is shorter.
      const cut = compressed.subarray(0, length);
      if (codec === 'snappy' && isXerialBoundary(cut)) continue;
      expectRefused(codec, cut, /./);
    }
  });

  it('refuses garbage', () => {
    expectRefused(codec, Buffer.alloc(0), /./);
    expectRefused(codec, Buffer.from('this was never compressed by anything'), /./);
    expectRefused(codec, Buffer.alloc(100, 0xff), /./);
  });

  it('throws nothing but its own errors, whatever the bytes', () => {
    const sources = [
      compressed,
      ...frames.filter((frame) => frame.codec === codec).map(({ bytes }) => bytes),
    ];
    for (const seedOfRound of seeds(400)) {
      const random = seededRandom(seedOfRound);
      const bytes = Buffer.from(sources[random.below(sources.length)] ?? compressed);
      for (let flips = random.below(5); flips >= 0; flips--) {
        bytes.writeUInt8(
          random.below(256),
          random.below(random.below(2) ? bytes.length : Math.min(24, bytes.length)),
        );
      }
      try {
        const output = decompress(codec, random.below(3) ? bytes : bytes.subarray(random.below(20)), BOUND);
        expect(output.length).toBeLessThanOrEqual(BOUND);
      } catch (error) {
        if (error instanceof OdradekError && error.code === 'ODR_COMPRESSION') continue;
        throw new Error(`SEED=${seedOfRound}`, { cause: error });
      }
    }
  });
});

function isXerialBoundary(bytes: Buffer): boolean {
  let at = 16;
  while (at + 4 <= bytes.length) at += 4 + bytes.readInt32BE(at);
  return at === bytes.length;
}

describe('decompress', () => {
  it.each(frames.map((frame) => [frame.codec, frame.name, frame] as const))(
    'reads %s: %s',
    (codec, _, frame) => {
      expect(decompress(codec, frame.bytes, frame.content.length).equals(frame.content)).toBe(true);
    },
  );

  it.each(['gzip', 'lz4', 'zstd'] as const)('reads several %s frames as one', (codec) => {
    const ofCodec = frames.filter((frame) => frame.codec === codec);
    const content = Buffer.concat(ofCodec.map((frame) => frame.content));
    const output = decompress(codec, Buffer.concat(ofCodec.map(({ bytes }) => bytes)), 2 * BOUND);
    expect(output.equals(content)).toBe(true);
  });

  it('passes what is not compressed through, within the bound', () => {
    const bytes = Buffer.from('plain');
    expect(decompress('none', bytes, 5)).toBe(bytes);
    expectRefused('none', bytes, 'more than 4 bytes', 4);
  });
});

describe('compress', () => {
  it('takes the levels that Kafka takes', () => {
    const bytes = Buffer.from('the quick brown fox, '.repeat(300));
    for (const [codec, levels] of [
      ['gzip', [-1, 1, 9]],
      ['lz4', [1, 9, 17]],
      ['zstd', [-131072, -5, 3, 22]],
      ['snappy', [4]],
    ] as const) {
      for (const level of levels)
        expect(decompress(codec, compress(codec, bytes, level), BOUND)).toEqual(bytes);
    }
    expect(compress('zstd', bytes, 19).length).toBeLessThanOrEqual(compress('zstd', bytes, -50).length);
  });

  it('refuses other levels', () => {
    for (const [codec, level] of [
      ['gzip', 0],
      ['gzip', 10],
      ['lz4', 18],
      ['zstd', 23],
      ['zstd', 1.5],
    ] as const) {
      expect(() => compress(codec, Buffer.from('x'), level)).toThrow(`${codec} has levels`);
    }
  });

  it('names the codecs that there are to whom asks for another', () => {
    expect(() => compress('brotli' as CodecName, Buffer.from('x'))).toThrow(
      'unknown codec brotli; there are none, gzip, snappy, lz4, zstd',
    );
  });
});
