import type { BrokerConfig } from '../config/broker-config.js';

/** How one thread compacts its partitions; plain data that may be sent between threads. */
export interface CompactionSettings {
  /** `log.cleaner.enable` */
  readonly isEnabled: boolean;
  /** `log.cleaner.backoff.ms` */
  readonly backoffMs: number;
  /** The thread's share of `log.cleaner.dedupe.buffer.size`. */
  readonly keysBytesMax: number;
  /** The thread's share of `log.cleaner.io.max.bytes.per.second`; Infinity: no limit. */
  readonly bytesPerSecondMax: number;
}

/** Kafka's default stands for "no limit"; so does what no disk reaches. */
const UNLIMITED_BYTES_PER_SECOND = 2 ** 53;

/** The settings of each thread that hosts partitions: the workers, and the supervisor's with those of internal topics. */
export function compactionSettings(
  config: Pick<
    BrokerConfig,
    | 'workers'
    | 'logCleanerEnable'
    | 'logCleanerBackoffMs'
    | 'logCleanerDedupeBufferSize'
    | 'logCleanerIoMaxBytesPerSecond'
  >,
): CompactionSettings {
  const threads = config.workers + 1;
  const bytesPerSecond = config.logCleanerIoMaxBytesPerSecond;
  return {
    isEnabled: config.logCleanerEnable,
    backoffMs: config.logCleanerBackoffMs,
    keysBytesMax: Math.floor(config.logCleanerDedupeBufferSize / threads),
    bytesPerSecondMax:
      bytesPerSecond < UNLIMITED_BYTES_PER_SECOND ? bytesPerSecond / threads : Number.POSITIVE_INFINITY,
  };
}
