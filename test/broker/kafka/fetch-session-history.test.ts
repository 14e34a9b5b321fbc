// A session that looks only at what may have news, beside one that looks at everything each time: they must say the same, whatever
// happens to the partitions, in whatever order wake-ups come.
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { NO_EPOCH, toOffset } from '../../../src/base/ids.js';
import type { Random } from '../../../src/base/random.js';
import { Fetch, type Fetched, type FetchPorts } from '../../../src/broker/fetch.js';
import {
  type AskedPartition,
  FetchSessions,
  type OpenedSession,
  type Session,
  tell,
} from '../../../src/broker/kafka/fetch-sessions.js';
import { FetchCounters } from '../../../src/broker/metrics/counters.js';
import { seePartition } from '../../../src/broker/partition-sight.js';
import type { PartitionEntry, Route } from '../../../src/broker/topic-table.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { chance, pick, withSeeds } from '../../actor/seeds.js';
import { BATCH_BYTES, offsetsIn, PartitionScene, range } from '../partition-scene.js';
import { READ_AT_ONCE } from '../read-paces.js';

const PARTITIONS = 8;

interface Bounds {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}

/** What an answer says of a partition. */
interface Said {
  readonly index: number;
  readonly error: string;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly offsets: readonly number[];
}

const said = (asked: AskedPartition, { error, highWatermark, logStartOffset, records }: Fetched): Said => ({
  ...{ index: asked.partition, error, offsets: offsetsIn(records) },
  ...(error === 'NONE' ? { highWatermark, logStartOffset } : { highWatermark: -1, logStartOffset: -1 }),
});

/** What a session that looks at everything knows of a partition. */
interface Known {
  asked: AskedPartition;
  highWatermark: number;
  logStartOffset: number;
}

/** A request that is not answered. */
interface Pending {
  readonly fetch: Fetch<AskedPartition>;
  readonly bounds: Bounds;
  readonly deadlineMs: number;
}

class History extends PartitionScene {
  readonly counters = new FetchCounters();
  readonly #random: Random;
  readonly #sessions: FetchSessions;
  /** Wake-ups come late: these are on their way. */
  readonly #onTheirWay: { readonly entry: PartitionEntry; readonly arrive: () => void }[] = [];
  readonly #ringIsSlow: boolean;
  readonly #mayOmit: boolean;
  readonly #routes: Route[];
  readonly #wakes: (() => void)[] = [];
  #session: Session | null = null;
  /** In the order in which they are read. */
  #known = new Map<number, Known>();
  #pending: Pending | null = null;
  /** What consumers want to read next. */
  readonly #positions = range(0, PARTITIONS).map(() => 0);
  /** What clients surely ask for next: what follows the records that they were given, or another offset. */
  readonly #toAsk = new Set<number>();
  /** How often there was nothing to be said of a partition that nobody looked at. */
  restingAnswers = 0;
  /** How many answers ended where they were full. */
  shortAnswers = 0;

  constructor(random: Random) {
    super({ readBytes: 2 ** 20, pace: READ_AT_ONCE, partitions: PARTITIONS });
    this.#random = random;
    this.#sessions = new FetchSessions(this.machine.clock, random, { sessionsMax: 2 });
    this.#ringIsSlow = chance(random, 1, 2);
    this.#mayOmit = chance(random, 1, 2);
    this.#routes = this.partitions.map(({ entry }) => present(entry.route, 'a route'));
    for (const { entry } of this.partitions) {
      const wake = entry.wake.bind(entry);
      this.#wakes.push(wake);
      entry.wake = () => {
        if (this.#ringIsSlow) this.#onTheirWay.push({ entry, arrive: wake });
        else wake();
      };
    }
    for (const [index, { view }] of this.#routes.entries()) {
      const want = view.want.bind(view);
      view.want = () => {
        // The owner publishes just before it can hear the wish.
        if (chance(random, 1, 10)) this.partition(index).add(1);
        want();
      };
    }
  }

  #ports(): FetchPorts {
    const { clock, disk, logger } = this.machine;
    return {
      ...{ clock, disk, logger, readBuffer: this.readBuffer, counters: this.counters },
      withRoutes: (_entries, done) => done(),
      inTurn: (read) => read(() => {}),
      defer: (run) => run(),
      later: (run) => clock.schedule(0, run),
      sliceBytesMin: Number.POSITIVE_INFINITY,
    };
  }

  #asked(index: number): AskedPartition {
    const random = this.#random;
    const position = present(this.#positions[index], 'a position');
    return {
      ...{ key: `orders/${index}`, topic: 'orders', topicId: ZERO_UUID, partition: index },
      ...{ currentLeaderEpoch: -1, lastFetchedEpoch: -1, soundEpoch: NO_EPOCH },
      entry: this.topics.partition('orders', index),
      offset: chance(random, 1, 50) ? random.below(60) : position,
      maxBytes: pick(random, [1, 300, 5000]),
    };
  }

  // ------------------------------------------------------------------------------------------- what looks at everything

