import { present } from '../../src/base/assert.js';
import { toOffset, toPartitionIndex, toTopicId } from '../../src/base/ids.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type {
  RouteImage,
  SupervisorCommand,
  SupervisorEvent,
  SupervisorReply,
} from '../../src/broker/messages.js';
import type { PartitionWorker } from '../../src/broker/placement.js';
import { type Started, startSupervisor } from '../../src/broker/start-supervisor.js';
import type { SupervisorActor } from '../../src/broker/supervisor.js';
import { type BrokerConfig, parseBrokerConfig } from '../../src/config/broker-config.js';
import { SimulatedDisk } from '../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../src/io/simulated-jobs.js';
import { type LogRecovery, openLog } from '../../src/log/open-log.js';
import { EmbeddedStore } from '../../src/metadata/embedded-store.js';
import type { OpenPartition, PartitionCommand, PartitionReply } from '../../src/partition/messages.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { CONFIG, collectingLogger } from '../log/log-fixture.js';

export function configOf(settings: Readonly<Record<string, string>> = {}): BrokerConfig {
  const parsed = parseBrokerConfig(Object.entries(settings), 2);
  if ('failures' in parsed) throw new Error(parsed.failures.map(({ message }) => message).join(' '));
  return parsed.config;
}

/** The offsets of a log that nothing was done for. */
const NOTHING_SAFE = {
  recoveryPoint: toOffset(0),
  logStartOffset: toOffset(0),
  firstDirtyOffset: toOffset(0),
};

interface Asked {
  readonly command: PartitionCommand;
  readonly deadlineMs: number;
  answer: (reply: PartitionReply) => void;
}

/** A partition worker whose answers the test decides: at once, when it is told to, never, or failures. */
export class ScriptedWorker implements PartitionWorker {
  readonly index: number;
  readonly asked: PartitionCommand[] = [];
  /** Commands of these types wait until {@link answerHeld}. */
  readonly held = new Set<PartitionCommand['type']>();
  /** How commands are answered, if not with success. */
  fail: (command: PartitionCommand) => string | null = () => null;
  readonly #clock: SimulatedClock;
  readonly #waiting: Asked[] = [];
  readonly #pending = new Set<Asked>();
  /** What it was told to open, by slot. */
  readonly #opened = new Map<number, OpenPartition>();
  dead = false;

  constructor(index: number, clock: SimulatedClock) {
    this.index = index;
    this.#clock = clock;
  }

  ask(command: PartitionCommand, deadlineMs: number, reply: (reply: PartitionReply) => void): void {
    this.asked.push(command);
    let answered = false;
    const asked: Asked = {
      command,
      deadlineMs,
      answer: (result) => {
        if (answered) return;
        answered = true;
        this.#clock.cancel(timer);
        this.#pending.delete(asked);
        reply(result);
      },
    };
    const late = {
      type: 'failed',
      error: 'NOT_LEADER_OR_FOLLOWER',
      detail: `no reply within ${deadlineMs} ms`,
    } as const;
    const timer = this.#clock.after(deadlineMs, () => asked.answer(late));
    this.#pending.add(asked);
    if (this.held.has(command.type)) this.#waiting.push(asked);
    else this.#clock.after(1, () => this.#answer(asked));
  }

  /** Commands that wait for {@link answerHeld}. */
  get waiting(): PartitionCommand[] {
    return this.#waiting.map(({ command }) => command);
  }

