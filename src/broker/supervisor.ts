// The supervisor: creates and deletes topics in the metadata store, places partitions on workers, has them opened when they
// are first used, and restarts workers that die. It runs in a worker of its own and is deterministic: commands and events
// come in, asks go down to the partition workers, events are told to the main thread.
//
// A partition is opened in steps, any of which may fail or be overtaken (the topic is deleted, the worker dies); each
// attempt has a generation, and a step of an old generation does nothing:
//
//   closed → raising: slot taken, the leader epoch is raised in the metadata store → ready: waits until its worker runs →
//   opening: the worker opens the log → open
import { assert, assertNever } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { ErrorName, Failure } from '../base/errors.js';
import {
  type BrokerId,
  type LeaderEpoch,
  type PartitionIndex,
  type TopicId,
  toLeaderEpoch,
  toPartitionIndex,
  toTopicId,
} from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Random, randomUuid } from '../base/random.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { resolveTopicConfig, validateTopicOverrides } from '../config/topic-config.js';
import { topicNameProblem } from '../config/topic-name.js';
import type { LogRecovery } from '../log/open-log.js';
import type { MetadataImage } from '../metadata/image.js';
import type { MetadataChange, MetadataCommit, MetadataStore } from '../metadata/metadata-store.js';
import {
  deletingKey,
  encodeRecord,
  PRODUCER_IDS_KEY,
  partitionKey,
  TOPIC_PREFIX,
  type TopicRecord,
  topicKey,
} from '../metadata/schema.js';
import type { PartitionEvent, PartitionName, PartitionReply } from '../partition/messages.js';
import type { DataDirectoryState } from './data-directory-state.js';
import {
  failed,
  type NewTopic,
  type PartitionImage,
  type PartitionSize,
  type SupervisorCommand,
  type SupervisorEvent,
  type SupervisorReply,
  type TopicImage,
} from './messages.js';
import { type PartitionWorker, Placement, SLOTS_PER_WORKER, type WorkerSlots } from './placement.js';

export interface SupervisorOptions {
  readonly brokerId: BrokerId;
  readonly config: BrokerConfig;
  readonly metadata: MetadataStore;
  /** What the store held at the revision from which the supervisor watches it. */
  readonly image: MetadataImage;
  readonly revision: number;
  readonly data: DataDirectoryState;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tell: (event: SupervisorEvent) => void;
  /** What a worker that died had published of a slot, or null if that cannot be known. */
  readonly publishedBy: (worker: number, slot: number, generation: number) => LogRecovery | null;
}

type Reply = (reply: SupervisorReply) => void;

interface Partition extends PartitionName {
  readonly topic: string;
  readonly topicId: TopicId;
  phase: 'closed' | 'raising' | 'ready' | 'opening' | 'open';
  generation: number;
  worker: WorkerSlots<Partition> | null;
  slot: number;
  /** How to open it next. */
  recovery: LogRecovery | null;
  readonly waiting: Reply[];
}

interface Topic {
  record: TopicRecord;
  readonly partitions: Partition[];
}

/** Topics up to this size are opened as soon as they are created, so that the first record does not wait for it. */
const OPENED_AT_CREATION_MAX = 64;
const WORKER_DEADLINE_MS = 30_000;
/** LogRecovery after a crash scans up to a segment; a slow disk takes its time. */
const OPEN_DEADLINE_MS = 10 * 60_000;
/** A worker that dies more often than this within the window takes the broker down. */
const DEATHS_MAX = 10;
const DEATHS_WINDOW_MS = 60_000;
const REMOVAL_RETRY_MS = 1000;
/** How many producer ids are set aside at a time (KIP-730); those of a block that a restart leaves over are lost. */
const PRODUCER_IDS_PER_BLOCK = 1000;
/** Unfinished commands at most. */
const COMMANDS_MAX = 10_000;

