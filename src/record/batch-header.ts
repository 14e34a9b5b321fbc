// The 61-byte header of a RecordBatch v2, read and stamped in place. Source: Kafka's "Message Format" documentation and
// KIP-98; all integers big-endian.
//
//   0 baseOffset int64 | 8 batchLength int32 | 12 partitionLeaderEpoch int32 | 16 magic int8 | 17 crc uint32
//   21 attributes int16 | 23 lastOffsetDelta int32 | 27 baseTimestamp int64 | 35 maxTimestamp int64
//   43 producerId int64 | 51 producerEpoch int16 | 53 baseSequence int32 | 57 recordCount int32 | 61 records
//
// batchLength counts from byte 12 on. The CRC covers byte 21 to the end, so that offset and epoch are stamped without it.
import type { LeaderEpoch, Offset } from '../base/ids.js';
import { readInt64, writeInt64 } from '../base/int64.js';

export const BATCH_HEADER_BYTES = 61;
/** baseOffset and batchLength: what `batchLength` does not count. */
export const BATCH_PREFIX_BYTES = 12;
export const BATCH_MAGIC = 2;
/** Where the bytes that the CRC covers begin. */
export const CRC_START = 21;

export const ATTRIBUTE_CODEC_MASK = 0x07;
export const ATTRIBUTE_LOG_APPEND_TIME = 0x08;
export const ATTRIBUTE_TRANSACTIONAL = 0x10;
export const ATTRIBUTE_CONTROL = 0x20;
export const ATTRIBUTE_DELETE_HORIZON = 0x40;

// Each function takes the buffer and the position of the batch in it.
export const readBaseOffset = (bytes: Buffer, at: number): number => readInt64(bytes, at);
/** The size of the whole batch in bytes, header included. */
export const readBatchBytes = (bytes: Buffer, at: number): number =>
  bytes.readInt32BE(at + 8) + BATCH_PREFIX_BYTES;
export const readLeaderEpoch = (bytes: Buffer, at: number): number => bytes.readInt32BE(at + 12);
export const readMagic = (bytes: Buffer, at: number): number => bytes.readInt8(at + 16);
export const readCrc = (bytes: Buffer, at: number): number => bytes.readUInt32BE(at + 17);
export const readAttributes = (bytes: Buffer, at: number): number => bytes.readInt16BE(at + 21);
export const readLastOffsetDelta = (bytes: Buffer, at: number): number => bytes.readInt32BE(at + 23);
export const readBaseTimestamp = (bytes: Buffer, at: number): number => readInt64(bytes, at + 27);
export const readMaxTimestamp = (bytes: Buffer, at: number): number => readInt64(bytes, at + 35);
export const readProducerId = (bytes: Buffer, at: number): number => readInt64(bytes, at + 43);
export const readProducerEpoch = (bytes: Buffer, at: number): number => bytes.readInt16BE(at + 51);
export const readBaseSequence = (bytes: Buffer, at: number): number => bytes.readInt32BE(at + 53);
export const readRecordCount = (bytes: Buffer, at: number): number => bytes.readInt32BE(at + 57);

export const readLastOffset = (bytes: Buffer, at: number): number =>
  readBaseOffset(bytes, at) + readLastOffsetDelta(bytes, at);

/** Gives the batch its place in the log; its CRC stays valid. */
export function stampPlace(bytes: Buffer, at: number, baseOffset: Offset, leaderEpoch: LeaderEpoch): void {
  writeInt64(bytes, at, baseOffset);
  bytes.writeInt32BE(leaderEpoch, at + 12);
}
