// A coordinator on a simulated machine: the real runtime over the real partition host and log, with a shard of the test's own, a
// table of texts.
import { createRing, RingConsumer, RingProducer, ringIsAsleep } from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { createViews } from '../../src/actor/view.js';
import type { Clock } from '../../src/base/clock.js';
import { type ErrorName, OdradekError } from '../../src/base/errors.js';
import { toLeaderEpoch, toOffset, toPartitionIndex, toTopicId } from '../../src/base/ids.js';
import { resolveTopicConfig } from '../../src/config/topic-config.js';
import type { CoordinatorLog, CoordinatorPartition } from '../../src/coordinator/coordinator-log.js';
import { CoordinatorRuntime } from '../../src/coordinator/coordinator-runtime.js';
import type { CoordinatorRecord, Shard, ShardPorts } from '../../src/coordinator/shard.js';
import type { LogRecovery } from '../../src/log/open-log.js';
import { LocalPartition } from '../../src/partition/local-partition.js';
import { PartitionHost } from '../../src/partition/partition-host.js';
import { readLastOffset, stampPlace } from '../../src/record/batch-header.js';
import { type Batch, BatchReader } from '../../src/record/batch-reader.js';
import { mortalClock } from '../base/mortal-clock.js';
import { CONFIG, LogMachine } from '../log/log-fixture.js';
import { NO_COMPACTION } from '../partition/no-compaction.js';

const TOPIC_ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
export const PARTITIONS = 4;

export type Command =
  /** null deletes the key. */
  | { readonly type: 'put'; readonly entries: readonly (readonly [key: string, value: string | null])[] }
  /** Everything; answered when all before it is in the log. */
  | { readonly type: 'dump' }
  /** Answered when the shard is closed. */
  | { readonly type: 'wait' };

export type Reply =
  | { readonly type: 'put'; readonly error: ErrorName }
  | { readonly type: 'dumped'; readonly entries: Readonly<Record<string, string>> }
  | { readonly type: 'refused'; readonly error: ErrorName };

const record = (key: string, value: string | null): CoordinatorRecord => ({
  key: Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
});

export class TableShard implements Shard<Command, Reply> {
  readonly table = new Map<string, string>();
  readonly partition: number;
  readonly calls: string[] = [];
  readonly ports: ShardPorts;
  readonly #waiting: ((reply: Reply) => void)[] = [];

  constructor(partition: number, ports: ShardPorts) {
    this.partition = partition;
    this.ports = ports;
  }

  replay({ key, value }: CoordinatorRecord): void {
    if (key.toString() === 'poison') throw new OdradekError('ODR_CORRUPT', 'the record makes no sense');
    if (value === null) this.table.delete(key.toString());
    else this.table.set(key.toString(), value.toString());
  }

  start(): void {
    this.calls.push('start');
  }

  handle(command: Command, reply: (reply: Reply) => void): void {
    if (command.type === 'wait') this.#waiting.push(reply);
    else if (command.type === 'put') {
      const records = command.entries.map(([key, value]) => record(key, value));
      for (const one of records) this.replay(one);
      this.ports.append(records, (error) => reply({ type: 'put', error: error ?? 'NONE' }));
    } else {
      const entries = Object.fromEntries(this.table);
      this.ports.afterAppends((error) =>
        reply(error ? { type: 'refused', error } : { type: 'dumped', entries }),
      );
    }
  }

  topicsDeleted(names: readonly string[]): void {
    this.calls.push(`deleted ${names.join(' ')}`);
  }

  close(error: ErrorName): void {
    this.calls.push(`close ${error}`);
    for (const reply of this.#waiting.splice(0)) reply({ type: 'refused', error });
  }
}

export interface RuntimeSceneOptions {
  readonly seed?: number;
  /** Of the topic. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether the topic has been made. */
  readonly made?: boolean;
}

/** One machine; {@link crash} begins a new process on it. */
export class RuntimeScene implements CoordinatorLog {
  readonly machine: LogMachine;
  readonly settings: Readonly<Record<string, string>>;
  readonly shards: TableShard[] = [];
  partitions: number | null;
  /** What {@link create} answers, when it is told to. */
  readonly creating: ((error: ErrorName | null) => void)[] = [];
  /** Every attempt to open a partition, by its virtual time. */
  readonly opened: { readonly partition: number; readonly atMs: number }[] = [];
  /** Opening fails with this, or waits. */
  failOpening: ErrorName | null = null;
  readonly heldOpenings: (() => void)[] = [];
  holdOpening = false;
  #process!: Process;
  #epoch = 0;
  #existing = new Set<number>();

  constructor({ seed = 1, settings = {}, made = true }: RuntimeSceneOptions = {}) {
    this.machine = new LogMachine(seed);
    this.settings = settings;
    this.partitions = made ? PARTITIONS : null;
    this.#start();
  }

  get runtime(): CoordinatorRuntime<Command, Reply> {
    return this.#process.runtime;
  }

  /** The last shard that was made for the partition. */
  shard(partition: number): TableShard | undefined {
    return this.shards.findLast((shard) => shard.partition === partition);
  }

  /** Sends a command to the shard of a key. */
  send(key: string, command: Command): { reply: Reply | null } {
    const sent: { reply: Reply | null } = { reply: null };
    this.runtime.handle(key, command, (reply) => {
      if (sent.reply) throw new Error('a command is answered once');
      sent.reply = reply;
    });
    return sent;
  }

  put(key: string, value: string | null): { reply: Reply | null } {
    return this.send(key, { type: 'put', entries: [[key, value]] });
  }

  /** Runs a command to its reply. */
  run(key: string, command: Command): Reply {
    const sent = this.send(key, command);
    this.machine.clock.runUntil(() => sent.reply !== null, 60_000);
    if (!sent.reply) throw new Error(`${command.type} is not answered`);
    return sent.reply;
  }

