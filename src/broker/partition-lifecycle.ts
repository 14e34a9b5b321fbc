// Opens partitions on workers, keeps them open when a worker dies, and closes them.
//
// A partition is opened in steps, any of which may fail or be overtaken (the topic is deleted, the worker dies); each
// attempt has a generation, and a step of an old generation does nothing:
//
//   closed → raising: slot taken, the leader epoch is raised in the metadata store → ready: waits until its worker runs →
//   opening: the worker opens the log → open
//
// A partition whose log or data directory failed is offline: it keeps its slot, because its worker still holds what is left of
// it, and clients are told that the disk is to blame.
import type { ErrorName } from '../base/errors.js';
import { resolveTopicConfig, type TopicConfig } from '../config/topic-config.js';
import type { MetadataCommit } from '../metadata/metadata-store.js';
import { encodeRecord, partitionKey, type TopicRecord, topicKey } from '../metadata/schema.js';
import type {
  PartitionCommand,
  PartitionEvent,
  PartitionName,
  PartitionReply,
} from '../partition/messages.js';
import type { LocatedPartition } from './data-directories.js';
import { failed } from './messages.js';
import { type PartitionWorker, Placement, SLOTS_PER_WORKER, type WorkerSlots } from './placement.js';
import { type AnswerCommand, type SupervisorOptions, WORKER_DEADLINE_MS } from './supervisor-options.js';
import { nextEpoch, type SupervisedPartition, type TopicRegistry } from './topic-registry.js';

/** Recovery after a crash scans up to a segment; a slow disk takes its time. */
const OPEN_DEADLINE_MS = 10 * 60_000;
/** A stop flushes and closes all that a worker hosts: thousands of logs, on a disk that may be busy. */
const DRAIN_DEADLINE_MS = 9 * 60_000;
/** Another change of the topic was on its way to the metadata store: the epoch is written when that is through. */
const CONFLICT_RETRY_MS = 10;
const CONFLICTS_MAX = 100;
/** A worker that dies more often than this within the window takes the broker down. */
const DEATHS_MAX = 10;
const DEATHS_WINDOW_MS = 60_000;

/** An opening whose leader epoch is to be raised. */
interface Raising {
  readonly partition: SupervisedPartition;
  readonly generation: number;
  readonly directoryId: string;
  /** What comes before: see {@link LocatedPartition}. */
  readonly clear: LocatedPlace['clear'];
  readonly worker: WorkerSlots<SupervisedPartition>;
}

type LocatedPlace = Exclude<LocatedPartition, { readonly failure: string }>;

type LogFailed = Extract<PartitionEvent, { readonly type: 'offline' }>;

export class PartitionLifecycle {
  readonly #options: SupervisorOptions;
  readonly #registry: TopicRegistry;
  readonly #placement: Placement<SupervisedPartition>;
  readonly #configs = new WeakMap<TopicRecord, TopicConfig>();
  #generation = 0;
  #stopping = false;

  constructor(options: SupervisorOptions, registry: TopicRegistry) {
    this.#options = options;
    this.#registry = registry;
    this.#placement = new Placement(options.config.workers, SLOTS_PER_WORKER);
  }

  /** How many partitions the workers could host, taken slots included. */
  get slots(): number {
    return this.#placement.workers.length * SLOTS_PER_WORKER;
  }

  /** Whether a log whose worker died has not been opened again. */
  get lacksRecovery(): boolean {
    return this.unrecovered > 0;
  }

  /** How many logs of workers that died have not been opened again. O(partitions). */
  get unrecovered(): number {
    let count = 0;
    for (const { partitions } of this.#registry.topics()) {
      for (const { recovery } of partitions) if (recovery !== null) count++;
    }
    return count;
  }

  // ---------------------------------------------------------------------------------------------------------- open

  /** `reply` is called when it is open and its route has been told, at once if it is open already. */
  open(partition: SupervisedPartition, reply: AnswerCommand): void {
    this.openAll([partition], reply);
  }

