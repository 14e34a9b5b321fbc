// The history of one group, from a seed: consumers come, go, stall, die and are started again, connections and appends fail, the
// coordinator crashes and comes back. When enough has happened all faults end; then the group must settle, and what is in the
// log must be all that the coordinator knows.

import { silentLogger } from '../../../../src/base/log.js';
import { type Random, seededRandom } from '../../../../src/base/random.js';
import { SimulatedClock } from '../../../../src/base/simulated-clock.js';
import type { GroupConfig } from '../../../../src/coordinator/group/group-config.js';
import type { GroupCommand, GroupReply } from '../../../../src/coordinator/group/group-messages.js';
import { GroupShard } from '../../../../src/coordinator/group/group-shard.js';
import type { CoordinatedTopic, CoordinatorRecord, ShardPorts } from '../../../../src/coordinator/shard.js';
import { between, chance, pick, type Streams, streams } from '../../../simulation/streams.js';
import { compacted, type GroupShardLike } from '../memory-host.js';
import { CONFIG, topicIdOf } from '../scene.js';
import type { HistoryHost, MakeHost } from './host.js';
import { Judge, Verdict } from './judge.js';
import { memoryHistoryHost } from './memory-history-host.js';
import { type ConsumerOptions, GROUP_ID, SimulatedConsumer, TOPICS } from './simulated-consumer.js';

export const REBALANCES_MIN = 3;
export const RESTARTS_MIN = 1;
const FAULTS_MIN = 8;
const STORM_MS_MAX = 1_800_000;
/** A member that was never told its id stays for five minutes; others wait for it that long. */
const SETTLE_MS_MAX = 1_200_000;
const CALM_MS = 60_000;
const CONSUMERS_MAX = 6;

export interface HistoryOptions {
  readonly trace?: boolean;
  readonly makeHost?: MakeHost;
  readonly makeShard?: (config: GroupConfig, ports: ShardPorts) => GroupShardLike;
}

export interface HistoryResult {
  readonly rebalances: number;
  readonly restarts: number;
  readonly requests: number;
  readonly commits: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly virtualMs: number;
}

const topics: ReadonlyMap<string, CoordinatedTopic> = new Map(
  Object.entries(TOPICS).map(([name, partitions], index) => [
    name,
    { topicId: topicIdOf(index + 1), partitions },
  ]),
);

export class History {
  readonly lines: string[] = [];
  readonly #streams: Streams;
  readonly #random: Random;
  readonly #clock: SimulatedClock;
  readonly #judge = new Judge();
  readonly #host: HistoryHost;
  readonly #config: GroupConfig;
  readonly #isTraced: boolean;
  readonly #isCooperative: boolean;
  readonly #protocols: readonly string[];
  readonly #consumers: SimulatedConsumer[] = [];
  readonly #faults = new Map<string, number>();
  #started = 0;
  #restarts = 0;
  #isStormy = true;

