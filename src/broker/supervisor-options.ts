// What the supervisor is given to work with. Its parts take what they need of it.
import type { Clock } from '../base/clock.js';
import type { BrokerId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { BrokerConfig } from '../config/broker-config.js';
import type { Jobs } from '../io/jobs.js';
import type { LogRecovery } from '../log/open-log.js';
import type { MetadataImage } from '../metadata/image.js';
import type { MetadataStore } from '../metadata/metadata-store.js';
import type { DataDirectories } from './data-directories.js';
import type { SupervisorEvent, SupervisorReply } from './messages.js';

export interface SupervisorOptions {
  readonly brokerId: BrokerId;
  readonly config: BrokerConfig;
  readonly metadata: MetadataStore;
  /** What the store held at the revision from which the supervisor watches it. */
  readonly image: MetadataImage;
  readonly revision: number;
  readonly data: DataDirectories;
  readonly jobs: Jobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tell: (event: SupervisorEvent) => void;
  /** What a worker that died had published of a slot, or null if that cannot be known. */
  readonly publishedBy: (worker: number, slot: number, generation: number) => LogRecovery | null;
}

/** Answers a command; called once. */
export type AnswerCommand = (reply: SupervisorReply) => void;

/** What a worker does without reading and writing much takes no longer. */
export const WORKER_DEADLINE_MS = 30_000;
