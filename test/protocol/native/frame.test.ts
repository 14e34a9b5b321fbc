import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  encodeFrameHead,
  FRAME_PREFIX_BYTES,
  readFrameBytes,
  splitFrame,
} from '../../../src/protocol/native/frame.js';

const protocolError = expect.objectContaining({ code: 'ODR_PROTOCOL' });
const header = Buffer.from('header');

function frame(...payload: string[]): Buffer {
  return Buffer.concat(
    encodeFrame(
      header,
      payload.map((piece) => Buffer.from(piece)),
    ),
  );
}

describe('encodeFrame', () => {
  it('lays the frame out as the protocol says', () => {
    expect(frame('ab', 'c').toString('hex')).toBe(`0000000d00000006${header.toString('hex')}616263`);
  });

  it('hands the payload on without a copy', () => {
    const piece = Buffer.from('payload');
    expect(encodeFrame(header, [piece])[1]).toBe(piece);
  });

  it('refuses a frame that its length field cannot count', () => {
    expect(() => encodeFrameHead(header, 2 ** 32 - 4)).toThrow(protocolError);
  });
});

describe('splitFrame', () => {
  it('returns views of header and payload', () => {
    const whole = frame('abc');
    const parts = splitFrame(whole, 100);
    expect(parts.header.toString()).toBe('header');
    expect(parts.payload.toString()).toBe('abc');
    expect(parts.payload.buffer).toBe(whole.buffer);
  });

  it('takes a frame without header and payload', () => {
    const parts = splitFrame(Buffer.concat(encodeFrame(Buffer.alloc(0))), 100);
    expect([parts.header.length, parts.payload.length]).toEqual([0, 0]);
  });

  it('refuses a header that is longer than allowed', () => {
    expect(splitFrame(frame('abc'), 6).header.length).toBe(6);
    expect(() => splitFrame(frame('abc'), 5)).toThrow(protocolError);
  });

  it('refuses a header that reaches past the frame', () => {
    const whole = frame('abc');
    whole.writeUInt32BE(9, 4);
    expect(splitFrame(whole, 100).payload.length).toBe(0);
    whole.writeUInt32BE(10, 4);
    expect(() => splitFrame(whole, 100)).toThrow(protocolError);
  });

  it('refuses a frame whose length field says something else', () => {
    expect(() => splitFrame(frame('abc').subarray(0, -1), 100)).toThrow(protocolError);
    expect(() => splitFrame(Buffer.alloc(FRAME_PREFIX_BYTES - 1), 100)).toThrow(protocolError);
  });
});

describe('readFrameBytes', () => {
  it('counts the length field', () => {
    expect(readFrameBytes(frame('abc'), 0, 100)).toBe(frame('abc').length);
  });

  it('refuses lengths that are too small or too large', () => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(3);
    expect(() => readFrameBytes(bytes, 0, 100)).toThrow(protocolError);
    bytes.writeUInt32BE(100);
    expect(readFrameBytes(bytes, 0, 100)).toBe(104);
    bytes.writeUInt32BE(101);
    expect(() => readFrameBytes(bytes, 0, 100)).toThrow(protocolError);
  });
});
