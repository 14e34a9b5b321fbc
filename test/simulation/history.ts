// One history: a broker, its clients and what goes wrong, all from a seed, on one thread in virtual time. It goes on until enough
// was acknowledged and enough went wrong; then all faults end, everything must settle, and what is in the logs must be what the
// judge knows, before and after another restart.

import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { BrokerConfig } from '../../src/config/broker-config.js';
import { parseBrokerConfig } from '../../src/config/broker-config.js';
import { SimulatedDisk } from '../../src/io/simulated-disk.js';
import { SimulatedNetwork } from '../../src/io/simulated-network.js';
import { parseSegmentFileName } from '../../src/log/file-names.js';
import { Administrator } from './administrator.js';
import { Changer } from './changer.js';
import type { ClientWorld } from './client.js';
import { ConsumerClient } from './consumer-client.js';
import { DiskWeather } from './disk-weather.js';
import { FaultCounts } from './faults.js';
import { Machine } from './machine.js';
import { Model, type ModelLog, type TopicSettings, Verdict } from './model.js';
import { ProducerClient } from './producer-client.js';
import { NORMAL_LINK_MS_MAX, Saboteur } from './saboteur.js';
import { DATA_DIRECTORY, type Sabotage } from './simulated-broker.js';
import { between, chance, pick, type Streams, streams } from './streams.js';
import { Survey } from './survey.js';
import { Trace } from './trace.js';

export const ACKNOWLEDGED_RECORDS_MIN = 300;
export const FAULTS_MIN = 5;

/** A broker that makes no progress for so long has stopped. */
const PROGRESS_MS_MAX = 300_000;
const SETTLE_MS_MAX = 120_000;
const RETENTION_CHECK_MS = 700;
const COMPACTION_CHECK_MS = 100;
/** In this part of the histories a topic is compacted. */
const COMPACTED_PART = 0.5;

export interface HistoryOptions {
  readonly trace?: boolean;
  readonly sabotage?: Sabotage;
  /** Not only a part of the kinds of faults. */
  readonly everyFault?: boolean;
}

export interface HistoryResult {
  readonly acknowledgedRecords: number;
  readonly batchesRead: number;
  readonly faults: FaultCounts;
  /** Compactions of partitions that were completed, and records that clients found gone by them. */
  readonly compactions: number;
  readonly compactedRecords: number;
  readonly virtualMs: number;
}

function brokerConfig(): BrokerConfig {
  const parsed = parseBrokerConfig([
    ['odradek.workers', '2'],
    ['odradek.requests.max', '8'],
    ['odradek.frame.timeout.ms', '1500'],
    ['connections.max.idle.ms', '20000'],
    ['log.retention.check.interval.ms', String(RETENTION_CHECK_MS)],
    ['log.flush.offset.checkpoint.interval.ms', '1000'],
    ['log.cleaner.backoff.ms', String(COMPACTION_CHECK_MS)],
  ]);
  if ('failures' in parsed) throw new Error(parsed.failures[0].message);
  return parsed.config;
}

const CONFIG = brokerConfig();

/** Topics with settings that make much happen with few records. */
function drawTopics(random: ReturnType<Streams>): Map<string, TopicSettings> {
  const topics = new Map<string, TopicSettings>();
  const kinds = ['plain', 'flushed', 'bounded', 'aging', 'stamped'] as const;
  for (const kind of kinds) {
    if (topics.size >= 1 && chance(random, 0.4)) continue;
    const segmentBytes = between(random, 1500, 8000);
    const retentionBytes = kind === 'bounded' ? between(random, 2000, 12_000) : -1;
    const retentionMs = kind === 'aging' ? between(random, 1000, 8000) : -1;
    const flushAcks = kind === 'flushed' || chance(random, 0.15);
    const overrides: Record<string, string> = {
      'segment.bytes': String(segmentBytes),
      'segment.ms': String(pick(random, [1000, 5000, 1_000_000])),
      'index.interval.bytes': String(pick(random, [0, 300, 1000])),
      'segment.index.bytes': String(pick(random, [60, 200, 10_000])),
      'retention.bytes': String(retentionBytes),
      'retention.ms': String(retentionMs),
      'file.delete.delay.ms': String(pick(random, [0, 500, 60_000])),
      'flush.acks': String(flushAcks),
      'message.timestamp.type': kind === 'stamped' ? 'LogAppendTime' : 'CreateTime',
    };
    if (chance(random, 0.3)) overrides['flush.messages'] = String(between(random, 1, 30));
    if (chance(random, 0.3)) overrides['flush.ms'] = String(between(random, 10, 1000));
    topics.set(kind, {
      partitions: between(random, 1, 3),
      flushAcks,
      logAppendTime: kind === 'stamped',
      segmentBytes,
      retentionBytes,
      retentionMs,
      deletes: true,
      compaction: null,
      overrides,
    });
  }
  return topics;
}

