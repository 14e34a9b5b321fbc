// Hosts the group coordinator on the supervisor's thread. Its log is the internal topic __consumer_offsets: made in the
// metadata store when the first command comes, its partitions opened one by one as they are needed, as those of all topics,
// but on this very thread. After a start those that are on the disk are loaded in the background.
import type { Clock } from '../base/clock.js';
import type { ErrorName } from '../base/errors.js';
import type { TopicId } from '../base/ids.js';
import { toPartitionIndex } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { BrokerConfig } from '../config/broker-config.js';
import type { CoordinatorLog, CoordinatorPartition } from '../coordinator/coordinator-log.js';
import { CoordinatorRuntime } from '../coordinator/coordinator-runtime.js';
import type { GroupCommand, GroupReply } from '../coordinator/group/group-messages.js';
import { GroupService } from '../coordinator/group-service.js';
import { OFFSETS_TOPIC, offsetsTopicOverrides } from '../coordinator/offsets-topic.js';
import type { MakeShard } from '../coordinator/shard.js';
import type { DataDirectories } from './data-directories.js';
import type {
  RouteImage,
  SupervisorCommand,
  SupervisorEvent,
  SupervisorReply,
  TopicImage,
} from './messages.js';
import { OWN_WORKER } from './placement.js';

export interface CoordinatorHostOptions {
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Runs a function in a later turn of the event loop, after what waits already. */
  readonly later: (run: () => void) => void;
  /** A partition that is open on this thread. */
  readonly partition: (route: RouteImage, topic: TopicImage) => CoordinatorPartition;
  readonly makeShard: MakeShard<GroupCommand, GroupReply>;
}

/** What it needs of the supervisor once that runs. */
export interface CoordinatorSupervisor {
  receive(command: SupervisorCommand, answer: (reply: SupervisorReply) => void): void;
}

/** After a start others go first. */
const BACKGROUND_LOAD_MS = 1000;

export class CoordinatorHost implements CoordinatorLog {
  readonly #options: CoordinatorHostOptions;
  readonly #runtime: CoordinatorRuntime<GroupCommand, GroupReply>;
  readonly #service: GroupService;
  /** Topics by name; a coordinator asks for them with each commit. */
  readonly #topics = new Map<string, { readonly topicId: TopicId; readonly partitions: number }>();
  #offsetsTopic: TopicImage | null = null;
  /** Where the partitions of the offsets topic are open. */
  readonly #routes = new Map<number, RouteImage>();
  readonly #existing = new Set<number>();
  #supervisor: CoordinatorSupervisor | null = null;

  constructor(options: CoordinatorHostOptions) {
    const { clock, random, logger, later, makeShard } = options;
    this.#options = options;
    this.#runtime = new CoordinatorRuntime({
      name: 'group',
      log: this,
      makeShard,
      refuse: (error) => ({ type: 'refused', error }),
      topic: (name) => this.#topics.get(name),
      clock,
      random,
      logger,
      later,
    });
    this.#service = new GroupService(this.#runtime, later);
  }

  /** The supervisor runs; loads what is on the disk after a while. */
  start(supervisor: CoordinatorSupervisor, data: Pick<DataDirectories, 'hasFolder'>): void {
    this.#supervisor = supervisor;
    for (let index = 0; index < (this.partitions ?? 0); index++) {
      if (data.hasFolder(OFFSETS_TOPIC, toPartitionIndex(index))) this.#existing.add(index);
    }
    if (this.#existing.size > 0)
      this.#options.clock.after(BACKGROUND_LOAD_MS, () => this.#runtime.loadExisting());
  }

  /** Runs a command; `reply` is called once, maybe at once. */
  handle(command: GroupCommand, reply: (reply: GroupReply) => void): void {
    this.#service.handle(command, reply);
  }

  /** Must see all that the supervisor tells the main thread, the first list of topics too. */
  observe(event: SupervisorEvent): void {
    switch (event.type) {
      case 'topics':
        this.#topicsChanged(event.updated, event.deleted);
        return;
      case 'routed':
        if (event.route.worker !== OWN_WORKER || event.route.topic !== OFFSETS_TOPIC) return;
        this.#routes.set(event.route.partition, event.route);
        this.#existing.add(event.route.partition);
        return;
      default:
        return;
    }
  }

  /** Runs no commands any more; `done` is called when what was appended is committed, and all who waited are answered. */
  close(done: () => void): void {
    this.#runtime.close(done);
  }

  #topicsChanged(updated: readonly TopicImage[], deleted: readonly string[]): void {
    const gone = new Set(deleted);
    for (const topic of updated) {
      const known = this.#topics.get(topic.name);
      // A topic that was made anew under its old name is another one.
      if (known && known.topicId !== topic.topicId) gone.add(topic.name);
      this.#topics.set(topic.name, { topicId: topic.topicId, partitions: topic.partitions.length });
      if (topic.name === OFFSETS_TOPIC && topic.internal) this.#offsetsTopic = topic;
    }
    for (const name of deleted) this.#topics.delete(name);
    if (gone.size > 0) this.#runtime.topicsDeleted([...gone]);
  }

  // ---------------------------------------------------------------------------------------------------------- the log

  get partitions(): number | null {
    return this.#offsetsTopic?.partitions.length ?? null;
  }

  get existing(): readonly number[] {
    return [...this.#existing];
  }

  create(done: (error: ErrorName | null) => void): void {
    const { config } = this.#options;
    const topic = {
      name: OFFSETS_TOPIC,
      partitions: config.offsetsTopicNumPartitions,
      replicationFactor: 1,
      overrides: offsetsTopicOverrides(config),
      internal: true,
    };
    this.#ask({ type: 'create-topic', topic, validateOnly: false }, (reply) =>
      done(reply.type === 'failed' ? this.#problem('the topic cannot be made', reply) : null),
    );
  }

  open(partition: number, done: (result: CoordinatorPartition | ErrorName) => void): void {
    const topic = OFFSETS_TOPIC;
    this.#ask({ type: 'open-partition', topic, partition: toPartitionIndex(partition) }, (reply) => {
      const route = this.#routes.get(partition);
      if (reply.type === 'failed') done(this.#problem('a partition cannot be opened', reply));
      else if (!route || !this.#offsetsTopic) done('NOT_LEADER_OR_FOLLOWER');
      else done(this.#options.partition(route, this.#offsetsTopic));
    });
  }

  #ask(command: SupervisorCommand, reply: (reply: SupervisorReply) => void): void {
    if (this.#supervisor) this.#supervisor.receive(command, reply);
    else
      reply({
        type: 'failed',
        error: 'COORDINATOR_NOT_AVAILABLE',
        detail: 'The supervisor has not started.',
      });
  }

  #problem(what: string, { error, detail }: { error: ErrorName; detail: string }): ErrorName {
    this.#options.logger.error(`group coordinator: ${what}`, { topic: OFFSETS_TOPIC, error, detail });
    return error;
  }
}
