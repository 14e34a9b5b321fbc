import type { BrokerConfig } from '../../config/broker-config.js';

/** The settings of the group coordinator. */
export interface GroupConfig {
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  readonly initialRebalanceDelayMs: number;
  /** Members of a group. */
  readonly sizeMax: number;
  readonly offsetMetadataBytesMax: number;
  readonly offsetsRetentionMs: number;
  readonly offsetsRetentionCheckIntervalMs: number;
}

const MINUTE_MS = 60_000;

export function groupConfigOf(config: BrokerConfig): GroupConfig {
  return {
    sessionTimeoutMinMs: config.groupMinSessionTimeoutMs,
    sessionTimeoutMaxMs: config.groupMaxSessionTimeoutMs,
    initialRebalanceDelayMs: config.groupInitialRebalanceDelayMs,
    sizeMax: config.groupMaxSize,
    offsetMetadataBytesMax: config.offsetMetadataMaxBytes,
    offsetsRetentionMs: config.offsetsRetentionMinutes * MINUTE_MS,
    offsetsRetentionCheckIntervalMs: config.offsetsRetentionCheckIntervalMs,
  };
}
