// Headers of batches as idempotent producers write them, without the records.
import { writeInt64 } from '../../src/base/int64.js';
import {
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
} from '../../src/record/batch-header.js';

export interface HeaderSpec {
  readonly producerId?: number;
  readonly epoch?: number;
  readonly sequence: number;
  /** Records; 1 if absent. */
  readonly count?: number;
  readonly baseOffset?: number;
  readonly timestampMs?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
}

export function header(spec: HeaderSpec): Buffer {
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES);
  writeInt64(bytes, 0, spec.baseOffset ?? 0);
  const flags = (spec.transactional ? ATTRIBUTE_TRANSACTIONAL : 0) | (spec.control ? ATTRIBUTE_CONTROL : 0);
  bytes.writeInt16BE(flags, 21);
  bytes.writeInt32BE((spec.count ?? 1) - 1, 23);
  writeInt64(bytes, 35, spec.timestampMs ?? 0);
  writeInt64(bytes, 43, spec.producerId ?? 1);
  bytes.writeInt16BE(spec.epoch ?? 0, 51);
  bytes.writeInt32BE(spec.sequence, 53);
  return bytes;
}
