// Producer snapshots: the producers of a log as they were before an offset, which is the name of the file. Integers are
// big-endian; the checksum is CRC-32C over all that follows it. Source: ProducerStateManager of Kafka 4.3, KIP-98.
//
//   0 version int16, 1 | 2 crc uint32 | 6 count int32 | 10 entries of 46 bytes:
//
//   0 producerId int64 | 8 epoch int16 | 10 lastSequence int32 | 14 lastOffset int64 | 22 offsetDelta int32
//   26 timestamp int64 | 34 coordinatorEpoch int32 | 38 currentTxnFirstOffset int64
//
// lastSequence, lastOffset and offsetDelta (last less first offset) are those of the producer's newest batch, -1, -1 and 0 if
// none is known. In the timestamp we keep when the producer wrote last, by the wall clock; Kafka has the newest batch's.
import { crc32c } from '../base/crc32c.js';
import { OdradekError } from '../base/errors.js';
import { readInt64, writeInt64 } from '../base/int64.js';
import type { KnownBatch, ProducerState } from './producer-states.js';

const VERSION = 1;
const CRC_AT = 2;
const COUNT_AT = 6;
const HEADER_BYTES = 10;
const ENTRY_BYTES = 46;

export function encodeProducerSnapshot(producers: Iterable<ProducerState>): Buffer {
  const all = [...producers];
  const bytes = Buffer.alloc(HEADER_BYTES + all.length * ENTRY_BYTES);
  bytes.writeInt16BE(VERSION, 0);
  bytes.writeInt32BE(all.length, COUNT_AT);
  all.forEach((producer, index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    const newest = producer.batches.at(-1);
    writeInt64(bytes, at, producer.producerId);
    bytes.writeInt16BE(producer.epoch, at + 8);
    bytes.writeInt32BE(newest?.lastSequence ?? -1, at + 10);
    writeInt64(bytes, at + 14, newest?.lastOffset ?? -1);
    bytes.writeInt32BE(newest ? newest.lastOffset - newest.baseOffset : 0, at + 22);
    writeInt64(bytes, at + 26, producer.usedAtMs);
    bytes.writeInt32BE(producer.coordinatorEpoch, at + 34);
    writeInt64(bytes, at + 38, producer.transactionFirstOffset);
  });
  bytes.writeUInt32BE(crc32c(bytes.subarray(COUNT_AT)), CRC_AT);
  return bytes;
}

/** The producers of a snapshot. Throws {@link OdradekError} `ODR_CORRUPT` that names the file and what is wrong with it. */
export function decodeProducerSnapshot(path: string, bytes: Buffer): ProducerState[] {
  const corrupt = (reason: string) => new OdradekError('ODR_CORRUPT', `${path}: ${reason}`);
  if (bytes.length < HEADER_BYTES) throw corrupt(`${bytes.length} bytes are no producer snapshot`);
  const version = bytes.readInt16BE(0);
  if (version !== VERSION) throw corrupt(`producer snapshot version ${version}, only ${VERSION} is known`);
  const count = bytes.readInt32BE(COUNT_AT);
  if (bytes.length !== HEADER_BYTES + count * ENTRY_BYTES) {
    throw corrupt(`${bytes.length} bytes cannot hold ${count} producers`);
  }
  if (bytes.readUInt32BE(CRC_AT) !== crc32c(bytes.subarray(COUNT_AT))) throw corrupt('the checksum is wrong');
  return Array.from({ length: count }, (_, index) => decodeEntry(bytes, HEADER_BYTES + index * ENTRY_BYTES));
}

function decodeEntry(bytes: Buffer, at: number): ProducerState {
  const usedAtMs = readInt64(bytes, at + 26);
  return {
    producerId: readInt64(bytes, at),
    epoch: bytes.readInt16BE(at + 8),
    usedAtMs,
    coordinatorEpoch: bytes.readInt32BE(at + 34),
    transactionFirstOffset: readInt64(bytes, at + 38),
    batches: decodeBatch(bytes, at, usedAtMs),
  };
}

function decodeBatch(bytes: Buffer, at: number, timestampMs: number): KnownBatch[] {
  const lastSequence = bytes.readInt32BE(at + 10);
  const lastOffset = readInt64(bytes, at + 14);
  const offsetDelta = bytes.readInt32BE(at + 22);
  if (lastSequence < 0) return [];
  const firstSequence = lastSequence - offsetDelta;
  return [
    {
      // Of a batch in which 2^31 - 1 was followed by 0.
      firstSequence: firstSequence < 0 ? firstSequence + 2 ** 31 : firstSequence,
      lastSequence,
      baseOffset: lastOffset - offsetDelta,
      lastOffset,
      timestampMs,
    },
  ];
}
