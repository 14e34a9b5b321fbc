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
import { DiskError } from '../io/disk.js';
import type { PartitionEvent, PartitionName, PartitionReply } from '../partition/messages.js';
import { BackgroundOpening } from './background-opening.js';
import type { DataDirectoryReport } from './data-directory-state.js';
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
    this.#background = new BackgroundOpening(options, this.#registry, this.#lifecycle);
    const parts = [this.#registry, this.#lifecycle, this.#background, new TopicTurns()] as const;
    this.#administration = new TopicAdministration(options, ...parts);
    this.#alteration = new TopicAlteration(options, ...parts);
    this.#recordDeletion = new RecordDeletion(options, this.#registry, this.#lifecycle);
    this.#producerIds = new ProducerIdBlocks(options);
    options.data.roomChanged = (directory, full) => options.tell({ type: 'disk-room', directory, full });
    options.data.died = (reason, isFirst) => this.#directoryDied(reason, isFirst);
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

  /** A worker's thread ended: its partitions are opened again on a new one. */
  workerExited(index: number, reason: string): void {
    this.#background.openAgain(this.#lifecycle.workerExited(index, reason));
  }

  workerTold(event: PartitionEvent): void {
    const { data } = this.#options;
    switch (event.type) {
      case 'checkpoint':
        data.checkpoint(event.checkpoint);
        return;
      case 'disk-full':
        data.ranOut(event.directory, new DiskError('ENOSPC', event.path, event.reason));
        return;
      case 'offline':
        this.#lifecycle.logFailed(event);
        return;
      default:
        assertNever(event);
    }
  }

  /** The partitions of a directory go with it; those of others stay. Without the first nothing can be changed any more. */
  #directoryDied(reason: string, isFirst: boolean): void {
    const { logger, tell } = this.#options;
    if (isFirst) {
      const advice = 'It holds the metadata of the broker: mend the disk, then start the broker again.';
      tell({ type: 'fatal', reason: `The first data directory cannot be written: ${reason}. ${advice}` });
      return;
    }
    logger.error('a data directory is offline: it cannot be written', { reason });
    this.#lifecycle.directoryDied();
  }

  /** How the data directories are. */
  get directories(): readonly DataDirectoryReport[] {
    return this.#options.data.reports;
  }

  /** Partitions that a crash or the death of a worker left behind and that are to be opened and checked yet. */
  get recovering(): number {
    return this.#background.unrecovered + this.#lifecycle.unrecovered;
  }

  /** What the logs of a crash hold that is to be checked yet; 0 until that was measured. */
  get recoveringBytes(): number {
    return this.#background.unrecoveredBytes;
  }

  /** Logs of its own that take no more changes. */
  get logsOffline(): number {
    return this.#options.metadata.failure === null ? 0 : 1;
  }

  #openPartition({ topic, partition: index }: PartitionName, reply: AnswerCommand): void {
    const owner = this.#registry.get(topic);
    const partition = owner?.partitions[index];
    if (!owner || !partition) {
      reply(failed('UNKNOWN_TOPIC_OR_PARTITION', 'There is no such partition.'));
      return;
    }
    this.#lifecycle.open(partition, reply);
    this.#background.used(owner);
  }

  #stop(reply: AnswerCommand): void {
    this.#stopping = true;
    this.#administration.stop();
    this.#background.stop();
    this.#lifecycle.drain((drained) => {
      const unclean = this.#takeCheckpoints(drained);
      const { data, metadata } = this.#options;
      const reason = 'Not all logs were recovered and flushed; the next start sees to it.';
      const stopped = () =>
        reply(unclean?.length === 0 ? { type: 'done' } : failed('KAFKA_STORAGE_ERROR', reason));
      metadata.close(() => data.close(unclean, stopped));
    });
  }

  /** Notes what the drained workers say; returns the partitions that keep the stop from being clean, null: it may be any. */
  #takeCheckpoints(drained: readonly PartitionReply[]): readonly PartitionName[] | null {
    const unclean: PartitionName[] = [...this.#lifecycle.offline];
    let isKnown = this.#background.recovered && !this.#lifecycle.lacksRecovery;
    for (const reply of drained) {
      if (reply.type !== 'drained') isKnown = false;
      else {
        if (reply.unclean) unclean.push(...reply.unclean);
        else isKnown &&= reply.clean;
        for (const checkpoint of reply.checkpoints) this.#options.data.checkpoint(checkpoint);
      }
    }
    return isKnown ? unclean : null;
  }
}
