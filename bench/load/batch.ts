import { encodeFrame, encodeFrameHead } from '../../src/protocol/native/frame.js';
import type { RequestBody, ResponseBody } from '../../src/protocol/native/messages.js';
import { encodeRequestHeader } from '../../src/protocol/native/request-header.js';
import { encodeResponseHeader } from '../../src/protocol/native/response-header.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BATCH_HEADER_BYTES } from '../../src/record/batch-header.js';

/** Not one byte over and over, and the same in every run. */
function recordValue(bytes: number): Buffer {
  const value = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; at++) value[at] = (at * 167 + (at >> 8)) & 0xff;
  return value;
}

export interface LoadBatch {
  readonly bytes: Buffer;
  readonly records: number;
}

/** An uncompressed batch of as many records with values of `recordBytes` as fit into `batchBytes`, one at least. */
export function buildBatch(batchBytes: number, recordBytes: number, timestampMs = Date.now()): LoadBatch {
  const builder = new BatchBuilder();
  const record = { timestampMs, key: null, value: recordValue(recordBytes), headers: [] };
  do builder.add(record);
  while (builder.bytesWith(record) <= batchBytes);
  const records = builder.recordCount;
  return { bytes: builder.build(), records };
}

/** The batch of one record. */
export function buildRecord(recordBytes: number, timestampMs = Date.now()): LoadBatch {
  return buildBatch(BATCH_HEADER_BYTES, recordBytes, timestampMs);
}

export interface ProduceTarget {
  readonly correlationId: number;
  readonly topic: string;
  readonly partition: number;
}

/** A whole request in one piece. */
export function produceFrame({ correlationId, topic, partition }: ProduceTarget, batch: Buffer): Buffer {
  const partitions = [{ topic, partition, recordsBytes: batch.length }];
  return Buffer.concat(
    encodeFrame(requestHeader(correlationId, { type: 'produce', acks: 'all', partitions }), [batch]),
  );
}

/** A request without payload. */
export function requestFrame(correlationId: number, body: RequestBody): Buffer {
  return encodeFrameHead(requestHeader(correlationId, body), 0);
}

function requestHeader(correlationId: number, body: RequestBody): Uint8Array {
  return encodeRequestHeader({ correlationId, timeoutMs: 0, body });
}

/** What a pump answers to each request: an answer like a broker's, always the same. */
export function pumpAnswer(): Buffer {
  const partitions = [{ error: null, baseOffset: 1, logAppendTimeMs: -1, logStartOffset: 0 }];
  const body: ResponseBody = { type: 'produce', partitions };
  return encodeFrameHead(encodeResponseHeader({ correlationId: 1, error: null, body }), 0);
}
