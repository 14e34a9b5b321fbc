// The partitions that the supervisor's own thread hosts: those of internal topics, so that what a coordinator appends crosses no
// thread. They are hosted as on any worker: rings and views in shared memory, so that the router reads them as all others.
// Nothing comes by the rings but news of the views, because no client may produce to an internal topic.
import { createRing, RingConsumer, type RingMemory, RingProducer } from '../actor/descriptor-ring.js';
import type { Doorbell } from '../actor/doorbell.js';
import { createViews } from '../actor/view.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { resolveTopicConfig } from '../config/topic-config.js';
import type { Disk } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import { compactionSettings } from '../partition/compaction-settings.js';
import { LocalPartition } from '../partition/local-partition.js';
import type { PartitionCommand, PartitionEvent, PartitionReply } from '../partition/messages.js';
import { PartitionHost } from '../partition/partition-host.js';
import { BATCH_HEADER_BYTES } from '../record/batch-header.js';
import type { RouteImage, WorkerMemory } from './messages.js';
import { OWN_SLOTS, type PartitionWorker } from './placement.js';

export interface OwnWorkerOptions {
  readonly config: BrokerConfig;
  readonly disk: Disk;
  readonly jobs: Jobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The bell of a ring between this thread and the router's: who waits is this thread, or the other. */
  readonly bell: (ring: RingMemory, waits: 'here' | 'there') => Doorbell;
  /** Runs a function in a later turn of the event loop. */
  readonly later: (run: () => void) => void;
  readonly tell: (event: PartitionEvent) => void;
}

/** Only news of views pass here, one for each partition at a time. */
const RING_CAPACITY = 2 * OWN_SLOTS;

export class OwnWorker implements PartitionWorker {
  readonly memory: WorkerMemory;
  readonly #options: OwnWorkerOptions;
  readonly #host: PartitionHost;

  constructor(options: OwnWorkerOptions) {
    const { config, disk, jobs, clock, random, logger, bell, later, tell } = options;
    const submissions = createRing(2);
    const completions = createRing(RING_CAPACITY);
    this.#options = options;
    this.memory = { submissions, completions, views: createViews(OWN_SLOTS) };
    this.#host = new PartitionHost({
      submissions: new RingConsumer(submissions, bell(submissions, 'here')),
      completions: new RingProducer(completions, bell(completions, 'there')),
      views: this.memory.views,
      memory: Buffer.alloc(0),
      disk,
      jobs,
      clock,
      random,
      logger,
      retentionCheckIntervalMs: config.logRetentionCheckIntervalMs,
      compaction: compactionSettings(config),
      tell,
      later,
      thread: 'supervisor',
    });
  }

  ask(command: PartitionCommand, deadlineMs: number, reply: (reply: PartitionReply) => void): void {
    const { clock } = this.#options;
    let answered = false;
    const answer = (result: PartitionReply) => {
      if (answered) return;
      answered = true;
      clock.cancel(timer);
      reply(result);
    };
    const detail = `no reply within ${deadlineMs} ms`;
    const timer = clock.after(deadlineMs, () =>
      answer({ type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER', detail }),
    );
    this.#host.receive(command, (result) => clock.after(0, () => answer(result)));
  }

  /** A partition that is open here, for somebody on this thread. */
  partition(
    { slot, generation, directory }: RouteImage,
    overrides: Readonly<Record<string, string>>,
  ): LocalPartition {
    const { config, disk, clock } = this.#options;
    const { maxMessageBytes, segmentBytes } = resolveTopicConfig(config, Object.entries(overrides)).config;
    return new LocalPartition({
      host: this.#host,
      views: this.memory.views,
      slot,
      generation,
      directory,
      disk,
      clock,
      // With settings that leave room for nothing every append is refused as too large.
      batchBytesMax: Math.max(BATCH_HEADER_BYTES, Math.min(maxMessageBytes, segmentBytes)),
    });
  }
}
