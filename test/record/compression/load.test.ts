import { describe, expect, it } from 'vitest';
import { load } from '../../../src/record/compression/load.js';

describe('load', () => {
  it('loads a package once', () => {
    expect(load('snappy')).toBe(load('snappy'));
  });

  it('says what cannot be loaded, and where', () => {
    expect(() => load('no-such-codec')).toThrow(
      expect.objectContaining({
        code: 'ODR_COMPRESSION',
        message: expect.stringContaining(
          `no-such-codec could not be loaded on ${process.platform}-${process.arch}`,
        ),
      }),
    );
  });
});
