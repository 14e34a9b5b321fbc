// Which segments a log no longer has to keep. Whole segments only, the oldest first, in a row. Source: Kafka documentation,
// "Topic Configs" (retention.ms, retention.bytes) and "Log Retention"; KIP-107 for the log start offset.
import type { Offset } from '../base/ids.js';
import type { LogConfig } from './log-config.js';

export interface RetentionSegment {
  readonly baseOffset: Offset;
  readonly bytes: number;
  readonly maxTimestampMs: number;
  /** Stands in for the timestamp of a segment that has none. */
  readonly openedAtMs: number;
}

export interface RetentionState {
  readonly config: LogConfig;
  readonly nowMs: number;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** Only what lies below is deleted: the high watermark. */
  readonly limitOffset: Offset;
}

export type RetentionReason = 'log-start-offset' | 'retention.ms' | 'retention.bytes';

/**
 * How many of the leading segments may go, and why the last of them may. The active segment, which is the last one of the
 * list, counts if retention by time or size takes all before it and it too, and it is not empty.
 */
export function deletableSegments(
  segments: readonly RetentionSegment[],
  { config, nowMs, logStartOffset, logEndOffset, limitOffset }: RetentionState,
): { count: number; reason: RetentionReason | null } {
  let excessBytes = segments.reduce((sum, { bytes }) => sum + bytes, -config.retentionBytes);
  let reason: RetentionReason | null = null;
  let count = 0;
  for (const segment of segments) {
    const active = count === segments.length - 1;
    const endOffset = segments[count + 1]?.baseOffset ?? logEndOffset;
    if (endOffset > limitOffset || (active && segment.bytes === 0)) break;
    const timestampMs = segment.maxTimestampMs >= 0 ? segment.maxTimestampMs : segment.openedAtMs;
    if (!active && endOffset <= logStartOffset) reason = 'log-start-offset';
    else if (config.retentionMs >= 0 && nowMs - timestampMs > config.retentionMs) reason = 'retention.ms';
    else if (config.retentionBytes >= 0 && excessBytes >= segment.bytes) reason = 'retention.bytes';
    else break;
    excessBytes -= segment.bytes;
    count++;
  }
  return { count, reason };
}
