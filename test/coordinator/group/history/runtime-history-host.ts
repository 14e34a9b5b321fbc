// A host as it is in the broker: the real runtime, partition host, actor and log on a simulated disk, which fails and whose process
// crashes. Only the threads between the door and the runtime are not there.
import {
  createRing,
  RingConsumer,
  RingProducer,
  ringIsAsleep,
} from '../../../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../../../src/actor/doorbell.js';
import { createViews } from '../../../../src/actor/view.js';
import type { Clock } from '../../../../src/base/clock.js';
import type { ErrorName } from '../../../../src/base/errors.js';
import { toLeaderEpoch, toOffset, toPartitionIndex, toTopicId } from '../../../../src/base/ids.js';
import { silentLogger } from '../../../../src/base/log.js';
import { resolveTopicConfig } from '../../../../src/config/topic-config.js';
import type { CoordinatorLog, CoordinatorPartition } from '../../../../src/coordinator/coordinator-log.js';
import { CoordinatorRuntime } from '../../../../src/coordinator/coordinator-runtime.js';
import type { GroupCommand, GroupReply } from '../../../../src/coordinator/group/group-messages.js';
import { GroupService } from '../../../../src/coordinator/group-service.js';
import { SimulatedDisk } from '../../../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../../../src/io/simulated-jobs.js';
import { LocalPartition } from '../../../../src/partition/local-partition.js';
import { PartitionHost } from '../../../../src/partition/partition-host.js';
import { BatchReader } from '../../../../src/record/batch-reader.js';
import { jobFunctions } from '../../../../workers/job-functions.js';
import { mortalClock } from '../../../base/mortal-clock.js';
import { NO_COMPACTION } from '../../../partition/no-compaction.js';
import { between } from '../../../simulation/streams.js';
import type { LoggedRecord } from '../memory-host.js';
import type { HistoryHost, HistoryHostOptions, MakeHost } from './host.js';

const DIRECTORY = '/data/groups-0';
const TOPIC_ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
const CONFIG = resolveTopicConfig({ topicDefaults: {} }, [['segment.bytes', '20000']]).config;

/** The disk outlives the processes. */
interface Machine extends HistoryHostOptions {
  readonly disk: SimulatedDisk;
  readonly jobs: SimulatedJobs;
  appendMsMax: number;
  /** Processes so far. */
  epoch: number;
}

