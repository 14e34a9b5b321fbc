// The supervisor: creates, changes and deletes topics in the metadata store, places partitions on workers, has them opened when they
// are first used, and restarts workers that die. It runs in a worker of its own and is deterministic: commands and events
// come in, asks go down to the partition workers, events are told to the main thread. The work is done by its parts:
//
//   TopicRegistry         the topics and partitions, in step with the metadata store
//   PartitionLifecycle    opens and closes partitions on workers
//   BackgroundOpening     recovery and retention for partitions that nobody uses
//   TopicAdministration   creates, deletes and describes topics
//   TopicAlteration       changes configs, adds partitions
//   RecordDeletion        deletes records from the start of logs
//   ProducerIdBlocks      producer ids
import { assertNever } from '../base/assert.js';
import type { PartitionEvent, PartitionName, PartitionReply } from '../partition/messages.js';
import { BackgroundOpening } from './background-opening.js';
import { failed, type SupervisorCommand } from './messages.js';
import { PartitionLifecycle } from './partition-lifecycle.js';
import type { PartitionWorker } from './placement.js';
import { ProducerIdBlocks } from './producer-id-blocks.js';
import { RecordDeletion } from './record-deletion.js';
import type { AnswerCommand, SupervisorOptions } from './supervisor-options.js';
import { TopicAdministration } from './topic-administration.js';
import { TopicAlteration } from './topic-alteration.js';
import { TopicRegistry } from './topic-registry.js';
import { TopicTurns } from './topic-turns.js';

/** Unfinished commands at most. */
const COMMANDS_MAX = 10_000;

export class SupervisorActor {
  readonly #options: SupervisorOptions;
  readonly #registry: TopicRegistry;
  readonly #lifecycle: PartitionLifecycle;
  readonly #administration: TopicAdministration;
  readonly #alteration: TopicAlteration;
  readonly #recordDeletion: RecordDeletion;
  readonly #background: BackgroundOpening;
  readonly #producerIds: ProducerIdBlocks;
  #unfinished = 0;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#registry = new TopicRegistry(options);
    this.#lifecycle = new PartitionLifecycle(options, this.#registry);
    const turns = new TopicTurns();
    this.#administration = new TopicAdministration(options, this.#registry, this.#lifecycle, turns);
    this.#alteration = new TopicAlteration(options, this.#registry, this.#lifecycle, turns);
    this.#recordDeletion = new RecordDeletion(options, this.#registry, this.#lifecycle);
    this.#background = new BackgroundOpening(options, this.#registry, this.#lifecycle);
    this.#producerIds = new ProducerIdBlocks(options);
    options.metadata.watch(options.revision, (changes) => this.#registry.changed(changes));
    this.#registry.tellAll();
    this.#administration.start();
    this.#background.start();
  }

  receive(command: SupervisorCommand, answer: AnswerCommand): void {
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
    const reply: AnswerCommand = (result) => {
      this.#unfinished--;
      answer(result);
    };
    if (this.#isForbidden(command)) {
      reply(failed('INVALID_TOPIC_EXCEPTION', 'Internal topics belong to the broker itself.'));
      return;
    }
    switch (command.type) {
      case 'create-topic':
        this.#administration.create(command.topic, command.validateOnly, reply);
        return;
      case 'delete-topic':
        this.#administration.delete(command.name, reply);
        return;
      case 'alter-topic':
        this.#alteration.alter(command, reply);
        return;
      case 'add-partitions':
        this.#alteration.addPartitions(command, reply);
        return;
      case 'delete-records':
        this.#recordDeletion.delete(command, reply);
        return;
      case 'open-partition':
        this.#openPartition(command, reply);
        return;
      case 'describe-topic':
        this.#administration.describe(command.name, reply);
        return;
      case 'allocate-producer-ids':
        this.#producerIds.allocate(reply);
        return;
      case 'stop':
        this.#stop(reply);
        return;
      default:
        assertNever(command);
    }
  }

  /** What coordinators keep must not be deleted behind their backs. */
  #isForbidden(command: SupervisorCommand): boolean {
    if (command.type === 'delete-topic') return this.#registry.get(command.name)?.record.internal === true;
    return command.type === 'delete-records' && this.#registry.get(command.topic)?.record.internal === true;
  }

  workerStarted(index: number, worker: PartitionWorker): void {
    this.#lifecycle.workerStarted(index, worker);
  }

  /** A worker's thread ended. */
  workerExited(index: number, reason: string): void {
    this.#lifecycle.workerExited(index, reason);
  }

  workerTold(event: PartitionEvent): void {
    this.#options.data.checkpoint(event.checkpoint);
  }

  /** Partitions that a crash or the death of a worker left behind and that are to be opened and checked yet. */
  get recovering(): number {
    return this.#background.unrecovered + this.#lifecycle.unrecovered;
  }

  /** Logs of its own that take no more changes. */
  get logsOffline(): number {
    return this.#options.metadata.failure === null ? 0 : 1;
  }

  #openPartition({ topic, partition: index }: PartitionName, reply: AnswerCommand): void {
    const partition = this.#registry.get(topic)?.partitions[index];
    if (partition) this.#lifecycle.open(partition, reply);
    else reply(failed('UNKNOWN_TOPIC_OR_PARTITION', 'There is no such partition.'));
  }

  #stop(reply: AnswerCommand): void {
    this.#stopping = true;
    this.#administration.stop();
    this.#background.stop();
    this.#lifecycle.drain((drained) => {
      const clean = this.#takeCheckpoints(drained);
      const { data, metadata } = this.#options;
      const reason = 'Not all logs were recovered and flushed; the next start sees to it.';
      const stopped = () => reply(clean ? { type: 'done' } : failed('KAFKA_STORAGE_ERROR', reason));
      metadata.close(() => data.close(clean, stopped));
    });
  }

  /** Notes what the drained workers say; returns whether the stop is a clean one. */
  #takeCheckpoints(drained: readonly PartitionReply[]): boolean {
    let clean = this.#background.recovered && !this.#lifecycle.lacksRecovery;
    for (const reply of drained) {
      if (reply.type !== 'drained') clean = false;
      else {
        clean = clean && reply.clean;
        for (const checkpoint of reply.checkpoints) this.#options.data.checkpoint(checkpoint);
      }
    }
    return clean;
  }
}