  answerHeld(): void {
    for (const asked of this.#waiting.splice(0)) this.#answer(asked);
  }

  /** Its thread ends: nothing is answered any more. */
  die(): void {
    this.dead = true;
    const gone = { type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER', detail: 'the worker has died' } as const;
    for (const asked of [...this.#pending]) asked.answer(gone);
  }

  #answer(asked: Asked): void {
    const { command, answer } = asked;
    if (this.dead) return;
    const detail = this.fail(command);
    if (detail !== null) answer({ type: 'failed', error: 'KAFKA_STORAGE_ERROR', detail });
    else answer(this.#success(command));
  }

  #success(command: PartitionCommand): PartitionReply {
    switch (command.type) {
      case 'open': {
        const { topic, partition, leaderEpoch, slot } = command;
        this.#opened.set(slot, command);
        const checkpoint = { topic, partition, ...NOTHING_SAFE };
        return { type: 'opened', checkpoint, epochs: [{ epoch: leaderEpoch, startOffset: toOffset(0) }] };
      }
      case 'delete-records': {
        const { topic, partition } = present(this.#opened.get(command.slot), 'an open partition');
        const logStartOffset = command.beforeOffset ?? toOffset(100);
        const checkpoint = {
          ...NOTHING_SAFE,
          topic,
          partition,
          recoveryPoint: toOffset(100),
          logStartOffset,
        };
        return { type: 'records-deleted', checkpoint };
      }
      case 'describe': {
        const nothing = { topic: '', partition: toPartitionIndex(0) };
        const checkpoint = { ...nothing, ...NOTHING_SAFE };
        return { type: 'described', sizeBytes: 100 + command.slot, checkpoint };
      }
      case 'drain':
        return { type: 'drained', checkpoints: [], clean: true };
      default:
        return { type: 'done' };
    }
  }
}

/** A supervisor on a simulated machine, with scripted workers. */
export class SupervisorScene {
  readonly clock = new SimulatedClock();
  readonly random: Random;
  readonly disk: SimulatedDisk;
  readonly logger = collectingLogger();
  readonly config: BrokerConfig;
  events: SupervisorEvent[] = [];
  /** The worker that runs at each index. */
  readonly workers = new Map<number, ScriptedWorker>();
  /** Applied to each worker when it starts. */
  prepare: (worker: ScriptedWorker) => void = () => {};
  /** Whether a worker that is wanted starts. */
  startWorkers = true;
  published: LogRecovery | null = null;
  clusterId = '';
  clean = false;
  #jobs: SimulatedJobs;
  #supervisor: SupervisorActor | null = null;
  #process = 0;

  /** The data directories; for the next start. */
  directories: readonly string[] = ['/data'];

  constructor({ seed = 1, settings = {} as Readonly<Record<string, string>> } = {}) {
    this.random = seededRandom(seed);
    this.disk = new SimulatedDisk({ random: this.random, scheduler: this.clock });
    this.config = configOf({ 'odradek.workers': '2', ...settings });
    this.#jobs = this.#newJobs();
  }

  get supervisor(): SupervisorActor {
    if (!this.#supervisor) throw new Error('the supervisor has not started');
    return this.#supervisor;
  }

  /** Starts the broker's supervisor on what the disk holds; throws why it cannot. */
  start(): this {
    const process = ++this.#process;
    this.events = [];
    this.workers.clear();
    const results: (Started | Error)[] = [];
    startSupervisor(
      {
        dataDirectories: this.directories,
        config: this.config,
        disk: this.disk,
        jobs: this.#jobs,
        clock: this.#clockOf(process),
        random: this.random,
        logger: this.logger,
        tell: (event) => {
          this.events.push(event);
          if (event.type === 'start-worker') this.#startLater(event.worker, process);
        },
        publishedBy: () => this.published,
      },
      (result) => results.push(result),
    );
    this.clock.runUntil(() => results.length > 0);
    const [result] = results;
    if (!result) throw new Error('the supervisor does not start');
    if (result instanceof Error) throw result;
    this.#supervisor = result.supervisor;
    this.clusterId = result.clusterId;
    this.clean = result.clean;
    this.settle();
    return this;
  }

  /** The process or the machine stops, and starts again. */
  restart(how: 'crash' | 'power'): this {
    this.#process++;
    if (how === 'crash') this.disk.crashProcess();
    else this.disk.losePower();
    this.#jobs = this.#newJobs();
    return this.start();
  }

  /** Runs all that is about to happen; does not wait for deadlines. */
  settle(): void {
    this.clock.advance(500);
  }

  worker(index: number): ScriptedWorker {
    const worker = this.workers.get(index);
    if (!worker) throw new Error(`worker ${index} does not run`);
    return worker;
  }

  /** The thread of a worker ends, as the main thread tells of it: before or after its unanswered asks fail. */
  killWorker(index: number, asksFail: 'before' | 'after' = 'before'): void {
    const worker = this.worker(index);
    this.workers.delete(index);
    if (asksFail === 'before') worker.die();
    this.supervisor.workerExited(index, 'killed');
    if (asksFail === 'after') worker.die();
  }

  /** Gives a command; the reply is there when the function that is returned says so. */
  tell(command: SupervisorCommand): () => SupervisorReply | null {
    const replies: SupervisorReply[] = [];
    this.supervisor.receive(command, (reply) => replies.push(reply));
    return () => {
      if (replies.length > 1) throw new Error(`${command.type} was answered ${replies.length} times`);
      return replies[0] ?? null;
    };
  }

  /** Gives a command and returns its reply. */
  ask(command: SupervisorCommand): SupervisorReply {
    const reply = this.tell(command);
    this.settle();
    const result = reply();
    if (!result) throw new Error(`${command.type} is not answered`);
    return result;
  }

  create(name: string, partitions = 1, overrides: Readonly<Record<string, string>> = {}): SupervisorReply {
    const topic = { name, partitions, replicationFactor: 0, overrides };
    return this.ask({ type: 'create-topic', topic, validateOnly: false });
  }

  /** The keys of the metadata store; for a scene whose supervisor has stopped. */
  metadataKeys(): string[] {
    const directory = '/data/__odradek_metadata-0';
    const { disk, clock, random, logger } = this;
    let keys: string[] | null = null;
    const options = {
      directory,
      topic: '__odradek_metadata',
      topicId: toTopicId('AAAAAAAAAAAAAAAAAAAAAQ'),
      partition: toPartitionIndex(0),
      ...{ disk, clock, random, logger, jobs: this.#jobs, config: CONFIG },
      recovery: { type: 'clean' } as const,
      logStartOffset: toOffset(0),
      firstDirtyOffset: toOffset(0),
    };
    openLog(options, (log) => {
      if (log instanceof Error) throw log;
      new EmbeddedStore({ log, directory, disk, clock, logger }).list((entries) => {
        keys = entries.map(({ key }) => key);
      });
    });
    this.settle();
    if (!keys) throw new Error('the metadata log does not open');
    return keys;
  }

  /** The partitions that the router can reach, as it was told. */
  get routes(): RouteImage[] {
    const routes = new Map<string, RouteImage>();
    for (const event of this.events) {
      if (event.type === 'routed') routes.set(`${event.route.topic}-${event.route.partition}`, event.route);
      else if (event.type === 'unrouted') routes.delete(`${event.topic}-${event.partition}`);
      else if (event.type === 'topics') {
        for (const name of event.deleted) {
          for (const [key, route] of routes) if (route.topic === name) routes.delete(key);
        }
      }
    }
    return [...routes.values()];
  }

  /** The topics that there are, as the router was told. */
  get topics(): string[] {
    const names = new Set<string>();
    for (const event of this.events) {
      if (event.type !== 'topics') continue;
      for (const { name } of event.updated) names.add(name);
      for (const name of event.deleted) names.delete(name);
    }
    return [...names].sort();
  }

  #newJobs(): SimulatedJobs {
    return new SimulatedJobs({
      random: this.random,
      scheduler: this.clock,
      disk: this.disk,
      functions: jobFunctions,
    });
  }

  /** A clock whose timers die with their process. */
  #clockOf(process: number) {
    const { clock } = this;
    return {
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.monotonicMs(),
      cancel: clock.cancel.bind(clock),
      after: (delayMs: number, fire: () => void) =>
        clock.after(delayMs, () => {
          if (process === this.#process) fire();
        }),
    };
  }

  #startLater(index: number, process: number): void {
    if (!this.startWorkers) return;
    this.clock.after(1, () => {
      if (process !== this.#process) return;
      if (this.workers.has(index)) throw new Error(`worker ${index} runs already`);
      const worker = new ScriptedWorker(index, this.clock);
      this.prepare(worker);
      this.workers.set(index, worker);
      this.supervisor.workerStarted(index, worker);
    });
  }
}