  #isEnough({ minBytes, maxBytes }: Bounds): boolean {
    let availableBytes = 0;
    for (const { asked } of this.#known.values()) {
      const { error, found, published } = seePartition(asked.entry, asked.offset, this.machine.logger);
      if (error !== 'NONE') return true;
      if (!found) continue;
      if (found.segmentBaseOffset !== published?.segmentBaseOffset) return true;
      availableBytes += found.endPosition - found.position;
    }
    return minBytes === 0 || availableBytes >= Math.max(1, Math.min(minBytes, maxBytes));
  }

  /** What everything looks like now, in order, but for what is left out. */
  #lookAtAll({ maxBytes }: Bounds, isLeftOut: (index: number) => boolean): Said[] {
    const all: Said[] = [];
    const known = [...this.#known.values()].map(({ asked }) => asked);
    const targets = known.filter(({ partition }) => !isLeftOut(partition));
    const request = { minBytes: 0, maxWaitMs: 0, maxBytes, targets };
    const fetch = new Fetch(request, this.#ports(), ({ partitions, release }) => {
      for (const [at, asked] of targets.entries())
        all.push(said(asked, present(partitions[at], 'an answer')));
      release();
    });
    fetch.start();
    expect(all).toHaveLength(targets.length);
    return all;
  }

  /** Whether that is news, which is taken note of. */
  #isNews({ index, error, highWatermark, logStartOffset, offsets }: Said): boolean {
    const known = present(this.#known.get(index), 'known');
    const isChanged = known.highWatermark !== highWatermark || known.logStartOffset !== logStartOffset;
    known.highWatermark = highWatermark;
    known.logStartOffset = logStartOffset;
    if (offsets.length > 0) {
      this.#known.delete(index);
      this.#known.set(index, known);
    }
    return error !== 'NONE' || isChanged || offsets.length > 0;
  }

  // -------------------------------------------------------------------------------------------------------- requests

  ask(): void {
    const random = this.#random;
    const some = () => range(0, PARTITIONS).filter(() => chance(random, 1, 6));
    const session = chance(random, 1, 25) ? null : this.#session;
    const isIncremental = session !== null;
    const following = chance(random, 1, 10) ? [] : [...this.#toAsk];
    const named = isIncremental ? [...following, ...some()] : range(0, PARTITIONS);
    const partitions = named.map((index) => this.#asked(index));
    this.#toAsk.clear();
    const forgotten = isIncremental && chance(random, 1, 5) ? some() : [];
    const opened = this.#sessions.open({
      ...{ id: this.#session?.id ?? 0, epoch: session?.nextEpoch ?? 0, byId: false, partitions },
      forgotten: forgotten.map((partition) => ({ topic: 'orders', topicId: ZERO_UUID, partition })),
    });
    // Whoever waited was answered.
    expect(this.#pending).toBeNull();
    if (opened.type === 'refused') throw new Error(opened.error);
    if (!isIncremental) this.#known.clear();
    for (const index of forgotten) this.#known.delete(index);
    for (const asked of partitions) {
      const known = this.#known.get(asked.partition);
      if (known) known.asked = asked;
      else this.#known.set(asked.partition, { asked, highWatermark: -1, logStartOffset: -1 });
    }
    this.#session = present(opened.session, 'a session');
    if (this.#known.size > 0) this.#fetch(opened, this.#session);
  }

  #fetch({ type }: OpenedSession, session: Session): void {
    const random = this.#random;
    const bounds = {
      minBytes: pick(random, [0, 1, 1, 4 * BATCH_BYTES, 10_000]),
      maxWaitMs: pick(random, [0, 20, 1000]),
      maxBytes: pick(random, [10, 400, 1_000_000]),
    };
    const mayOmit = this.#mayOmit && type === 'incremental';
    const fetch = new Fetch<AskedPartition>(
      { ...bounds, watch: session.watch, mayOmit },
      this.#ports(),
      ({ targets, partitions, release }) => {
        this.#pending = null;
        const looked = partitions.map((fetched, at) => ({ asked: present(targets[at], 'it'), fetched }));
        this.#check(session, bounds, looked, new Set(targets.slice(partitions.length)), type === 'full');
        release();
      },
    );
    const deadlineMs = this.machine.clock.monotonicMs() + bounds.maxWaitMs;
    this.#pending = { fetch, bounds, deadlineMs };
    fetch.start();
  }

  /** Each partition that was looked at is as it should be, in the right order; of the others there is nothing to say. */
  #check(
    session: Session,
    bounds: Bounds,
    looked: readonly { asked: AskedPartition; fetched: Fetched }[],
    omitted: ReadonlySet<AskedPartition>,
    isFull: boolean,
  ): void {
    const lookedAt = new Map(looked.map((one) => [one.asked.partition, one]));
    const isOmitted = (index: number) => [...omitted].some(({ partition }) => partition === index);
    const all = this.#lookAtAll(bounds, (index) => !lookedAt.has(index) && this.#isOnItsWay(index));
    expect(looked.map(({ asked }) => asked.partition)).toEqual(
      all.flatMap(({ index }) => (lookedAt.has(index) ? [index] : [])),
    );
    if (omitted.size > 0) this.shortAnswers++;
    if (omitted.size > 0) expect(looked.some(({ fetched }) => fetched.records !== null)).toBe(true);
    if (isFull) expect(looked).toHaveLength(all.length);
    for (const one of all) {
      const { asked, fetched } = lookedAt.get(one.index) ?? {};
      if (asked && fetched) {
        expect(said(asked, fetched)).toEqual(one);
        const last = one.offsets.at(-1);
        if (last !== undefined) {
          this.#positions[one.index] = last + 1;
          this.#toAsk.add(one.index);
        } else if (one.error === 'OFFSET_OUT_OF_RANGE') {
          this.#positions[one.index] = this.partition(one.index).log.logStartOffset;
          this.#toAsk.add(one.index);
        }
        expect(tell(session, asked, fetched)).toBe(this.#isNews(one));
      } else if (!isOmitted(one.index)) {
        this.restingAnswers++;
        expect(this.#isNews(one), `${one.index} rests, and has news`).toBe(false);
      }
    }
  }

  #isOnItsWay(index: number): boolean {
    return this.#onTheirWay.some(({ entry }) => entry === this.partition(index).entry);
  }

  // --------------------------------------------------------------------------------------------------------- events

  step(): void {
    const random = this.#random;
    // Clients ask more often than something happens, and so they wait.
    if (this.#pending === null && chance(random, 3, 4)) {
      this.ask();
      return;
    }
    const index = random.below(PARTITIONS);
    const partition = this.partition(index);
    const { log, entry } = partition;
    switch (random.below(10)) {
      case 0:
      case 1:
        partition.append(1 + random.below(3), { valueBytes: pick(random, [8, 8, 40, 700]) });
        break;
      case 2:
      case 3:
        partition.publish(
          partition.highWatermark + random.below(log.logEndOffset - partition.highWatermark + 1),
        );
        break;
      case 4:
        if (chance(random, 1, 3)) {
          const { logStartOffset } = log;
          const behind = partition.highWatermark - logStartOffset;
          log.advanceLogStartOffset(toOffset(logStartOffset + random.below(behind + 1)));
          partition.publish(partition.highWatermark);
        }
        break;
      case 5:
        if (chance(random, 1, 8)) {
          entry.route = null;
          this.#wakes[index]?.();
        }
        break;
      case 6:
        for (const [at, route] of this.#routes.entries()) {
          const { entry: lost } = this.partition(at);
          if (lost.route) continue;
          lost.route = route;
          this.#wakes[at]?.();
        }
        break;
      case 7:
        this.machine.clock.advance(random.below(30));
        break;
      case 8:
        if (chance(random, 1, 3)) this.#end();
        break;
      default:
        if (this.#pending === null || chance(random, 1, 10)) this.ask();
    }
    if (chance(random, 1, 2)) this.wakeUp();
    this.#checkWait();
  }

  /** What is on its way arrives. */
  wakeUp(): void {
    for (let next = this.#onTheirWay.shift(); next; next = this.#onTheirWay.shift()) next.arrive();
  }

  #end(): void {
    const pending = this.#pending;
    if (!pending) return;
    if (chance(this.#random, 1, 2)) pending.fetch.cancel();
    else {
      pending.fetch.abandon();
      this.#pending = null;
    }
  }

  /** Nobody waits for what is there, or beyond the time. */
  #checkWait(): void {
    if (!this.#pending) return;
    const { bounds, deadlineMs } = this.#pending;
    expect(this.machine.clock.monotonicMs()).toBeLessThan(deadlineMs);
    if (this.#onTheirWay.length === 0) expect(this.#isEnough(bounds)).toBe(false);
  }

  /** Ends the session: nothing is left of it. */
  close(): void {
    const registrations = () => this.partitions.reduce((sum, { entry }) => sum + entry.waiting.size, 0);
    expect(registrations()).toBeLessThanOrEqual(PARTITIONS);
    this.#sessions.open({
      ...{ id: this.#session?.id ?? 0, epoch: -1, byId: false },
      ...{ partitions: [], forgotten: [] },
    });
    expect(this.#pending).toBeNull();
    expect(registrations()).toBe(0);
    expect(this.readBuffer.freeBytes).toBe(this.readBuffer.bytes);
  }
}

describe('A fetch session', () => {
  it('says what one would that looks at everything, whatever happens beside it', () => {
    let restingAnswers = 0;
    let parkings = 0;
    let shortAnswers = 0;
    withSeeds(30, (random) => {
      const history = new History(random);
      for (let step = 0; step < 400; step++) history.step();
      history.close();
      restingAnswers += history.restingAnswers;
      parkings += history.counters.parkings;
      shortAnswers += history.shortAnswers;
    });
    // It does rest, and wait, and end where an answer is full (which one history may do nowhere).
    expect(restingAnswers).toBeGreaterThan(0);
    expect(parkings).toBeGreaterThan(0);
    if (process.env['SEED'] === undefined) expect(shortAnswers).toBeGreaterThan(0);
  });
});