  constructor(seed: number, options: HistoryOptions = {}) {
    this.#streams = streams(seed);
    this.#random = this.#streams('history');
    this.#isTraced = options.trace ?? false;
    this.#clock = new SimulatedClock({ random: this.#streams('ties') });
    this.#config = {
      ...CONFIG,
      initialRebalanceDelayMs: pick(this.#random, [0, 300, 3_000]),
      // A group that is forgotten begins with generation 1 again, which is another group for the judge.
      offsetsRetentionCheckIntervalMs: 86_400_000,
    };
    this.#isCooperative = chance(this.#random, 0.5);
    this.#protocols = pick(this.#random, [['range'], ['sticky', 'range'], ['range', 'sticky']]);
    const makeHost = options.makeHost ?? memoryHistoryHost;
    this.#host = makeHost({
      clock: this.#clock,
      random: this.#streams('host'),
      config: this.#config,
      topics,
      makeShard: options.makeShard ?? ((config, ports) => new GroupShard(config, ports)),
    });
  }

  run(): HistoryResult {
    const count = between(this.#random, 2, CONSUMERS_MAX);
    for (let index = 0; index < count; index++) this.#startConsumer();
    this.#storm();
    this.#isStormy = false;
    this.#host.slow(2);
    this.#settle();
    this.#examine();
    return {
      rebalances: this.#judge.generations,
      restarts: this.#restarts,
      requests: this.#judge.requests,
      commits: this.#judge.commits,
      faults: this.#faults,
      virtualMs: this.#clock.monotonicMs(),
    };
  }

  #trace(line: () => string): void {
    if (this.#isTraced) this.lines.push(`${this.#clock.monotonicMs()} ${line()}`);
  }

  // ---------------------------------------------------------------------------------------------------------- consumers

  #startConsumer(instanceId: string | null = this.#drawInstance()): void {
    const name = `consumer-${++this.#started}`;
    if (instanceId !== null && this.#running.some(({ options }) => options.instanceId === instanceId))
      this.#judge.contested(instanceId);
    const random = this.#streams(name);
    const options: ConsumerOptions = {
      name,
      instanceId,
      isCooperative: this.#isCooperative,
      protocols: this.#protocols,
      topics: pick(random, [['t', 'u'], ['t', 'u'], ['t'], ['u', 't']]),
      sessionTimeoutMs: between(random, 6_000, 12_000),
      rebalanceTimeoutMs: between(random, 5_000, 20_000),
      requireKnownMemberId: chance(random, 0.7),
      canSkipAssignment: chance(random, 0.5),
    };
    const consumer = new SimulatedConsumer(
      {
        clock: this.#clock,
        judge: this.#judge,
        handle: (command, reply) => this.#host.handle(command, reply),
        trace: (line) => this.#trace(line),
        isStormy: () => this.#isStormy,
      },
      random,
      options,
    );
    this.#consumers.push(consumer);
    this.#trace(() => `${name} starts, instance ${instanceId}`);
    consumer.start();
  }

  #drawInstance(): string | null {
    const taken = new Set(this.#running.map(({ options }) => options.instanceId));
    const instanceId = `instance-${between(this.#random, 1, CONSUMERS_MAX)}`;
    return chance(this.#random, 0.6) || taken.has(instanceId) ? null : instanceId;
  }

  get #running(): readonly SimulatedConsumer[] {
    return this.#consumers.filter(({ isRunning }) => isRunning);
  }

  // -------------------------------------------------------------------------------------------------------------- faults

  #storm(): void {
    while (!this.#isEnough) {
      if (this.#clock.monotonicMs() > STORM_MS_MAX)
        throw new Verdict('the group makes no progress under faults');
      this.#clock.advance(between(this.#random, 200, 15_000));
      this.#breakSomething();
    }
  }

  get #isEnough(): boolean {
    const faults = [...this.#faults.values()].reduce((sum, count) => sum + count, 0);
    return (
      this.#judge.generations >= REBALANCES_MIN && this.#restarts >= RESTARTS_MIN && faults >= FAULTS_MIN
    );
  }

  #breakSomething(): void {
    const [kind, happen] = pick(this.#random, [...this.#kinds]);
    this.#trace(() => `-- ${kind}`);
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
    happen();
    if (this.#running.length === 0) this.#startConsumer();
  }

  readonly #kinds = new Map<string, () => void>([
    ['a consumer more', () => this.#startOneMore()],
    ['a death', () => this.#end((consumer) => consumer.die())],
    ['a stop', () => this.#end((consumer) => consumer.stop())],
    ['a restart of a consumer', () => this.#startAgain()],
    ['a pause', () => this.#victim()?.pause(between(this.#random, 500, 25_000))],
    ['a lost connection', () => this.#victim()?.loseConnection()],
    ['slow appends', () => this.#host.slow(pick(this.#random, [2, 50, 3_000]))],
    ['a failed append', () => this.#host.failAppend()],
    ['a crash of the coordinator', () => this.#crash()],
    ['a jump of the wall clock', () => this.#clock.jumpWall(between(this.#random, -60_000, 60_000))],
    ['an administrator', () => this.#administrate()],
  ]);

  #victim(): SimulatedConsumer | null {
    return this.#running.length > 0 ? pick(this.#random, this.#running) : null;
  }

  #startOneMore(): void {
    if (this.#running.length < CONSUMERS_MAX) this.#startConsumer();
  }

  #end(end: (consumer: SimulatedConsumer) => void): void {
    const victim = this.#victim();
    if (victim !== null && this.#running.length > 1) end(victim);
  }

  /** A new process in place of another one; a static member has its place in the group. */
  #startAgain(): void {
    const victim = this.#victim();
    if (victim === null) return;
    const { instanceId } = victim.options;
    if (chance(this.#random, 0.8)) victim.die();
    else if (instanceId === null) victim.stop();
    // Else both run for a while, and the older one is fenced.
    this.#clock.after(between(this.#random, 0, 8_000), () => {
      if (this.#isStormy) this.#startConsumer(instanceId);
    });
  }

  #crash(): void {
    this.#compareWithLog();
    this.#restarts++;
    this.#host.crash(between(this.#random, 0, 5_000));
    this.#judge.forgive();
    for (const consumer of this.#consumers) consumer.loseConnection();
  }

  /** Who only looks must see a group that can be, and who takes members out must find it working. */
  #administrate(): void {
    this.#compareWithLog();
    const groupId = GROUP_ID;
    this.#ask({ type: 'describe', groupId }, (reply) => {
      if (reply.type === 'described' && reply.state === 'Empty' && reply.members.length > 0)
        throw new Verdict('an empty group has members');
    });
    this.#ask({ type: 'list', states: [], types: [] }, () => {});
    this.#ask({ type: 'delete-offsets', groupId, topics: [{ name: 'none', partitions: [0] }] }, () => {});
    const instanceId = this.#victim()?.options.instanceId ?? null;
    if (instanceId !== null && chance(this.#random, 0.3))
      this.#ask(
        { type: 'leave', groupId, members: [{ memberId: '', instanceId, reason: 'moved' }] },
        () => {},
      );
  }

  #ask(command: GroupCommand, done: (reply: GroupReply) => void): void {
    const request = this.#judge.asked(`${command.type} of an administrator`);
    this.#host.handle(command, (reply) => {
      this.#judge.answered(request, reply);
      done(reply);
    });
  }

  // -------------------------------------------------------------------------------------------------------------- the end

  /** All is as it should be, and stays so: whoever died has been noticed by then. */
  #settle(): void {
    const endMs = this.#clock.monotonicMs() + SETTLE_MS_MAX;
    let generation: number | undefined;
    do {
      const leftMs = endMs - this.#clock.monotonicMs();
      if (leftMs <= 0 || !this.#clock.runUntil(() => this.#isSettled, leftMs))
        throw new Verdict(`the group does not settle: ${this.#describeConsumers()}`);
      generation = this.#generation;
      this.#clock.advance(CALM_MS);
    } while (!this.#isSettled || generation !== this.#generation);
  }

  get #generation(): number | undefined {
    return this.#running[0]?.generation;
  }

  /** All are members of the same generation, and each partition that somebody reads has one owner. */
  get #isSettled(): boolean {
    const running = this.#running;
    if (!running.every(({ isSettled }) => isSettled)) return false;
    if (new Set(running.map(({ generation }) => generation)).size !== 1) return false;
    const owned = running.flatMap((consumer) => [...consumer.owned.keys()]);
    const wanted = Object.entries(TOPICS)
      .filter(([topic]) => running.some(({ options }) => options.topics.includes(topic)))
      .reduce((sum, [, partitions]) => sum + partitions, 0);
    return owned.length === wanted && new Set(owned).size === wanted;
  }

  #describeConsumers(): string {
    return this.#running
      .map(({ options, generation, owned, isSettled }) => {
        const what = [...owned].map(([partition, position]) => `${partition}@${position}`).join(' ');
        return `${options.name} ${isSettled ? 'is settled' : 'waits'} in ${generation} with ${what || 'nothing'}`;
      })
      .join('; ');
  }

  /** While nothing is under way, the log has all that the coordinator knows. */
  #compareWithLog(): void {
    const known = this.#knowledge((command, reply) => this.#host.handle(command, reply));
    if (known === null) return;
    const loaded = this.#loaded(this.#host.log);
    if (loaded !== known) throw new Verdict(`the log tells ${loaded}, known was ${known}`);
  }

  /** A shard that is loaded from the log knows what the one that wrote it knows, of a compacted log too. */
  #examine(): void {
    let known: string | null = null;
    this.#clock.runUntil(() => {
      known = this.#knowledge((command, reply) => this.#host.handle(command, reply));
      return known !== null;
    }, CALM_MS);
    if (known === null) throw new Verdict('the coordinator never comes to rest');
    let isClosed = false;
    this.#host.close(() => {
      isClosed = true;
    });
    this.#clock.runUntil(() => isClosed, CALM_MS);
    if (!isClosed) throw new Verdict('the coordinator does not close');
    this.#judge.allAnswered();
    const { log } = this.#host;
    this.#judge.readLog(log);
    for (const [name, records] of [
      ['the log', log],
      ['the compacted log', compacted(log, true)],
      ['the compacted log without tombstones', compacted(log, false)],
    ] as const) {
      const loaded = this.#loaded(records);
      if (loaded !== known) throw new Verdict(`${name} tells ${loaded}, known was ${known}`);
    }
  }

  #loaded(records: readonly (CoordinatorRecord & { readonly timestampMs: number })[]): string | null {
    const shard = new GroupShard(this.#config, {
      clock: this.#clock,
      random: seededRandom(1),
      logger: silentLogger,
      topic: (name) => topics.get(name),
      fits: () => true,
      append: (_records, done) => done(null),
      afterAppends: (done) => done(null),
    });
    for (const record of records) shard.replay(record, record.timestampMs);
    shard.start();
    const knowledge = this.#knowledge((command, reply) => shard.handle(command, reply));
    shard.close('NOT_COORDINATOR');
    return knowledge;
  }

  /**
   * All that can be asked of the group and is kept in the log, as a text; null while something is under way: a rebalance, or
   * records that answers wait for.
   */
  #knowledge(handle: (command: GroupCommand, reply: (reply: GroupReply) => void) => void): string | null {
    const replies: GroupReply[] = [];
    handle({ type: 'describe', groupId: GROUP_ID }, (reply) => replies.push(reply));
    handle({ type: 'fetch-offsets', groupId: GROUP_ID, topics: null, requireStable: false }, (reply) =>
      replies.push(reply),
    );
    const [described, fetched] = replies;
    if (described?.type !== 'described' || fetched?.type !== 'offsets-fetched') return null;
    if (/Rebalance$/.test(described.state)) return null;
    const members = [...described.members].sort(byText);
    const fetchedTopics = [...fetched.topics].sort(byText);
    return JSON.stringify([described.state, described.protocol, members, fetchedTopics], (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    );
  }
}

const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
