import type { Extent, WriteBuffer } from '../partition/write-buffer.js';
import type { Connection } from './connection.js';
import type { Frame } from './frame-receiver.js';

/** Records in the write buffer; the caller owns one use of the extent. */
export interface PlacedRecords {
  readonly extent: Extent;
  /** Position of the first byte in the whole memory. */
  readonly start: number;
}

/**
 * Finds the bytes [start, end) of a frame in the write buffer, or copies them there. Null if there is no room: then the frame
 * must wait, and the connection's `retry` is called.
 */
export function placeRecords(
  writeBuffer: WriteBuffer,
  connection: Connection,
  frame: Frame,
): PlacedRecords | null {
  if (frame.extent) {
    frame.extent.retain();
    return { extent: frame.extent, start: frame.extent.start + frame.start };
  }
  const records = frame.bytes.subarray(frame.start, frame.end);
  const staged = writeBuffer.stage(records);
  if (!staged) connection.retryWhenFree(records.length);
  return staged;
}
