// Jobs that are there, with input that works and input that does not.
import { toOffset, ZERO_OFFSET } from '../../src/base/ids.js';
import type { SegmentScanInput } from '../../src/log/scan-segment.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';

/** A batch with records at the times 100, 101 and 102. */
export function sampleBatch(): Buffer {
  const builder = new BatchBuilder();
  for (const timestampMs of [100, 101, 102]) {
    builder.add({ timestampMs, key: null, value: Buffer.from(`at ${timestampMs}`), headers: [] });
  }
  return Buffer.from(builder.build({ baseOffset: toOffset(7) }));
}

export function scanOf(path: string): SegmentScanInput {
  return {
    path,
    baseOffset: ZERO_OFFSET,
    fromPosition: 0,
    minOffset: ZERO_OFFSET,
    endPosition: null,
    verifyFromOffset: 0,
    verifyFromPosition: 0,
    stopAtInvalid: true,
    indexIntervalBytes: 4096,
    maxTimestampMs: -1,
    maxTimestampOffset: -1,
  };
}