export class SupervisorActor {
  readonly #options: SupervisorOptions;
  readonly #topics = new Map<string, Topic>();
  readonly #placement: Placement<Partition>;
  /** Names of topics that are being created. */
  readonly #creating = new Set<string>();
  #generation = 0;
  #unfinished = 0;
  #stopping = false;
  readonly #background: Partition[] = [];
  /** Who wants a block of producer ids; the first one's is being written. */
  readonly #waitingForIds: Reply[] = [];
  /** Whether each log that a crash left behind has been recovered: a stop before that is no clean one. */
  #recovered: boolean;
  #backgroundSucceeded = true;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#placement = new Placement(options.config.workers, SLOTS_PER_WORKER);
    for (const [name, record] of options.image.topics) this.#topics.set(name, this.#topic(name, record));
    options.metadata.watch(options.revision, (changes) => this.#changed(changes));
    options.tell({
      type: 'topics',
      updated: [...this.#topics].map(([name, topic]) => this.#image(name, topic)),
      deleted: [],
    });
    for (const { topicId, name, partitions } of options.image.deleting.values()) {
      this.#removeFolders(topicId, name, partitions, () => {});
    }
    // After a crash all logs are recovered (a first use goes before); after a clean stop they wait for their first use, or
    // for the retention check.
    this.#recovered = options.data.clean;
    if (options.data.clean) this.#openAllAfter(options.config.logRetentionCheckIntervalMs);
    else this.#openAll();
  }

  receive(command: SupervisorCommand, answer: Reply): void {
    if (this.#stopping || this.#unfinished >= COMMANDS_MAX) {
      answer(
        failed(
          'THROTTLING_QUOTA_EXCEEDED',
          this.#stopping ? 'The broker is stopping.' : 'Too many commands wait.',
        ),
      );
      return;
    }
    this.#unfinished++;
    const reply: Reply = (result) => {
      this.#unfinished--;
      answer(result);
    };
    switch (command.type) {
      case 'create-topic':
        this.#createTopic(command.topic, command.validateOnly, reply);
        return;
      case 'delete-topic':
        this.#deleteTopic(command.name, reply);
        return;
      case 'open-partition':
        this.#openForRouter(command, reply);
        return;
      case 'describe-topic':
        this.#describeTopic(command.name, reply);
        return;
      case 'allocate-producer-ids':
        this.#allocateProducerIds(reply);
        return;
      case 'stop':
        this.#stop(reply);
        return;
      default:
        assertNever(command);
    }
  }

  // ------------------------------------------------------------------------------------------------------- topics

  #createTopic(topic: NewTopic, validateOnly: boolean, reply: Reply): void {
    const problem = this.#problemWith(topic);
    if (problem) {
      reply(failed(problem.error, problem.detail ?? ''));
      return;
    }
    const { name, overrides } = topic;
    const { random, brokerId, config, metadata, image } = this.#options;
    const partitions = topic.partitions || config.numPartitions;
    const record: TopicRecord = {
      topicId: toTopicId(randomUuid(random)),
      internal: false,
      overrides,
      replicas: Array.from({ length: partitions }, () => [brokerId]),
    };
    if (validateOnly) {
      reply({ type: 'topic', topic: this.#image(name, this.#topic(name, record)) });
      return;
    }
    this.#creating.add(name);
    const commit: MetadataCommit = {
      compare: [{ key: topicKey(name), modRevision: image.topicRevision(name) }],
      puts: [{ key: topicKey(name), value: encodeRecord(record) }],
      deletes: [],
    };
    metadata.commit(commit, (result) => {
      this.#creating.delete(name);
      const created = this.#topics.get(name);
      if (result.type !== 'committed' || created?.record.topicId !== record.topicId) {
        const reason =
          result.type === 'failed' ? result.reason : 'The topic was created or deleted by another request.';
        reply(failed(result.type === 'failed' ? 'UNKNOWN_SERVER_ERROR' : 'TOPIC_ALREADY_EXISTS', reason));
        return;
      }
      this.#options.logger.info('topic created', { topic: name, partitions });
      reply({ type: 'topic', topic: this.#image(name, created) });
      if (partitions <= OPENED_AT_CREATION_MAX)
        for (const partition of created.partitions) this.#open(partition, () => {});
    });
  }

  #problemWith({ name, partitions, replicationFactor, overrides }: NewTopic): Failure | null {
    const { config, image } = this.#options;
    const nameProblem = topicNameProblem(name);
    if (nameProblem !== null) return { error: 'INVALID_TOPIC_EXCEPTION', detail: nameProblem };
    if (this.#topics.has(name) || this.#creating.has(name)) {
      return { error: 'TOPIC_ALREADY_EXISTS', detail: `There is a topic ${JSON.stringify(name)} already.` };
    }
    for (const deleting of image.deleting.values()) {
      if (deleting.name === name)
        return { error: 'TOPIC_ALREADY_EXISTS', detail: 'The old topic of this name is being deleted.' };
    }
    const count = partitions || config.numPartitions;
    const room = this.#placement.workers.length * SLOTS_PER_WORKER - this.#partitionCount();
    if (count > room) {
      return {
        error: 'INVALID_PARTITIONS',
        detail: `This broker has room for ${room} more partitions, not ${count}.`,
      };
    }
    const replicas = replicationFactor || config.defaultReplicationFactor;
    if (replicas !== 1) {
      return {
        error: 'INVALID_REPLICATION_FACTOR',
        detail: `A replication factor of ${replicas} needs ${replicas} brokers; this is the only one.`,
      };
    }
    return validateTopicOverrides(Object.entries(overrides));
  }

  #deleteTopic(name: string, reply: Reply): void {
    const topic = this.#topics.get(name);
    if (!topic) {
      reply(failed('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic ${JSON.stringify(name)}.`));
      return;
    }
    const { metadata, image, logger } = this.#options;
    const { topicId, replicas } = topic.record;
    const record = { topicId, name, partitions: replicas.length };
    // Also of partitions that are being opened just now.
    const epochs = replicas.map((_, index) => partitionKey(topicId, index));
    const commit: MetadataCommit = {
      compare: [{ key: topicKey(name), modRevision: image.topicRevision(name) }],
      puts: [{ key: deletingKey(topicId), value: encodeRecord(record) }],
      deletes: [topicKey(name), ...epochs],
    };
    metadata.commit(commit, (result) => {
      if (result.type !== 'committed') {
        reply(
          failed(
            'UNKNOWN_SERVER_ERROR',
            result.type === 'failed' ? result.reason : 'The topic changed meanwhile.',
          ),
        );
        return;
      }
      logger.info('topic deleted', { topic: name });
      this.#closeForDeletion(topic.partitions, () =>
        this.#removeFolders(topicId, name, replicas.length, () => reply({ type: 'done' })),
      );
    });
  }

  /** Has the workers let go of the partitions; their folders are renamed on the way. */
  #closeForDeletion(partitions: readonly Partition[], done: () => void): void {
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

  /**
   * Removes what is left of a deleted topic on the disk, then the mark in the metadata store that says so. Tries again later
   * what the disk refuses: until the mark is gone no topic of that name can be created.
   */
  #removeFolders(topicId: TopicId, name: string, partitions: number, done: () => void): void {
    const { data, metadata, logger, clock } = this.#options;
    const again = (reason: string) => {
      logger.error('what is left of a deleted topic cannot be removed', { topic: name, reason });
      clock.after(REMOVAL_RETRY_MS, () => {
        if (!this.#stopping) this.#removeFolders(topicId, name, partitions, () => {});
      });
      done();
    };
    data.removeTopic(name, topicId, partitions, (error) => {
      if (error || this.#stopping) {
        again(error?.message ?? 'the broker is stopping');
        return;
      }
      metadata.commit({ compare: [], puts: [], deletes: [deletingKey(topicId)] }, (result) => {
        if (result.type === 'failed') again(result.reason);
        else done();
      });
    });
  }

  #describeTopic(name: string, reply: Reply): void {
    const topic = this.#topics.get(name);
    if (!topic) {
      reply(failed('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic ${JSON.stringify(name)}.`));
      return;
    }
    const sizes: PartitionSize[] = topic.partitions.map(({ partition }) => ({
      partition,
      sizeBytes: 0,
      error: 'NOT_LEADER_OR_FOLLOWER',
    }));
    let left = 1;
    const ended = () => {
      if (--left === 0) reply({ type: 'sizes', sizes });
    };
    for (const { phase, worker, slot, partition } of topic.partitions) {
      if (phase !== 'open' || !worker?.worker) continue;
      left++;
      worker.worker.ask({ type: 'describe', slot }, WORKER_DEADLINE_MS, (described) => {
        const sizeBytes = described.type === 'described' ? described.sizeBytes : 0;
        const error = described.type === 'failed' ? described.error : 'NONE';
        sizes[partition] = { partition, sizeBytes, error };
        ended();
      });
    }
    ended();
  }

  #changed(changes: readonly MetadataChange[]): void {
    const { image, tell } = this.#options;
    const updated: TopicImage[] = [];
    const deleted: string[] = [];
    for (const change of changes) {
      image.apply(change);
      if (!change.key.startsWith(TOPIC_PREFIX)) continue;
      const name = change.key.slice(TOPIC_PREFIX.length);
      const record = image.topics.get(name);
      if (!record) {
        this.#topics.delete(name);
        deleted.push(name);
        continue;
      }
      const existing = this.#topics.get(name);
      const topic = existing?.record.topicId === record.topicId ? existing : this.#topic(name, record);
      topic.record = record;
      this.#topics.set(name, topic);
      updated.push(this.#image(name, topic));
    }
    if (updated.length > 0 || deleted.length > 0) tell({ type: 'topics', updated, deleted });
  }

  #topic(name: string, record: TopicRecord): Topic {
    const partition = (index: number): Partition => ({
      topic: name,
      topicId: record.topicId,
      partition: toPartitionIndex(index),
      phase: 'closed',
      generation: 0,
      worker: null,
      slot: -1,
      recovery: null,
      waiting: [],
    });
    return { record, partitions: record.replicas.map((_, index) => partition(index)) };
  }

  #image(name: string, { record, partitions: current }: Topic): TopicImage {
    const { image, brokerId } = this.#options;
    const partitions = record.replicas.map((replicas, index): PartitionImage => {
      const state = image.partition(record.topicId, index);
      return {
        // The only broker leads from the start. Its epoch rises when it opens the partition: what clients are told before
        // is the epoch in which they will be served.
        leader: state ? state.leader : brokerId,
        leaderEpoch:
          current[index]?.phase === 'closed' ? nextEpoch(state) : (state?.leaderEpoch ?? nextEpoch(state)),
        replicas,
        inSyncReplicas: state?.inSyncReplicas ?? replicas,
      };
    });
    return {
      name,
      topicId: record.topicId,
      internal: record.internal,
      overrides: record.overrides,
      partitions,
    };
  }

  #partitionCount(): number {
    let count = 0;
    for (const { partitions } of this.#topics.values()) count += partitions.length;
    return count;
  }

  // ------------------------------------------------------------------------------------------------- producer ids

  #allocateProducerIds(reply: Reply): void {
    this.#waitingForIds.push(reply);
    if (this.#waitingForIds.length === 1) this.#allocateNextProducerIds();
  }

  /** One block after the other, because each begins where the one before ends. */
  #allocateNextProducerIds(): void {
    const { image, metadata } = this.#options;
    const { next: first, modRevision } = image.producerIds;
    const next = first + PRODUCER_IDS_PER_BLOCK;
    const commit: MetadataCommit = {
      compare: [{ key: PRODUCER_IDS_KEY, modRevision }],
      puts: [{ key: PRODUCER_IDS_KEY, value: encodeRecord({ next }) }],
      deletes: [],
    };
    metadata.commit(commit, (result) => {
      const reply = this.#waitingForIds.shift();
      if (result.type === 'committed') {
        assert(image.producerIds.next >= next, 'a block is out of reach once it is handed out');
        reply?.({ type: 'producer-ids', first, count: PRODUCER_IDS_PER_BLOCK });
      } else {
        const reason = result.type === 'failed' ? result.reason : 'The producer ids changed meanwhile.';
        reply?.(failed(result.type === 'failed' ? 'UNKNOWN_SERVER_ERROR' : 'REQUEST_TIMED_OUT', reason));
      }
      if (this.#waitingForIds.length > 0) this.#allocateNextProducerIds();
    });
  }

  // -------------------------------------------------------------------------------------------- opening partitions

  #openForRouter(
    { topic, partition: index }: { topic: string; partition: PartitionIndex },
    reply: Reply,
  ): void {
    const partition = this.#topics.get(topic)?.partitions[index];
    if (partition) this.#open(partition, reply);
    else reply(failed('UNKNOWN_TOPIC_OR_PARTITION', 'There is no such partition.'));
  }

  #open(partition: Partition, reply: Reply): void {
    if (partition.phase === 'open') {
      reply({ type: 'done' });
      return;
    }
    partition.waiting.push(reply);
    if (partition.phase !== 'closed') return;
    const worker = this.#placement.leastLoaded();
    const slot = worker.add(partition);
    partition.phase = 'raising';
    partition.worker = worker;
    partition.slot = slot;
    const generation = ++this.#generation;
    partition.generation = generation;
    if (slot < 0) {
      partition.worker = null;
      this.#failOpening(partition, 'POLICY_VIOLATION', 'This broker has no room for more partitions.');
      return;
    }
    this.#raiseEpoch(partition, generation);
    this.#ensureRunning(worker);
  }

