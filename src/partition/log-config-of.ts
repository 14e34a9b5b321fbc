import type { TopicConfig } from '../config/topic-config.js';
import type { LogConfig } from '../log/log-config.js';

/** What the log of a partition needs of its topic's settings. */
export function logConfigOf(config: TopicConfig): LogConfig {
  const { cleanupPolicy, minCompactionLagMs, maxCompactionLagMs } = config;
  const compaction = {
    minDirtyRatio: config.minCleanableDirtyRatio,
    minLagMs: minCompactionLagMs,
    // The broker's default for the one may contradict the topic's setting of the other.
    maxLagMs: Math.max(minCompactionLagMs, maxCompactionLagMs),
    deleteRetentionMs: config.deleteRetentionMs,
    maxMessageBytes: config.maxMessageBytes,
  };
  return {
    ...config,
    // The actor sees to flush.messages, because acknowledgements wait for such a flush.
    flushMessages: Number.POSITIVE_INFINITY,
    deletes: cleanupPolicy.includes('delete'),
    compaction: cleanupPolicy.includes('compact') ? compaction : null,
  };
}
