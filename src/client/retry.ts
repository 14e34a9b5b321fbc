import { asOdradekError } from './as-odradek-error.js';
import { backoffMs } from './backoff.js';
import { pause } from './client-clock.js';
import type { Cluster } from './cluster.js';

const RETRY_BACKOFF = { firstMs: 50, maxMs: 1000 };
/** A topic that is missing may have been created a moment ago; a misspelt one should be said soon. */
const UNKNOWN_TOPIC_WAIT_MS = 1000;

/**
 * Tries until it works, the error is not one that passes, the time is over or the signal aborted (by default that of
 * the closed cluster): then throws the last error, an OdradekError. `operation` gets the number of tries that failed.
 */
export async function retry<Result>(
  cluster: Cluster,
  { timeoutMs, signal = cluster.signal }: { timeoutMs: number; signal?: AbortSignal },
  operation: (failures: number) => Promise<Result>,
): Promise<Result> {
  const { clock, random } = cluster.options;
  const startMs = clock.monotonicMs();
  for (let failures = 0; ; ) {
    try {
      return await operation(failures);
    } catch (thrown) {
      const error = asOdradekError(thrown);
      const isUnknownTopic = error.errorName === 'UNKNOWN_TOPIC_OR_PARTITION';
      const waitMaxMs = isUnknownTopic ? Math.min(UNKNOWN_TOPIC_WAIT_MS, timeoutMs) : timeoutMs;
      const waitedMs = clock.monotonicMs() - startMs;
      if (!error.retriable || waitedMs >= waitMaxMs || signal.aborted) throw error;
    }
    failures++;
    await pause(clock, backoffMs(failures, RETRY_BACKOFF, random), signal);
  }
}