  #raiseEpoch(partition: Partition, generation: number): void {
    const { image, metadata, brokerId } = this.#options;
    const { topic, topicId, partition: index } = partition;
    const state = image.partition(topicId, index);
    const key = partitionKey(topicId, index);
    const leaderEpoch = nextEpoch(state);
    const value = encodeRecord({ leader: brokerId, leaderEpoch, inSyncReplicas: [brokerId] });
    const commit: MetadataCommit = {
      compare: [
        { key, modRevision: state?.modRevision ?? 0 },
        // A topic that is gone gets no more epochs.
        { key: topicKey(topic), modRevision: image.topicRevision(topic) },
      ],
      puts: [{ key, value }],
      deletes: [],
    };
    metadata.commit(commit, (result) => {
      if (partition.generation !== generation) return;
      if (result.type === 'committed') {
        partition.phase = 'ready';
        this.#openOnWorker(partition);
      } else this.#failOpening(partition, 'NOT_LEADER_OR_FOLLOWER', 'The leader epoch could not be written.');
    });
  }

  /** The last step, when both the epoch is written and the worker runs. */
  #openOnWorker(partition: Partition): void {
    const { worker, slot, generation, topic, topicId, partition: index } = partition;
    const { image, data, config, logger } = this.#options;
    const state = image.partition(topicId, index);
    const record = this.#topics.get(topic)?.record;
    if (partition.phase !== 'ready' || !worker?.worker || !state || !record || this.#stopping) return;
    partition.phase = 'opening';
    const directory = data.partitionFolder(topic, index);
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
        config: resolveTopicConfig(config, Object.entries(record.overrides)).config,
        recovery: partition.recovery ?? data.recoveryFor(topic, index),
        logStartOffset: data.logStartOffset(topic, index),
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
          if (partition.generation !== generation) return;
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

  #failOpening(partition: Partition, error: ErrorName, detail: string): void {
    this.#release(partition);
    for (const waiting of partition.waiting.splice(0)) waiting(failed(error, detail));
  }

  #release(partition: Partition): void {
    if (partition.worker && partition.slot >= 0) partition.worker.remove(partition.slot);
    partition.worker = null;
    partition.slot = -1;
    partition.phase = 'closed';
  }

  #openAllAfter(delayMs: number): void {
    this.#options.clock.after(delayMs, () => this.#openAll());
  }

  /** Opens one partition after the other, so that recovery and retention reach those that nobody uses. */
  #openAll(): void {
    if (this.#background.length > 0) return;
    this.#backgroundSucceeded = true;
    for (const { partitions } of this.#topics.values()) {
      for (const partition of partitions) {
        if (
          partition.phase === 'closed' &&
          this.#options.data.hasFolder(partition.topic, partition.partition)
        ) {
          this.#background.push(partition);
        }
      }
    }
    this.#openNext();
  }

  #openNext(): void {
    for (;;) {
      if (this.#stopping) return;
      const partition = this.#background.pop();
      if (!partition) {
        this.#recovered ||= this.#backgroundSucceeded;
        this.#openAllAfter(this.#options.config.logRetentionCheckIntervalMs);
        return;
      }
      if (partition.phase === 'open' || !this.#exists(partition)) continue;
      this.#open(partition, (reply) => {
        if (reply.type === 'failed') this.#backgroundSucceeded = false;
        this.#openNext();
      });
      return;
    }
  }

  /** Whether it is a partition of a topic that has not been deleted. */
  #exists(partition: Partition): boolean {
    return this.#topics.get(partition.topic)?.partitions[partition.partition] === partition;
  }

  // ------------------------------------------------------------------------------------------------------ workers

  #ensureRunning(slots: WorkerSlots<Partition>): void {
    if (slots.worker || slots.starting || this.#stopping) return;
    slots.starting = true;
    this.#options.tell({ type: 'start-worker', worker: slots.index });
  }

  workerStarted(index: number, worker: PartitionWorker): void {
    const slots = this.#placement.workers[index];
    if (!slots) return;
    slots.starting = false;
    slots.worker = worker;
    for (const partition of slots.partitions.values()) this.#openOnWorker(partition);
  }

  /** A worker's thread ended: its partitions are opened again on a new one, each with a new leader epoch. */
  workerExited(index: number, reason: string): void {
    const slots = this.#placement.workers[index];
    if (!slots || this.#stopping) return;
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
      return;
    }
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
      this.#release(partition);
      if (this.#exists(partition)) this.#open(partition, () => {});
    }
  }

  workerTold(event: PartitionEvent): void {
    this.#options.data.checkpoint(event.checkpoint);
  }

  /** Whether a log whose worker died has not been opened again. */
  #lacksRecovery(): boolean {
    for (const { partitions } of this.#topics.values()) {
      if (partitions.some(({ recovery }) => recovery !== null)) return true;
    }
    return false;
  }

  #stop(reply: Reply): void {
    this.#stopping = true;
    const { data, metadata } = this.#options;
    const replies: PartitionReply[] = [];
    let left = 1;
    const ended = () => {
      if (--left > 0) return;
      let clean = this.#recovered && !this.#lacksRecovery();
      for (const drained of replies) {
        if (drained.type !== 'drained') clean = false;
        else {
          clean = clean && drained.clean;
          for (const checkpoint of drained.checkpoints) data.checkpoint(checkpoint);
        }
      }
      const reason = 'Not all logs were recovered and flushed; the next start sees to it.';
      const stopped = () => reply(clean ? { type: 'done' } : failed('KAFKA_STORAGE_ERROR', reason));
      metadata.close(() => data.close(clean, stopped));
    };
    for (const { worker } of this.#placement.workers) {
      if (!worker) continue;
      left++;
      worker.ask({ type: 'drain' }, WORKER_DEADLINE_MS, (drained) => {
        replies.push(drained);
        ended();
      });
    }
    ended();
  }
}

function nextEpoch(state: { readonly leaderEpoch: LeaderEpoch } | undefined): LeaderEpoch {
  return toLeaderEpoch((state?.leaderEpoch ?? -1) + 1);
}
