// What is drawn once for a history: limits that its log reaches quickly.
import type { Random } from '../../../src/base/random.js';
import type { CompactionConfig, LogConfig } from '../../../src/log/log-config.js';
import { chance, pick } from '../../simulation/streams.js';
import { CONFIG } from '../log-fixture.js';

export type Policy = 'delete' | 'compact' | 'compact,delete';

export function drawPolicy(random: Random): Policy {
  return pick(random, ['delete', 'compact', 'compact', 'compact,delete'] as const);
}

/** The limits that stay the same whatever the policy is. */
export function drawLimits(random: Random): LogConfig {
  return {
    ...CONFIG,
    segmentBytes: 300 + random.below(2500),
    segmentMs: 500 + random.below(5000),
    segmentJitterMs: random.below(200),
    segmentIndexBytes: 60 + random.below(200),
    indexIntervalBytes: random.below(400),
    flushMessages: chance(random, 0.3) ? 1 + random.below(40) : Number.POSITIVE_INFINITY,
    flushMs: chance(random, 0.5) ? 1 + random.below(500) : Number.POSITIVE_INFINITY,
    fileDeleteDelayMs: random.below(300),
  };
}

/** The same limits under another policy, whose own limits are drawn anew. */
export function withPolicy(limits: LogConfig, policy: Policy, random: Random): LogConfig {
  const deletes = policy !== 'compact';
  return {
    ...limits,
    deletes,
    retentionMs: deletes && chance(random, 0.6) ? 500 + random.below(4000) : -1,
    retentionBytes: deletes && chance(random, 0.6) ? 2000 + random.below(8000) : -1,
    compaction: policy === 'delete' ? null : drawCompaction(random),
  };
}

function drawCompaction(random: Random): CompactionConfig {
  return {
    minDirtyRatio: pick(random, [0, 0.1, 0.5]),
    minLagMs: chance(random, 0.25) ? random.below(2000) : 0,
    maxLagMs: chance(random, 0.25) ? 500 + random.below(3000) : Number.POSITIVE_INFINITY,
    deleteRetentionMs: pick(random, [0, 200, 2000]),
    maxMessageBytes: 1024 * 1024,
  };
}
