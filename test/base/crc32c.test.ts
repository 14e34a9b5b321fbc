import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { crc32c, crc32cFallback, crc32cSource } from '../../src/base/crc32c.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };
const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);

/** Source: RFC 3720, appendix B.4, and the check value of CRC-32C. */
const KNOWN: readonly (readonly [string, Uint8Array, number])[] = [
  ['nothing', new Uint8Array(0), 0],
  ['the nine digits', Buffer.from('123456789'), 0xe3069283],
  ['32 zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 times 0xff', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['0 to 31', ascending, 0x46dd794e],
  ['31 to 0', ascending.toReversed(), 0x113fdb5c],
];

for (const [name, checksum] of [
  ['crc32c', crc32c],
  ['crc32cFallback', crc32cFallback],
] as const) {
  describe(name, () => {
    it.each(KNOWN)('knows the checksum of %s', (_, bytes, expected) => {
      expect(checksum(bytes)).toBe(expected);
    });

    it('goes on from the checksum of what came before', () => {
      const bytes = Buffer.from('123456789');
      for (let cut = 0; cut <= bytes.length; cut++) {
        expect(checksum(bytes.subarray(cut), checksum(bytes.subarray(0, cut)))).toBe(0xe3069283);
      }
    });

    it('reads shared memory, and views that begin anywhere', () => {
      const shared = Buffer.from(new SharedArrayBuffer(64));
      for (let start = 0; start < 16; start++) {
        shared.fill(0xee);
        shared.set(ascending, start);
        expect(checksum(shared.subarray(start, start + 32))).toBe(0x46dd794e);
      }
    });
  });
}

describe('crc32cFallback', () => {
  it('computes what the native module computes', () => {
    expect(crc32cSource).toBe('native');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(0xffff), (bytes, initial) => {
        expect(crc32cFallback(bytes, initial)).toBe(crc32c(bytes, initial));
      }),
      seed,
    );
  });
});

describe('ODRADEK_NO_NATIVE', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.resetModules();
  });

  it('makes the fallback do all the work', async () => {
    vi.stubEnv('ODRADEK_NO_NATIVE', '1');
    vi.resetModules();
    const fresh = await import('../../src/base/crc32c.js');
    expect(fresh.crc32cSource).toBe('javascript');
    expect(fresh.crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });
});