/** Few keys and small segments, so that there is something to compact soon. */
function drawCompactedTopic(random: ReturnType<Streams>): TopicSettings {
  const segmentBytes = between(random, 1024, 4000);
  const compaction = {
    minLagMs: pick(random, [0, 0, 0, 300]),
    deleteRetentionMs: pick(random, [0, 500, 5000, 86_400_000]),
    keys: pick(random, [2, 5, 20]),
  };
  const flushAcks = chance(random, 0.2);
  const deletes = chance(random, 0.3);
  const retentionBytes = chance(random, 0.5) ? between(random, 2000, 8000) : -1;
  const overrides: Record<string, string> = {
    'cleanup.policy': deletes ? 'compact,delete' : 'compact',
    'min.cleanable.dirty.ratio': String(pick(random, [0, 0.1, 0.5])),
    'min.compaction.lag.ms': String(compaction.minLagMs),
    'delete.retention.ms': String(compaction.deleteRetentionMs),
    'segment.bytes': String(segmentBytes),
    'index.interval.bytes': String(pick(random, [0, 300])),
    'segment.index.bytes': String(pick(random, [60, 10_000])),
    'retention.bytes': String(retentionBytes),
    'retention.ms': '-1',
    'file.delete.delay.ms': String(pick(random, [0, 500, 60_000])),
    'flush.acks': String(flushAcks),
  };
  if (chance(random, 0.4)) overrides['max.compaction.lag.ms'] = String(pick(random, [500, 3000]));
  return {
    partitions: between(random, 1, 2),
    flushAcks,
    logAppendTime: false,
    segmentBytes,
    retentionBytes,
    retentionMs: -1,
    deletes,
    compaction,
    overrides,
  };
}

export class History {
  readonly #streams: Streams;
  readonly #clock: SimulatedClock;
  readonly #disk: SimulatedDisk;
  readonly #faults = new FaultCounts();
  readonly #model: Model;
  readonly #machine: Machine;
  readonly #weather: DiskWeather;
  readonly #world: ClientWorld;
  readonly #administrator: Administrator;
  readonly #producers: readonly ProducerClient[];
  readonly #consumers: readonly ConsumerClient[];
  readonly #saboteur: Saboteur;
  readonly #changer: Changer;
  readonly trace: Trace;
  #compactions = 0;
  /** While it runs, other clients wait. */
  #survey: Survey | null = null;

