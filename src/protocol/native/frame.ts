// The frame of the native protocol, the same in both directions (proto/odradek.proto, "TRANSPORT"). Integers are
// big-endian.
//
//   0  uint32  length         bytes that follow this field
//   4  uint32  header length  bytes of the header
//   8  bytes   header         a RequestHeader or a ResponseHeader
//      bytes   payload        the rest: record batches, or nothing
import { OdradekError } from '../../base/errors.js';
import type { Piece } from '../../base/piece.js';

/** Bytes of the length field, which the length does not count. */
export const FRAME_LENGTH_BYTES = 4;
/** Bytes before the header. */
export const FRAME_PREFIX_BYTES = 8;
/** What `length` counts at least: the header's own length field. */
const LENGTH_MIN = FRAME_PREFIX_BYTES - FRAME_LENGTH_BYTES;

/** A produce request for 1,000 partitions with the longest topic names takes a quarter of this. */
export const REQUEST_HEADER_BYTES_MAX = 1024 * 1024;
/** Metadata of some 500,000 partitions. */
export const RESPONSE_HEADER_BYTES_MAX = 16 * 1024 * 1024;

function protocolError(message: string): OdradekError {
  return new OdradekError('ODR_PROTOCOL', message);
}

/**
 * The frame as pieces to be sent one after the other: the first holds lengths and header, the payload follows uncopied.
 */
export function encodeFrame<Payload extends Piece>(
  header: Uint8Array,
  payload: readonly Payload[] = [],
): (Uint8Array | Payload)[] {
  let payloadBytes = 0;
  for (const piece of payload) payloadBytes += piece.length;
  return [encodeFrameHead(header, payloadBytes), ...payload];
}

/** The first piece of a frame: lengths and header. `payloadBytes` have to follow it. */
export function encodeFrameHead(header: Uint8Array, payloadBytes: number): Buffer {
  const length = LENGTH_MIN + header.length + payloadBytes;
  if (length > 0xffffffff) throw protocolError(`A frame of ${length} bytes is too large to be sent.`);
  const head = Buffer.allocUnsafe(FRAME_PREFIX_BYTES + header.length);
  head.writeUInt32BE(length, 0);
  head.writeUInt32BE(header.length, FRAME_LENGTH_BYTES);
  head.set(header, FRAME_PREFIX_BYTES);
  return head;
}

/**
 * The size of the frame that begins at `position`, its length field included. Four bytes have to be there.
 *
 * @param frameBytesMax bound on `length`, the bytes after the length field
 * @throws OdradekError ODR_PROTOCOL if the length cannot be that of a frame
 */
export function readFrameBytes(bytes: Buffer, position: number, frameBytesMax: number): number {
  const length = bytes.readUInt32BE(position);
  if (length < LENGTH_MIN) throw protocolError(`A frame of ${length} bytes is too short.`);
  if (length > frameBytesMax) {
    throw protocolError(`A frame of ${length} bytes is larger than ${frameBytesMax} bytes.`);
  }
  return FRAME_LENGTH_BYTES + length;
}

/** Views of a frame; they share its memory. */
export interface FrameParts {
  readonly header: Buffer;
  readonly payload: Buffer;
}

/**
 * Splits a complete frame, its length field included.
 *
 * @throws OdradekError ODR_PROTOCOL if the lengths do not fit together
 */
export function splitFrame(frame: Buffer, headerBytesMax: number): FrameParts {
  if (frame.length < FRAME_PREFIX_BYTES)
    throw protocolError(`A frame of ${frame.length} bytes is too short.`);
  const length = frame.readUInt32BE(0);
  if (length !== frame.length - FRAME_LENGTH_BYTES) {
    throw protocolError(`A frame of ${frame.length} bytes says that it has ${length + FRAME_LENGTH_BYTES}.`);
  }
  const headerBytes = frame.readUInt32BE(FRAME_LENGTH_BYTES);
  if (headerBytes > headerBytesMax) {
    throw protocolError(`A header of ${headerBytes} bytes is larger than ${headerBytesMax} bytes.`);
  }
  const payloadStart = FRAME_PREFIX_BYTES + headerBytes;
  if (payloadStart > frame.length) {
    throw protocolError(
      `A header of ${headerBytes} bytes does not fit into a frame of ${frame.length} bytes.`,
    );
  }
  return { header: frame.subarray(FRAME_PREFIX_BYTES, payloadStart), payload: frame.subarray(payloadStart) };
}
