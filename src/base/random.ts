import { randomBytes } from 'node:crypto';
import { assert } from './assert.js';

/** Randomness as actors see it; a simulation passes {@link seededRandom}. */
export interface Random {
  /** A whole number in [0, 2^32). */
  uint32(): number;
  /** A whole number in [0, end). */
  below(end: number): number;
  bytes(count: number): Uint8Array;
}

function fromUint32(uint32: () => number): Random {
  return {
    uint32,
    below(end) {
      assert(end > 0, `empty range: ${end}`);
      return Math.floor((uint32() / 2 ** 32) * end);
    },
    bytes(count) {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = uint32() & 0xff;
      return bytes;
    },
  };
}

export const systemRandom: Random = {
  ...fromUint32(() => randomBytes(4).readUInt32LE(0)),
  bytes: (count) => randomBytes(count),
};

/** The same sequence for the same seed, on every machine (sfc32). */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let counter = 1;
  const next = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return fromUint32(next);
}

/** A new random id of 16 bytes in Kafka's form: base64url, 22 characters. */
export function randomUuid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = bytes.toString('base64url');
  // Kafka avoids a leading dash, which command lines would take for an option.
  return text.startsWith('-') ? randomUuid(random) : text;
}
