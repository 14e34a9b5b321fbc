import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader } from '../../src/client/frame-reader.js';
import { encodeFrame } from '../../src/protocol/native/frame.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

/** Writes the bytes in pieces no larger than asked, as a socket does. */
function feed(reader: FrameReader, bytes: Buffer, pieceBytes: (index: number) => number): void {
  for (let position = 0, index = 0; position < bytes.length; index++) {
    const { target } = reader;
    const count = bytes.copy(target, 0, position, position + Math.min(target.length, pieceBytes(index)));
    reader.received(count);
    position += count;
  }
}

function frameOf(payloadBytes: number, fill: number): Buffer {
  return Buffer.concat(encodeFrame(Buffer.from([fill]), [Buffer.alloc(payloadBytes, fill)]));
}

describe('FrameReader', () => {
  it('delivers the frames that were sent, however they arrive', () => {
    // Around the scratch buffer's size as well.
    const size = fc.oneof(fc.nat(300), fc.integer({ min: 65_500, max: 65_560 }), fc.nat(300_000));
    fc.assert(
      fc.property(
        fc.array(size, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 }),
        (sizes, pieces) => {
          const frames = sizes.map((bytes, index) => frameOf(bytes, index));
          const delivered: Buffer[] = [];
          const reader = new FrameReader(2 ** 24, (frame) => delivered.push(Buffer.from(frame)));
          feed(reader, Buffer.concat(frames), (index) => pieces[index % pieces.length] ?? 1);
          expect(delivered.length).toBe(frames.length);
          expect(Buffer.concat(delivered).equals(Buffer.concat(frames))).toBe(true);
        },
      ),
      { numRuns: 60, ...seed },
    );
  });

  it('gives large frames memory of their own, which is not written again', () => {
    const delivered: { frame: Buffer; owned: boolean }[] = [];
    const reader = new FrameReader(2 ** 24, (frame, owned) => delivered.push({ frame, owned }));
    feed(reader, Buffer.concat([frameOf(10, 1), frameOf(100_000, 2), frameOf(100_000, 3)]), () => 1000);
    expect(delivered.map(({ owned }) => owned)).toEqual([false, true, true]);
    expect(delivered[1]?.frame.equals(frameOf(100_000, 2))).toBe(true);
  });

  it('refuses a frame beyond the bound before it has memory', () => {
    const reader = new FrameReader(1000, () => {});
    expect(() => feed(reader, Buffer.from('HTTP/1.1 400 Bad Request'), () => 100)).toThrow(
      expect.objectContaining({ code: 'ODR_PROTOCOL' }),
    );
  });
});