  /** The same for several, `reply` once for each: their epochs are raised together. */
  openAll(partitions: readonly SupervisedPartition[], reply: AnswerCommand): void {
    const verified = new Set<string>();
    const begun: Raising[] = [];
    for (const partition of partitions) {
      const raising = this.#begin(partition, verified, reply);
      if (raising) begun.push(raising);
    }
    const raising = begun.filter(({ clear }) => clear === null);
    if (raising.length > 0) this.#raiseEpochs(raising);
    for (const one of begun) if (one.clear) this.#clearFirst(one, one.clear);
    for (const worker of new Set(begun.map(({ worker }) => worker))) this.#ensureRunning(worker);
  }

  /** An epoch says where the partition lies: from then on the folder of its name there is taken for its own. */
  #clearFirst(raising: Raising, clear: NonNullable<Raising['clear']>): void {
    const { partition, generation } = raising;
    clear((error) => {
      if (partition.generation !== generation) return;
      if (!error) this.#raiseAgain(raising, 0);
      else {
        const { topic, partition: index } = partition;
        const { message: reason } = error;
        this.#options.logger.error('partition cannot be opened', { topic, partition: index, reason });
        this.#failOpening(partition, 'KAFKA_STORAGE_ERROR', reason);
      }
    });
  }

  /** The first step: whose epoch is to be raised; null if it is open, or on its way, or cannot be opened. */
  #begin(partition: SupervisedPartition, verified: Set<string>, reply: AnswerCommand): Raising | null {
    if (partition.phase === 'open') {
      reply({ type: 'done' });
      return null;
    }
    if (partition.phase === 'offline') {
      reply(failed('KAFKA_STORAGE_ERROR', partition.offlineReason));
      return null;
    }
    partition.waiting.push(reply);
    if (partition.phase !== 'closed') return null;
    const isInternal = this.#registry.get(partition.topic)?.record.internal === true;
    const place = this.#locate(partition, isInternal, verified);
    if (place === null) return null;
    const worker = isInternal ? this.#placement.own : this.#placement.leastLoaded();
    const slot = worker.add(partition);
    partition.phase = 'raising';
    partition.worker = worker;
    partition.slot = slot;
    const generation = ++this.#generation;
    partition.generation = generation;
    if (slot < 0) {
      partition.worker = null;
      this.#failOpening(partition, 'POLICY_VIOLATION', 'This broker has no room for more partitions.');
      return null;
    }
    const { directoryId, clear } = place;
    return { partition, generation, directoryId, clear, worker };
  }

  /** Where the partition lies; null if it cannot be opened, which has been answered then. */
  #locate(partition: SupervisedPartition, internal: boolean, verified: Set<string>): LocatedPlace | null {
    const { image, data, logger } = this.#options;
    const { topic, topicId, partition: index } = partition;
    const state = image.partition(topicId, index);
    const toLocate = {
      ...{ topic, topicId, partition: index, internal },
      existed: state !== undefined,
      directoryId: state?.directoryId ?? null,
    };
    const located = data.locate(toLocate, verified);
    if ('failure' in located) {
      // Whoever asks for it hears why; the log says it once.
      if (partition.offlineReason !== located.failure)
        logger.error('partition cannot be opened', { topic, partition: index, reason: located.failure });
      partition.offlineReason = located.failure;
      this.#failOpening(partition, 'KAFKA_STORAGE_ERROR', located.failure);
      return null;
    }
    partition.folder = located.folder;
    partition.offlineReason = '';
    return located;
  }

  /** In one change of the metadata; if another one came in between, each by itself. */
  #raiseEpochs(raising: readonly Raising[], conflicts = 0): void {
    const { clock, image, metadata } = this.#options;
    const changes = raising.map((one) => this.#changeOf(one));
    const topics = new Set(raising.map(({ partition }) => partition.topic));
    // A topic that is gone gets no more epochs.
    const existing = [...topics].map((topic) => ({
      key: topicKey(topic),
      modRevision: image.topicRevision(topic),
    }));
    const commit: MetadataCommit = {
      compare: [...changes.map(({ compare }) => compare), ...existing],
      puts: changes.map(({ put }) => put),
      deletes: [],
    };
    metadata.commit(commit, (result) => {
      const current = raising.filter(({ partition, generation }) => partition.generation === generation);
      if (result.type === 'committed') {
        for (const { partition } of current) {
          partition.phase = 'ready';
          this.#openOnWorker(partition);
        }
      } else if (result.type === 'conflict' && conflicts < CONFLICTS_MAX) {
        clock.after(CONFLICT_RETRY_MS, () => {
          for (const one of current) this.#raiseAgain(one, conflicts + 1);
        });
      } else {
        const { error, reason } =
          result.type === 'failed'
            ? result
            : ({
                error: 'NOT_LEADER_OR_FOLLOWER',
                reason: 'The leader epoch could not be written.',
              } as const);
        for (const { partition } of current) this.#failOpening(partition, error, reason);
      }
    });
  }

  #raiseAgain(raising: Raising, conflicts: number): void {
    const { partition, generation } = raising;
    if (partition.generation !== generation) return;
    if (this.#registry.exists(partition)) this.#raiseEpochs([raising], conflicts);
    else this.#failOpening(partition, 'UNKNOWN_TOPIC_OR_PARTITION', 'The topic was deleted.');
  }

  #changeOf({ partition: { topicId, partition }, directoryId }: Raising) {
    const { image, brokerId } = this.#options;
    const state = image.partition(topicId, partition);
    const key = partitionKey(topicId, partition);
    const leaderEpoch = nextEpoch(state);
    const value = encodeRecord({ leader: brokerId, leaderEpoch, inSyncReplicas: [brokerId], directoryId });
    return { compare: { key, modRevision: state?.modRevision ?? 0 }, put: { key, value } };
  }

  /** The last step, when both the epoch is written and the worker runs. */
  #openOnWorker(partition: SupervisedPartition): void {
    const { worker, slot, generation, topic, topicId, partition: index } = partition;
    const { image, data, config, logger } = this.#options;
    const state = image.partition(topicId, index);
    const record = this.#registry.get(topic)?.record;
    if (partition.phase !== 'ready' || !worker?.worker || !state || !record || this.#stopping) return;
    partition.phase = 'opening';
    const { folder: directory } = partition;
    const leaderEpoch = state.leaderEpoch;
    worker.worker.ask(
      {
        type: 'open',
        topic,
        topicId,
        partition: index,
        directory,
        slot,
        generation,
        leaderEpoch,
        config: this.#configOf(record),
        recovery: partition.recovery ?? data.recoveryFor(topic, index),
        logStartOffset: data.logStartOffset(topic, index),
        firstDirtyOffset: data.firstDirtyOffset(topic, index),
        producerIdExpirationMs: config.producerIdExpirationMs,
      },
      OPEN_DEADLINE_MS,
      (reply) => {
        if (partition.generation !== generation) return;
        if (reply.type !== 'opened') {
          const reason = reply.type === 'failed' ? reply.detail : 'The worker gave no sense.';
          logger.error('partition cannot be opened', { topic, partition: index, reason });
          this.#failOpening(
            partition,
            reply.type === 'failed' ? reply.error : 'UNKNOWN_SERVER_ERROR',
            reason,
          );
          return;
        }
        // What a recovery cut must not count as safe on disk once other records take its place.
        data.opened(reply.checkpoint, () => {
          if (partition.generation !== generation || partition.phase !== 'opening') return;
          const offline = data.offline(topic, index);
          if (offline !== null) {
            this.#setOffline(partition, offline);
            return;
          }
          partition.phase = 'open';
          partition.recovery = null;
          const route = {
            topic,
            topicId,
            partition: index,
            worker: worker.index,
            slot,
            generation,
            leaderEpoch,
            epochs: reply.epochs,
            directory,
          };
          this.#options.tell({ type: 'routed', route });
          for (const waiting of partition.waiting.splice(0)) waiting({ type: 'done' });
        });
      },
    );
  }

  /** Resolved once for all partitions of a topic. */
  #configOf(record: TopicRecord): TopicConfig {
    const known = this.#configs.get(record);
    if (known) return known;
    const { config } = resolveTopicConfig(this.#options.config, Object.entries(record.overrides));
    this.#configs.set(record, config);
    return config;
  }

  #failOpening(partition: SupervisedPartition, error: ErrorName, detail: string): void {
    this.#release(partition);
    for (const waiting of partition.waiting.splice(0)) waiting(failed(error, detail));
  }

  #release(partition: SupervisedPartition): void {
    if (partition.worker && partition.slot >= 0) partition.worker.remove(partition.slot);
    partition.worker = null;
    partition.slot = -1;
    partition.phase = 'closed';
  }

  // -------------------------------------------------------------------------------------------------------- offline

  /** The partitions that are offline. O(partitions). */
  get offline(): readonly PartitionName[] {
    const offline: PartitionName[] = [];
    for (const { partitions } of this.#registry.topics())
      for (const partition of partitions) if (partition.phase === 'offline') offline.push(partition);
    return offline;
  }

  /** A log failed. Its worker holds on to it until it is drained. */
  logFailed({ topic, partition: index, generation, reason }: LogFailed): void {
    const partition = this.#registry.get(topic)?.partitions[index];
    if (partition?.generation !== generation) return;
    if (partition.phase !== 'open' && partition.phase !== 'opening') return;
    this.#setOffline(partition, `The log failed, and stays closed until the broker is restarted: ${reason}.`);
    this.#options.data.check(topic, partition.partition);
  }

  /** Takes the partitions of directories that died offline. */
  directoryDied(): void {
    const { data } = this.#options;
    for (const { partitions } of this.#registry.topics()) {
      for (const partition of partitions) {
        if (partition.phase !== 'open') continue; // One that is being opened fails, or is looked at when it is open.
        const reason = data.offline(partition.topic, partition.partition);
        if (reason !== null) this.#setOffline(partition, reason);
      }
    }
  }

  #setOffline(partition: SupervisedPartition, reason: string): void {
    const { topic, partition: index } = partition;
    partition.phase = 'offline';
    partition.offlineReason = reason;
    this.#options.tell({
      type: 'unrouted',
      ...{ topic, partition: index, error: 'KAFKA_STORAGE_ERROR', detail: reason },
    });
    for (const waiting of partition.waiting.splice(0)) waiting(failed('KAFKA_STORAGE_ERROR', reason));
  }

  // --------------------------------------------------------------------------------------------------- while open

  /** Asks the worker of an open partition something; `reply` is called once, maybe at once. */
  ask(
    { phase, worker }: SupervisedPartition,
    command: PartitionCommand,
    reply: (reply: PartitionReply) => void,
  ): void {
    if (phase === 'open' && worker?.worker) worker.worker.ask(command, WORKER_DEADLINE_MS, reply);
    else reply(failed('NOT_LEADER_OR_FOLLOWER', 'The partition is not open.'));
  }

  /** Has the configs of partitions of one topic change; those that are closed get theirs when they are opened. */
  configure(partitions: readonly SupervisedPartition[], config: TopicConfig, done: () => void): void {
    let left = 1;
    const ended = () => {
      if (--left === 0) done();
    };
    for (const { phase, worker, slot } of partitions) {
      // A worker that opens the log now was given the configs of before, and looks at the new ones when it has.
      if ((phase !== 'open' && phase !== 'opening') || !worker?.worker) continue;
      left++;
      const deadlineMs = phase === 'opening' ? OPEN_DEADLINE_MS : WORKER_DEADLINE_MS;
      // A worker that does not answer dies: then the partitions are opened anew.
      worker.worker.ask({ type: 'configure', slot, config }, deadlineMs, ended);
    }
    ended();
  }

  // --------------------------------------------------------------------------------------------------------- close

  /** Has the workers let go of partitions whose topic is deleted; their folders are renamed on the way. */
  closeForDeletion(partitions: readonly SupervisedPartition[], done: () => void): void {
    let left = 1;
    const ended = () => {
      if (--left === 0) done();
    };
    for (const partition of partitions) {
      const { worker, slot, phase } = partition;
      if (!worker || phase === 'closed') continue;
      left++;
      const generation = ++this.#generation;
      partition.generation = generation; // What is under way for it is void from here on.
      for (const waiting of partition.waiting.splice(0))
        waiting(failed('UNKNOWN_TOPIC_OR_PARTITION', 'The topic was deleted.'));
      const release = () => {
        if (partition.generation === generation && partition.worker) this.#release(partition);
        ended();
      };
      // A log that is being opened is deleted when it is open; until then its slot cannot be used again.
      const deadlineMs = phase === 'opening' ? OPEN_DEADLINE_MS : WORKER_DEADLINE_MS;
      if (worker.worker) worker.worker.ask({ type: 'delete', slot }, deadlineMs, release);
      else release();
    }
    ended();
  }

  /** Has all workers flush and close what they host. Nothing is opened any more. `done` gets what each of them says. */
  drain(done: (replies: readonly PartitionReply[]) => void): void {
    this.#stopping = true;
    const replies: PartitionReply[] = [];
    let left = 1;
    const ended = () => {
      if (--left === 0) done(replies);
    };
    for (const { worker } of this.#placement.all()) {
      if (!worker) continue;
      left++;
      worker.ask({ type: 'drain' }, DRAIN_DEADLINE_MS, (drained) => {
        replies.push(drained);
        ended();
      });
    }
    ended();
  }

  // ------------------------------------------------------------------------------------------------------- workers

  #ensureRunning(slots: WorkerSlots<SupervisedPartition>): void {
    if (slots.worker || slots.starting || this.#stopping) return;
    slots.starting = true;
    this.#options.tell({ type: 'start-worker', worker: slots.index });
  }

  workerStarted(index: number, worker: PartitionWorker): void {
    const slots = this.#placement.worker(index);
    if (!slots) return;
    slots.starting = false;
    slots.worker = worker;
    for (const partition of slots.partitions.values()) this.#openOnWorker(partition);
  }

  /** A worker's thread ended. Returns the partitions that it hosted and that are to be opened again, each with a new leader epoch. */
  workerExited(index: number, reason: string): readonly SupervisedPartition[] {
    const slots = this.#placement.worker(index);
    if (!slots || this.#stopping) return [];
    const { clock, data, logger, tell, publishedBy } = this.#options;
    slots.worker = null;
    slots.starting = false;
    const nowMs = clock.monotonicMs();
    slots.deathsMs.push(nowMs);
    while ((slots.deathsMs[0] ?? nowMs) < nowMs - DEATHS_WINDOW_MS) slots.deathsMs.shift();
    logger.error('partition worker died', { worker: index, reason, partitions: slots.partitions.size });
    if (slots.deathsMs.length > DEATHS_MAX) {
      tell({
        type: 'fatal',
        reason: `Partition worker ${index} died ${slots.deathsMs.length} times within a minute: ${reason}`,
      });
      return [];
    }
    const closed: SupervisedPartition[] = [];
    for (const partition of [...slots.partitions.values()]) {
      if (partition.phase === 'open') {
        // If it cannot be known what was published, all that is not durable is verified.
        partition.recovery =
          publishedBy(index, partition.slot, partition.generation) ??
          data.recoveryAfterDeath(partition.topic, partition.partition);
        tell({
          type: 'unrouted',
          topic: partition.topic,
          partition: partition.partition,
          error: 'NOT_LEADER_OR_FOLLOWER',
        });
      }
      const isOffline = partition.phase === 'offline';
      this.#release(partition);
      if (isOffline) partition.phase = 'offline';
      else if (this.#registry.exists(partition)) closed.push(partition);
    }
    return closed;
  }
}
