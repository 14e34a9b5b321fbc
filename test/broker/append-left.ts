import { toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import type { Log } from '../../src/log/log.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import type { CodecName } from '../../src/record/compression/codec.js';

export interface Left {
  /** The timestamps of the records that are left, by their place in the batch. */
  readonly timestamps: Readonly<Record<number, number>>;
  readonly lastOffsetDelta: number;
  /** What the header says; compaction leaves it in a batch of which nothing else is left. */
  readonly maxTimestampMs?: number;
  readonly codec?: CodecName;
}

/** Appends a batch as compaction leaves it. */
export function appendLeft(log: Log, { timestamps, lastOffsetDelta, ...options }: Left): void {
  const builder = new BatchBuilder();
  for (const [delta, timestampMs] of Object.entries(timestamps)) {
    const record = { timestampMs, key: Buffer.from('k'), value: Buffer.alloc(50), headers: [] };
    builder.add(record, Number(delta));
  }
  const baseOffset = log.logEndOffset;
  const leaderEpoch = toLeaderEpoch(0);
  const bytes = builder.build({ baseOffset, leaderEpoch, lastOffsetDelta, ...options });
  const lastOffset = toOffset(baseOffset + lastOffsetDelta);
  const maxTimestampMs = options.maxTimestampMs ?? Math.max(-1, ...Object.values(timestamps));
  const { error } = log.append([{ bytes, baseOffset, lastOffset, leaderEpoch, maxTimestampMs }]);
  if (error) throw error;
}