  constructor(seed: number, options: HistoryOptions = {}) {
    const draw = streams(seed);
    this.#streams = draw;
    const clock = new SimulatedClock({ random: draw('ties') });
    this.#clock = clock;
    this.trace = new Trace(options.trace ?? false, () => clock.monotonicMs());
    const disk = new SimulatedDisk({
      random: draw('disk'),
      scheduler: clock,
      delayMsMax: pick(draw('disk speed'), [1, 10, 30]),
    });
    this.#disk = disk;
    const network = new SimulatedNetwork({
      random: draw('network'),
      scheduler: clock,
      windowBytes: 8192,
      pieceBytesMax: 2048,
    });
    this.#weather = new DiskWeather(draw('weather'), this.#faults);
    this.#model = new Model({
      wallMaxMs: () => this.#machine.noteWall(),
      diskFailed: () => this.#weather.everFailed,
      wallWentBack: () => this.#machine.wallWentBack,
    });
    this.#machine = new Machine({
      world: {
        clock,
        disk,
        network,
        weather: this.#weather,
        config: CONFIG,
        trace: this.trace,
        sabotage: options.sabotage ?? {},
        compacted: () => {
          this.#compactions++;
        },
        routed: (route) => {
          this.trace.add(
            () =>
              `${route.topic}-${route.partition} is opened, leader epoch ${route.leaderEpoch}, worker ${route.worker}`,
          );
          this.#model.routed(route);
        },
      },
      streams: draw,
      faults: this.#faults,
      linkDelayMsMax: NORMAL_LINK_MS_MAX,
      isOpen: () => this.#survey === null,
      powerLost: () => this.#surveyAfterPowerLoss(),
      // While a survey is due, nobody knows yet what there was to be kept.
      stoppedCleanly: () => {
        if (!this.#survey) this.#model.stoppedCleanly();
      },
    });
    const settings = drawTopics(draw('topics'));
    const compaction = draw('compacted topic');
    if (chance(compaction, COMPACTED_PART)) settings.set('compacted', drawCompactedTopic(compaction));
    this.#world = {
      clock,
      network,
      model: this.#model,
      faults: this.#faults,
      trace: this.trace,
      topicNames: [...settings.keys()],
      isOpen: () => this.#survey === null,
    };
    this.#administrator = new Administrator(this.#world, draw('administrator'), {
      settings,
      happened: (what) => this.#faults.count(what),
    });
    const count = draw('clients');
    const several = <Made>(most: number, make: (index: number) => Made) =>
      Array.from({ length: between(count, 1, most) }, (_, index) => make(index));
    this.#producers = several(
      4,
      (index) => new ProducerClient(this.#world, `producer ${index}`, draw(`producer ${index}`)),
    );
    this.#consumers = several(
      4,
      (index) => new ConsumerClient(this.#world, `consumer ${index}`, draw(`consumer ${index}`)),
    );
    this.#saboteur = new Saboteur({
      random: draw('saboteur'),
      clock,
      disk,
      weather: this.#weather,
      machine: this.#machine,
      faults: this.#faults,
      producers: this.#producers,
      clients: [...this.#producers, ...this.#consumers],
      administrator: this.#administrator,
      topicNames: this.#world.topicNames,
      everything: options.everyFault ?? false,
    });
    this.#changer = new Changer({
      random: draw('changes'),
      clock,
      model: this.#model,
      administrator: this.#administrator,
      topicNames: this.#world.topicNames,
    });
  }

  /** Throws a {@link Verdict}, or whatever the broker threw, if something is wrong. */
  run(): HistoryResult {
    this.#runUntil(
      () => this.#model.acknowledgedRecords >= ACKNOWLEDGED_RECORDS_MIN && this.#faults.total >= FAULTS_MIN,
      PROGRESS_MS_MAX,
      () =>
        `only ${this.#model.acknowledgedRecords} records were acknowledged, with ${this.#faults.total} faults`,
    );
    this.trace.add(() => 'no more faults');
    this.#saboteur.stop();
    this.#changer.stop();
    this.#disk.crashIn(Number.POSITIVE_INFINITY);
    this.#settle();
    // Logs that are not recovered yet keep this stop from being a clean one.
    this.#restart({ losePower: false, cleanly: false });
    this.#finishTopics();
    this.#readAll();
    this.#rest();
    for (const [log, start] of this.#readAll()) this.#startsAtSegment(log, start);
    this.#restart({
      losePower: this.#saboteur.powerFails && chance(this.#streams('last restart'), 0.5),
      cleanly: true,
    });
    this.#readAll();
    this.#noLeak();
    return {
      acknowledgedRecords: this.#model.acknowledgedRecords,
      batchesRead: this.#model.batchesRead,
      faults: this.#faults,
      compactions: this.#compactions,
      compactedRecords: this.#model.compactedRecords,
      virtualMs: this.#clock.monotonicMs(),
    };
  }

  #runUntil(condition: () => boolean, limitMs: number, failure: () => string): void {
    const endMs = this.#clock.monotonicMs() + limitMs;
    while (!condition()) {
      const { nextMs } = this.#clock;
      if (nextMs === null || nextMs > endMs) throw new Verdict(`after ${limitMs} ms: ${failure()}`);
      this.#machine.runNext();
    }
  }

  /** Every request is answered or lost with its connection. */
  #settle(): void {
    const clients = [...this.#producers, ...this.#consumers];
    for (const client of clients) client.stop();
    this.#runUntil(
      () =>
        this.#survey === null &&
        this.#machine.isRunning &&
        clients.every(({ unanswered }) => unanswered === 0),
      SETTLE_MS_MAX,
      () => this.#unsettled(clients),
    );
    for (const client of clients) client.close();
  }

  #unsettled(clients: readonly (ProducerClient | ConsumerClient)[]): string {
    if (!this.#machine.ready) return 'the broker is not ready';
    if (this.#survey) return `no survey is possible: ${this.#survey.obstacle}`;
    const waiting = clients.filter(({ unanswered }) => unanswered > 0);
    return waiting.map(({ name, unanswered }) => `${name} waits for ${unanswered} answers`).join(', ');
  }

  #restart({ losePower, cleanly }: { losePower: boolean; cleanly: boolean }): void {
    const mustBeClean = cleanly && !this.#weather.failed;
    let stopped = false;
    const asked = this.#machine.restart({
      losePower,
      done: (clean) => {
        if (!clean && mustBeClean) throw new Verdict('a broker whose disk is in order does not stop cleanly');
        stopped = true;
      },
    });
    if (!asked) throw new Verdict('the broker cannot be stopped');
    this.#runUntil(
      () => stopped && this.#machine.ready && this.#survey === null,
      SETTLE_MS_MAX,
      () => 'the broker does not stop and start',
    );
  }

  #finishTopics(): void {
    this.#runUntil(
      () => this.#administrator.isDone,
      SETTLE_MS_MAX,
      () => 'topics cannot be created',
    );
  }

  /** Time for retention, now that all logs are open, and for appends that nobody waits for. */
  #rest(): void {
    let rested = false;
    this.#clock.after(3 * RETENTION_CHECK_MS, () => {
      rested = true;
    });
    this.#runUntil(
      () => rested,
      SETTLE_MS_MAX,
      () => 'time stands still',
    );
  }

  /** Returns where the logs begin. */
  #readAll(): ReadonlyMap<ModelLog, number> {
    let done = false;
    const survey = new Survey({
      world: this.#world,
      random: this.#streams('survey'),
      powerLost: false,
      done: () => {
        done = true;
      },
    });
    this.#runUntil(
      () => done,
      SETTLE_MS_MAX,
      () => `not everything can be read back: ${survey.obstacle}`,
    );
    return survey.starts;
  }

  /** Retention takes whole segments, and all that it should. */
  #startsAtSegment(log: ModelLog, start: number): void {
    if (start > 0) this.#faults.count('retention');
    const folder = `${DATA_DIRECTORY}/${log.topic.name}-${log.index}/`;
    const segments = this.#disk.files().flatMap((path) => {
      const parsed = path.startsWith(folder) ? parseSegmentFileName(path.slice(folder.length)) : null;
      return parsed?.suffix === 'log'
        ? [{ baseOffset: parsed.baseOffset as number, bytes: this.#disk.contents(path).length }]
        : [];
    });
    const [first, ...rest] = segments;
    // Clients delete records, not segments: what holds one that stays is kept whole.
    const holdsStart =
      start <= log.deletedTo &&
      (first?.baseOffset ?? 0) < start &&
      (rest[0]?.baseOffset ?? start + 1) > start;
    const isAging = Number.isFinite(log.topic.leastRetentionMs);
    // Of the first segments compaction may have left nothing.
    const isCompacted = log.topic.isCompacted && (first?.baseOffset ?? start) <= start;
    if (first?.baseOffset !== start && !holdsStart && !isAging && !isCompacted) {
      throw new Verdict(`${log.name} starts at ${start}, its first segment at ${first?.baseOffset}`);
    }
    const { retentionBytes, deletes } = log.topic.settings;
    const left = rest.reduce((sum, { bytes }) => sum + bytes, 0);
    // What is just being compacted goes with a later check.
    if (deletes && retentionBytes >= 0 && left >= retentionBytes && !log.topic.isCompacted) {
      throw new Verdict(
        `${log.name}: retention keeps a segment though ${left} bytes follow it, with retention.bytes ${retentionBytes}`,
      );
    }
  }

  #noLeak(): void {
    this.#administrator.close();
    const broker = this.#machine.broker;
    this.#runUntil(
      () => broker?.leak() === null,
      10_000,
      () => `memory is not free: ${broker?.leak()}`,
    );
  }

  #surveyAfterPowerLoss(): void {
    this.#survey?.close();
    this.#survey = new Survey({
      world: this.#world,
      random: this.#streams('survey'),
      powerLost: true,
      done: () => {
        this.#survey = null;
      },
    });
  }
}