class Process implements CoordinatorLog {
  readonly partitions = 1;
  readonly existing = [0];
  readonly runtime: CoordinatorRuntime<GroupCommand, GroupReply>;
  readonly service: GroupService;
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #host: PartitionHost;
  readonly #views = createViews(1);
  #isAlive = true;
  #opened = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
    const { config, disk, jobs, makeShard, random, topics } = machine;
    machine.epoch++;
    const clock = this.#makeClock();
    this.#clock = clock;
    const later = (run: () => void) => void clock.after(0, run);
    const [submissions, completions] = [createRing(2), createRing(2)];
    const bell = (ring: typeof submissions) => new LocalDoorbell(later, () => ringIsAsleep(ring));
    this.#host = new PartitionHost({
      submissions: new RingConsumer(submissions, bell(submissions)),
      completions: new RingProducer(completions, bell(completions)),
      views: this.#views,
      memory: Buffer.alloc(0),
      ...{ disk, jobs, clock, random, later, logger: silentLogger },
      retentionCheckIntervalMs: 60_000,
      compaction: NO_COMPACTION,
      tell: () => {},
    });
    this.runtime = new CoordinatorRuntime({
      name: 'group',
      log: this,
      makeShard: (_partition, ports) => makeShard(config, ports),
      refuse: (error) => ({ type: 'refused', error }),
      topic: (name) => topics.get(name),
      ...{ clock, random, later, logger: silentLogger },
    });
    this.service = new GroupService(this.runtime, (run) => clock.after(0, run));
  }

  end(): void {
    this.#isAlive = false;
  }

  create(done: (error: ErrorName | null) => void): void {
    done(null);
  }

  open(_partition: number, done: (result: CoordinatorPartition | ErrorName) => void): void {
    const generation = this.#machine.epoch;
    if (this.#opened === generation) {
      done(this.#partition());
      return;
    }
    this.#host.receive(
      {
        type: 'open',
        topic: 'groups',
        topicId: TOPIC_ID,
        partition: toPartitionIndex(0),
        directory: DIRECTORY,
        slot: 0,
        generation,
        leaderEpoch: toLeaderEpoch(generation),
        config: CONFIG,
        recovery: generation === 1 ? { type: 'clean' } : { type: 'from', recoveryPoint: toOffset(0) },
        logStartOffset: toOffset(0),
        firstDirtyOffset: toOffset(0),
        producerIdExpirationMs: 86_400_000,
      },
      (reply) => {
        if (reply.type === 'opened') this.#opened = generation;
        done(reply.type === 'opened' ? this.#partition() : 'KAFKA_STORAGE_ERROR');
      },
    );
  }

  /** The partition, of which appends take a while. */
  #partition(): CoordinatorPartition {
    const { batchBytesMax, close, extent, append, read } = partitionParts(
      new LocalPartition({
        host: this.#host,
        views: this.#views,
        slot: 0,
        generation: this.#machine.epoch,
        directory: DIRECTORY,
        disk: this.#machine.disk,
        clock: this.#clock,
        batchBytesMax: CONFIG.maxMessageBytes,
      }),
    );
    let freeAtMs = 0;
    let isClosed = false;
    return {
      ...{ batchBytesMax, extent, read },
      close: () => {
        isClosed = true;
        close();
      },
      append: (batches, done) => {
        const nowMs = this.#clock.monotonicMs();
        const { appendMsMax, random } = this.#machine;
        // Never at the same moment: events of one moment come in any order.
        freeAtMs = Math.max(freeAtMs + 0.001, nowMs + between(random, 0, appendMsMax));
        this.#clock.after(freeAtMs - nowMs, () => {
          if (!isClosed) append(batches, done);
        });
      },
    };
  }

  #makeClock(): Clock {
    return mortalClock(this.#machine.clock, () => this.#isAlive);
  }
}

function partitionParts(partition: LocalPartition): CoordinatorPartition {
  return {
    batchBytesMax: partition.batchBytesMax,
    extent: () => partition.extent(),
    read: (offset, done) => partition.read(offset, done),
    append: (batches, done) => partition.append(batches, done),
    close: () => partition.close(),
  };
}

function recordsOn(disk: SimulatedDisk): LoggedRecord[] {
  const paths = disk.files().filter((path) => path.startsWith(`${DIRECTORY}/`) && path.endsWith('.log'));
  const bytes = Buffer.concat(paths.sort().map((path) => disk.contents(path)));
  return [...new BatchReader(bytes)].flatMap((batch) =>
    [...batch.records()].map(({ key, value, timestampMs }) => ({
      key: Buffer.from(key ?? ''),
      value: value && Buffer.from(value),
      timestampMs,
    })),
  );
}

export const runtimeHistoryHost: MakeHost = (options): HistoryHost => {
  const { clock, random } = options;
  const disk = new SimulatedDisk({ random, scheduler: clock });
  const jobs = new SimulatedJobs({ random, scheduler: clock, disk, functions: jobFunctions });
  disk.makeDirectory('/data');
  const machine: Machine = { ...options, disk, jobs, appendMsMax: 2, epoch: 0 };
  let process: Process | null = new Process(machine);
  return {
    handle: (command, reply) => {
      if (process === null) reply({ type: 'refused', error: 'COORDINATOR_NOT_AVAILABLE' });
      else process.service.handle(command, reply);
    },
    slow: (appendMsMax) => {
      machine.appendMsMax = appendMsMax;
    },
    failAppend: () => disk.failNext({ operation: 'write', path: /groups-0\/.*\.log$/, code: 'ENOSPC' }),
    crash: (downMs) => {
      process?.end();
      process = null;
      disk.crashProcess();
      jobs.crashProcess();
      clock.after(downMs, () => {
        if (process !== null) return;
        process = new Process(machine);
        process.runtime.loadExisting();
      });
    },
    close: (done) => {
      if (process === null) done();
      else process.runtime.close(done);
    },
    get log() {
      return recordsOn(disk);
    },
  };
};