  /** Everything that the shard of a key has. */
  dump(key: string): Readonly<Record<string, string>> {
    const reply = this.run(key, { type: 'dump' });
    if (reply.type !== 'dumped') throw new Error(`refused: ${JSON.stringify(reply)}`);
    return reply.entries;
  }

  settle(ms = 1000): void {
    this.machine.clock.advance(ms);
  }

  /** The process dies, and another one starts. */
  crash(): void {
    this.#process.alive = false;
    this.machine.crash();
    this.#start();
  }

  /** The batches that the partition's log holds. */
  batches(partition: number): Batch[] {
    const { disk } = this.machine;
    const paths = disk
      .files()
      .filter((path) => path.startsWith(`/data/table-${partition}/`) && path.endsWith('.log'));
    return [...new BatchReader(Buffer.concat(paths.map((path) => disk.contents(path))))];
  }

  /** Writes batches to the partition's log, which must not be open, as another program would have. */
  writeForeign(partition: number, batches: readonly Buffer[]): void {
    const leaderEpoch = toLeaderEpoch(0);
    const directory = `/data/table-${partition}`;
    const log = this.machine.open({
      directory,
      topicId: TOPIC_ID,
      config: { ...CONFIG, segmentBytes: 2 ** 20 },
    });
    for (const bytes of batches) {
      const baseOffset = log.logEndOffset;
      stampPlace(bytes, 0, baseOffset, leaderEpoch);
      const lastOffset = toOffset(readLastOffset(bytes, 0));
      const { error } = log.append([{ bytes, baseOffset, lastOffset, maxTimestampMs: 1, leaderEpoch }]);
      if (error) throw error;
    }
    this.machine.wait((done) => log.close(done));
    this.#existing.add(partition);
  }

  #start(): void {
    this.#process = new Process(this, ++this.#epoch);
  }

  // The coordinator's log

  get existing(): readonly number[] {
    return [...this.#existing];
  }

  create(done: (error: ErrorName | null) => void): void {
    this.creating.push((error) => {
      if (!error) this.partitions = PARTITIONS;
      done(error);
    });
  }

  open(partition: number, done: (result: CoordinatorPartition | ErrorName) => void): void {
    this.opened.push({ partition, atMs: this.machine.clock.monotonicMs() });
    const process = this.#process;
    const open = () => {
      if (this.failOpening) done(this.failOpening);
      else process.open(partition, done);
    };
    this.#existing.add(partition);
    if (this.holdOpening) this.heldOpenings.push(open);
    else open();
  }
}

class Process {
  readonly runtime: CoordinatorRuntime<Command, Reply>;
  alive = true;
  readonly #scene: RuntimeScene;
  readonly #epoch: number;
  readonly #host: PartitionHost;
  readonly #views = createViews(PARTITIONS);
  readonly #clock: Clock;
  readonly #open = new Set<number>();

  constructor(scene: RuntimeScene, epoch: number) {
    this.#scene = scene;
    this.#epoch = epoch;
    const { disk, jobs, random, logger } = scene.machine;
    const clock = this.#makeClock();
    this.#clock = clock;
    const submissions = createRing(2);
    const completions = createRing(2);
    const bell = (ring: typeof submissions) =>
      new LocalDoorbell(
        (run) => clock.after(0, run),
        () => ringIsAsleep(ring),
      );
    this.#host = new PartitionHost({
      submissions: new RingConsumer(submissions, bell(submissions)),
      completions: new RingProducer(completions, bell(completions)),
      views: this.#views,
      memory: Buffer.alloc(0),
      ...{ disk, jobs, clock, random, logger },
      retentionCheckIntervalMs: 60_000,
      compaction: NO_COMPACTION,
      tell: () => {},
      later: (run) => clock.after(0, run),
    });
    this.runtime = new CoordinatorRuntime<Command, Reply>({
      name: 'table',
      log: scene,
      makeShard: (partition, ports) => {
        const shard = new TableShard(partition, ports);
        scene.shards.push(shard);
        return shard;
      },
      refuse: (error) => ({ type: 'refused', error }),
      topic: () => undefined,
      clock,
      random,
      logger,
      later: (run) => clock.after(0, run),
    });
  }

  open(partition: number, done: (result: CoordinatorPartition | ErrorName) => void): void {
    const directory = `/data/table-${partition}`;
    const config = resolveTopicConfig({ topicDefaults: {} }, Object.entries(this.#scene.settings)).config;
    const generation = this.#epoch;
    const made = () =>
      new LocalPartition({
        host: this.#host,
        views: this.#views,
        slot: partition,
        generation,
        directory,
        disk: this.#scene.machine.disk,
        clock: this.#clock,
        batchBytesMax: config.maxMessageBytes,
      });
    if (this.#open.has(partition)) {
      done(made());
      return;
    }
    const recovery: LogRecovery =
      this.#epoch === 1 ? { type: 'clean' } : { type: 'from', recoveryPoint: toOffset(0) };
    this.#host.receive(
      {
        type: 'open',
        topic: 'table',
        topicId: TOPIC_ID,
        partition: toPartitionIndex(partition),
        directory,
        slot: partition,
        generation,
        leaderEpoch: toLeaderEpoch(this.#epoch),
        config,
        recovery,
        logStartOffset: toOffset(0),
        firstDirtyOffset: toOffset(0),
        producerIdExpirationMs: 86_400_000,
      },
      (reply) => {
        if (reply.type !== 'opened') {
          done('KAFKA_STORAGE_ERROR');
          return;
        }
        this.#open.add(partition);
        done(made());
      },
    );
  }

  #makeClock(): Clock {
    return mortalClock(this.#scene.machine.clock, () => this.alive);
  }
}
