import type { BrokerConfig } from '../config/broker-config.js';

type Settings = Pick<BrokerConfig, 'recoveryThreadsPerDataDirectory' | 'dataDirectories' | 'workers'>;

/** How many logs are scanned at a time after a crash, on all workers together; one a worker at least. */
export function recoveryThreads(config: Settings): number {
  return recoveryThreadsPerWorker(config) * config.workers;
}

/** A worker's share of `num.recovery.threads.per.data.dir`. */
export function recoveryThreadsPerWorker({
  recoveryThreadsPerDataDirectory: perDirectory,
  dataDirectories,
  workers,
}: Settings): number {
  return Math.max(1, Math.ceil((perDirectory * dataDirectories.length) / workers));
}
