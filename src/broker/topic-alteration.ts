// Changes topics that there are: their configs, the number of their partitions. A change is in the metadata store first; then
// the partitions that are open take it over, the others when they are opened.
import type { Failure } from '../base/errors.js';
import { applyConfigChanges } from '../config/config-changes.js';
import { resolveTopicConfig, validateTopicOverrides } from '../config/topic-config.js';
import type { MetadataCommit } from '../metadata/metadata-store.js';
import { encodeRecord, type TopicRecord, topicKey } from '../metadata/schema.js';
import type { BackgroundOpening } from './background-opening.js';
import { type AlterTopic, failed, unknownTopic } from './messages.js';
import type { PartitionLifecycle } from './partition-lifecycle.js';
import type { AnswerCommand, SupervisorOptions } from './supervisor-options.js';
import { newTopic, type SupervisedTopic, type TopicRegistry } from './topic-registry.js';
import type { TopicTurns } from './topic-turns.js';

export interface AddPartitions {
  readonly name: string;
  /** So many in all. */
  readonly count: number;
  readonly validateOnly: boolean;
}

interface Change {
  readonly name: string;
  readonly validateOnly: boolean;
  /** The topic as it shall be, or why it cannot be. */
  readonly change: (record: TopicRecord) => TopicRecord | Failure;
  /** It is as it shall be, in the metadata store. */
  readonly changed: (topic: SupervisedTopic) => void;
}

export class TopicAlteration {
  readonly #options: SupervisorOptions;
  readonly #registry: TopicRegistry;
  readonly #lifecycle: PartitionLifecycle;
  readonly #background: BackgroundOpening;
  readonly #turns: TopicTurns;

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

  /** Changes configs; answered when they are in force in all partitions. */
  alter({ name, changes, replaces, validateOnly }: AlterTopic, reply: AnswerCommand): void {
    const { config, logger } = this.#options;
    const { entries: defaults } = resolveTopicConfig(config, []);
    const inherited = (setting: string) => defaults.find((entry) => entry.name === setting)?.value ?? '';
    const change = (record: TopicRecord): TopicRecord | Failure => {
      const result = applyConfigChanges(record.overrides, changes, { replaces, inherited });
      if ('error' in result) return result;
      const { overrides } = result;
      return validateTopicOverrides(config, Object.entries(overrides)) ?? { ...record, overrides };
    };
    const changed = (topic: SupervisedTopic) => {
      const overrides = Object.entries(topic.record.overrides);
      logger.info('topic altered', {
        topic: name,
        configs: overrides.map((pair) => pair.join('=')).join(' '),
      });
      this.#lifecycle.configure(topic.partitions, resolveTopicConfig(config, overrides).config, () =>
        reply({ type: 'topic', topic: this.#registry.image(name, topic) }),
      );
    };
    this.#change({ name, validateOnly, change, changed }, reply);
  }

  /** Adds partitions behind those that there are. Answered when they are served. */
  addPartitions({ name, count, validateOnly }: AddPartitions, reply: AnswerCommand): void {
    const { brokerId, logger } = this.#options;
    const change = (record: TopicRecord): TopicRecord | Failure => {
      const before = record.replicas.length;
      const problem = this.#problemWith(record, count);
      if (problem) return problem;
      const added = Array.from({ length: count - before }, () => [brokerId]);
      return { ...record, replicas: [...record.replicas, ...added] };
    };
    const changed = (topic: SupervisedTopic) => {
      logger.info('partitions added', { topic: name, partitions: count });
      reply({ type: 'topic', topic: this.#registry.image(name, topic) });
      this.#background.openSoon(topic.partitions);
    };
    this.#change({ name, validateOnly, change, changed }, reply);
  }

  #problemWith({ internal, replicas }: TopicRecord, count: number): Failure | null {
    const before = replicas.length;
    // Where a coordinator keeps what is a matter of the number of partitions.
    if (internal)
      return { error: 'INVALID_REQUEST', detail: 'The partitions of an internal topic are fixed.' };
    if (count <= before) {
      const detail = `The topic has ${before} partition(s) already; ${count} would not be an increase.`;
      return { error: 'INVALID_PARTITIONS', detail };
    }
    const room = this.#lifecycle.slots - this.#registry.partitionCount();
    if (count - before <= room) return null;
    const detail = `This broker has room for ${room} more partitions, not ${count - before}.`;
    return { error: 'INVALID_PARTITIONS', detail };
  }

  #change({ name, validateOnly, change, changed }: Change, reply: AnswerCommand): void {
    const { metadata, image } = this.#options;
    this.#turns.take(name, (ended) => {
      const refuse = ({ error, detail = '' }: Failure) => {
        ended();
        reply(failed(error, detail));
      };
      const topic = this.#registry.get(name);
      const record = topic ? change(topic.record) : unknownTopic(name);
      if ('error' in record) {
        refuse(record);
        return;
      }
      if (validateOnly) {
        ended();
        reply({ type: 'topic', topic: this.#registry.image(name, newTopic(name, record)) });
        return;
      }
      const commit: MetadataCommit = {
        compare: [{ key: topicKey(name), modRevision: image.topicRevision(name) }],
        puts: [{ key: topicKey(name), value: encodeRecord(record) }],
        deletes: [],
      };
      metadata.commit(commit, (result) => {
        const altered = this.#registry.get(name);
        if (result.type === 'committed' && altered?.record.topicId === record.topicId) {
          ended();
          changed(altered);
        } else if (result.type === 'failed') refuse({ error: result.error, detail: result.reason });
        else refuse({ error: 'UNKNOWN_SERVER_ERROR', detail: 'The topic changed meanwhile.' });
      });
    });
  }
}
