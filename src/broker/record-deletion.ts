// Deletes records from the start of a log (KIP-107): the owner of the log lets it begin later, then that is written down in the
// checkpoint of log start offsets, so that no crash brings the records back; then it is answered.
import type { ErrorName } from '../base/errors.js';
import type { Offset } from '../base/ids.js';
import { resolveTopicConfig } from '../config/topic-config.js';
import type { PartitionName } from '../partition/messages.js';
import { failed } from './messages.js';
import type { PartitionLifecycle } from './partition-lifecycle.js';
import type { AnswerCommand, SupervisorOptions } from './supervisor-options.js';
import type { SupervisedPartition, TopicRegistry } from './topic-registry.js';

export interface DeleteRecords extends PartitionName {
  /** null: up to the high watermark. */
  readonly beforeOffset: Offset | null;
}

export class RecordDeletion {
  readonly #options: SupervisorOptions;
  readonly #registry: TopicRegistry;
  readonly #lifecycle: PartitionLifecycle;

  constructor(options: SupervisorOptions, registry: TopicRegistry, lifecycle: PartitionLifecycle) {
    this.#options = options;
    this.#registry = registry;
    this.#lifecycle = lifecycle;
  }

  /** Opens the partition for it. */
  delete({ topic: name, partition: index, beforeOffset }: DeleteRecords, reply: AnswerCommand): void {
    const refuse = (error: ErrorName, detail: string) => reply(failed(error, detail));
    const topic = this.#registry.get(name);
    const partition = topic?.partitions[index];
    if (!topic || !partition) {
      refuse('UNKNOWN_TOPIC_OR_PARTITION', 'There is no such partition.');
      return;
    }
    if (topic.record.internal) {
      refuse('INVALID_TOPIC_EXCEPTION', 'The records of an internal topic are not for clients to delete.');
      return;
    }
    const { config } = resolveTopicConfig(this.#options.config, Object.entries(topic.record.overrides));
    if (!config.cleanupPolicy.includes('delete')) {
      refuse('POLICY_VIOLATION', 'The cleanup.policy of the topic does not have "delete".');
      return;
    }
    this.#lifecycle.open(partition, (opened) => {
      if (opened.type === 'failed') reply(opened);
      else this.#deleteFrom(partition, beforeOffset, reply);
    });
  }

  #deleteFrom(partition: SupervisedPartition, beforeOffset: Offset | null, reply: AnswerCommand): void {
    const { slot } = partition;
    this.#lifecycle.ask(partition, { type: 'delete-records', slot, beforeOffset }, (deleted) => {
      if (!this.#registry.exists(partition)) {
        reply(failed('UNKNOWN_TOPIC_OR_PARTITION', 'The topic was deleted.'));
      } else if (deleted.type !== 'records-deleted') {
        reply(
          deleted.type === 'failed' ? deleted : failed('UNKNOWN_SERVER_ERROR', 'The worker gave no sense.'),
        );
      } else {
        const { checkpoint } = deleted;
        this.#options.data.startMoved(checkpoint, (error) => {
          if (error) reply(failed('KAFKA_STORAGE_ERROR', error.message));
          else reply({ type: 'records-deleted', logStartOffset: checkpoint.logStartOffset });
        });
      }
    });
  }
}
