// Creates, deletes and describes topics. A topic is what the metadata store says; its partitions' folders follow: made when a
// partition is first opened, removed after the topic is gone from the store.
import type { Failure } from '../base/errors.js';
import { type TopicId, toTopicId } from '../base/ids.js';
import { randomUuid } from '../base/random.js';
import { validateTopicOverrides } from '../config/topic-config.js';
import { topicNameProblem } from '../config/topic-name.js';
import { OFFSETS_TOPIC } from '../coordinator/offsets-topic.js';
import type { CommitResult, MetadataCommit } from '../metadata/metadata-store.js';
import { deletingKey, encodeRecord, partitionKey, type TopicRecord, topicKey } from '../metadata/schema.js';
import type { BackgroundOpening } from './background-opening.js';
import { failed, type NewTopic, type PartitionSize, unknownTopic } from './messages.js';
import type { PartitionLifecycle } from './partition-lifecycle.js';
import { type AnswerCommand, type SupervisorOptions, WORKER_DEADLINE_MS } from './supervisor-options.js';
import { newTopic, type SupervisedTopic, type TopicRegistry } from './topic-registry.js';
import type { TopicTurns } from './topic-turns.js';

const REMOVAL_RETRY_MS = 1000;

export class TopicAdministration {
  readonly #options: SupervisorOptions;
  readonly #registry: TopicRegistry;
  readonly #lifecycle: PartitionLifecycle;
  readonly #background: BackgroundOpening;
  readonly #turns: TopicTurns;
  /** Topics that are being created, by name, and who wants to create the same. */
  readonly #creating = new Map<string, (() => void)[]>();
  #stopping = false;

  constructor(
    options: SupervisorOptions,
    registry: TopicRegistry,
    lifecycle: PartitionLifecycle,
    background: BackgroundOpening,
    turns: TopicTurns,
  ) {
    this.#options = options;
    this.#registry = registry;
    this.#lifecycle = lifecycle;
    this.#background = background;
    this.#turns = turns;
  }

  /** Goes on with the deletions that the last process left unfinished. */
  start(): void {
    for (const { topicId, name, partitions } of this.#options.image.deleting.values()) {
      this.#removeFolders(topicId, name, partitions, () => {});
    }
  }

  /** Folders that are still to be removed wait for the next start. */
  stop(): void {
    this.#stopping = true;
  }

  // -------------------------------------------------------------------------------------------------------- create

  create(topic: NewTopic, validateOnly: boolean, reply: AnswerCommand): void {
    const underWay = this.#creating.get(topic.name);
    if (underWay) {
      // Who is told that the topic exists must be able to use it: so not before it does.
      underWay.push(() => this.create(topic, validateOnly, reply));
      return;
    }
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
      internal: topic.internal === true,
      overrides,
      replicas: Array.from({ length: partitions }, () => [brokerId]),
    };
    if (validateOnly) {
      reply({ type: 'topic', topic: this.#registry.image(name, newTopic(name, record)) });
      return;
    }
    const others: (() => void)[] = [];
    this.#creating.set(name, others);
    const commit: MetadataCommit = {
      compare: [{ key: topicKey(name), modRevision: image.topicRevision(name) }],
      puts: [{ key: topicKey(name), value: encodeRecord(record) }],
      deletes: [],
    };
    metadata.commit(commit, (result) => {
      this.#creating.delete(name);
      this.#created(topic, record, result, reply);
      for (const again of others) again();
    });
  }

  #created(
    { name }: NewTopic,
    { topicId, internal, replicas }: TopicRecord,
    result: CommitResult,
    reply: AnswerCommand,
  ): void {
    const created = this.#registry.get(name);
    if (result.type !== 'committed' || created?.record.topicId !== topicId) {
      const reason =
        result.type === 'failed' ? result.reason : 'The topic was created or deleted by another request.';
      reply(failed(result.type === 'failed' ? result.error : 'TOPIC_ALREADY_EXISTS', reason));
      return;
    }
    this.#options.logger.info('topic created', { topic: name, partitions: replicas.length });
    reply({ type: 'topic', topic: this.#registry.image(name, created) });
    if (!internal) this.#background.openSoon(created.partitions);
  }

  #problemWith({ name, partitions, replicationFactor, overrides, internal }: NewTopic): Failure | null {
    const { config, image } = this.#options;
    const nameProblem = topicNameProblem(name);
    if (nameProblem !== null) return { error: 'INVALID_TOPIC_EXCEPTION', detail: nameProblem };
    if (this.#registry.has(name)) {
      return { error: 'TOPIC_ALREADY_EXISTS', detail: `There is a topic ${JSON.stringify(name)} already.` };
    }
    if (name === OFFSETS_TOPIC && !internal) {
      return {
        error: 'INVALID_TOPIC_EXCEPTION',
        detail: `The broker itself makes ${name}, when a group first needs it.`,
      };
    }
    for (const deleting of image.deleting.values()) {
      if (deleting.name === name)
        return { error: 'TOPIC_ALREADY_EXISTS', detail: 'The old topic of this name is being deleted.' };
    }
    const count = partitions || config.numPartitions;
    const room = this.#lifecycle.slots - this.#registry.partitionCount();
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
    return validateTopicOverrides(config, Object.entries(overrides));
  }

  // -------------------------------------------------------------------------------------------------------- delete

  delete(name: string, reply: AnswerCommand): void {
    this.#turns.take(name, (ended) => {
      const topic = this.#registry.get(name);
      if (topic) this.#delete(name, topic, ended, reply);
      else {
        ended();
        reply(unknownTopic(name));
      }
    });
  }

  #delete(name: string, topic: SupervisedTopic, ended: () => void, reply: AnswerCommand): void {
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
      ended();
      if (result.type !== 'committed') {
        const { error, reason } =
          result.type === 'failed'
            ? result
            : ({ error: 'UNKNOWN_SERVER_ERROR', reason: 'The topic changed meanwhile.' } as const);
        reply(failed(error, reason));
        return;
      }
      logger.info('topic deleted', { topic: name });
      this.#lifecycle.closeForDeletion(topic.partitions, () =>
        this.#removeFolders(topicId, name, replicas.length, () => reply({ type: 'done' })),
      );
    });
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

  // ------------------------------------------------------------------------------------------------------ describe

  describe(name: string, reply: AnswerCommand): void {
    const topic = this.#registry.get(name);
    if (!topic) {
      reply(unknownTopic(name));
      return;
    }
    const sizes: PartitionSize[] = topic.partitions.map(({ partition, phase }) => ({
      partition,
      sizeBytes: 0,
      error: phase === 'offline' ? 'KAFKA_STORAGE_ERROR' : 'NOT_LEADER_OR_FOLLOWER',
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
}
