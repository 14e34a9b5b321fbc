import { describe, expect, it } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { NO_EPOCH } from '../../../src/base/ids.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { Fetched } from '../../../src/broker/fetch.js';
import {
  type AskedPartition,
  FetchSessions,
  type Session,
  tell,
} from '../../../src/broker/kafka/fetch-sessions.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { chance, pick, withSeeds } from '../../actor/seeds.js';

const MINUTE_MS = 60_000;

const partition = (index: number, offset = 0): AskedPartition => ({
  key: `orders/${index}`,
  topic: 'orders',
  topicId: ZERO_UUID,
  partition: index,
  currentLeaderEpoch: -1,
  lastFetchedEpoch: -1,
  offset,
  maxBytes: 1000,
  entry: undefined,
  soundEpoch: NO_EPOCH,
});

const partitions = (count: number) => Array.from({ length: count }, (_, index) => partition(index));

class Scene {
  readonly clock = new SimulatedClock();
  readonly sessions: FetchSessions;

  constructor(limits: ConstructorParameters<typeof FetchSessions>[2] = {}) {
    this.sessions = new FetchSessions(this.clock, seededRandom(1), limits);
  }

  ask(id: number, epoch: number, changes: Partial<Parameters<FetchSessions['open']>[0]> = {}) {
    return this.sessions.open({ id, epoch, byId: false, partitions: [], forgotten: [], ...changes });
  }

  /** A new session of so many partitions, or null if there is no room for it. */
  create(count = 1, id = 0): Session | null {
    const opened = this.ask(id, 0, { partitions: partitions(count) });
    if (opened.type !== 'full') throw new Error(`it was ${opened.type}`);
    return opened.session;
  }
}

const error = (opened: ReturnType<FetchSessions['open']>) =>
  opened.type === 'refused' ? opened.error : null;
/** Of the partitions that may have news, in the order in which they are read. */
const indexes = ({ watch }: Session) => watch.ready().map(({ target }) => target.partition);

describe('FetchSessions', () => {
  it('has no session for those who want none', () => {
    const scene = new Scene();
    expect(scene.ask(0, -1, { partitions: partitions(3) })).toEqual({ type: 'full', session: null });
    expect(scene.ask(0, 0)).toEqual({ type: 'full', session: null });
    expect(scene.sessions).toMatchObject({ size: 0, partitionCount: 0 });
  });

  it('counts the requests of a session and begins again with 1', () => {
    const scene = new Scene();
    const session = scene.create();
    if (!session) throw new Error('no session');
    const { id } = session;
    expect(error(scene.ask(id, 2))).toBe('INVALID_FETCH_SESSION_EPOCH');
    expect(scene.ask(id, 1)).toEqual({ type: 'incremental', session });
    expect(error(scene.ask(id, 1))).toBe('INVALID_FETCH_SESSION_EPOCH');
    session.nextEpoch = 2 ** 31 - 1;
    expect(scene.ask(id, 2 ** 31 - 1).type).toBe('incremental');
    expect(scene.ask(id, 1).type).toBe('incremental');
    expect(error(scene.ask(id + 1, 1))).toBe('FETCH_SESSION_ID_NOT_FOUND');
    expect(error(scene.ask(id, 2, { byId: true }))).toBe('FETCH_SESSION_TOPIC_ID_ERROR');
    expect(scene.ask(id, 2).type).toBe('incremental');
  });

  it('adds, changes and forgets partitions', () => {
    const scene = new Scene();
    const session = scene.create(3);
    if (!session) throw new Error('no session');
    scene.ask(session.id, 1, { partitions: [partition(1, 50), partition(9)], forgotten: [partition(0)] });
    expect(indexes(session)).toEqual([1, 2, 9]);
    expect(session.watch.ready()[0]?.target.offset).toBe(50);
    expect(scene.sessions.partitionCount).toBe(3);
    // Forgotten and asked for in one request: it is read.
    scene.ask(session.id, 2, { partitions: [partition(9, 7)], forgotten: [partition(9), partition(77)] });
    expect(indexes(session)).toEqual([1, 2, 9]);
    expect(scene.sessions.partitionCount).toBe(3);
    scene.ask(session.id, -1);
    expect(scene.sessions).toMatchObject({ size: 0, partitionCount: 0 });
  });

  it('tells of a partition what is new, and puts one that gave records behind the others', () => {
    const scene = new Scene();
    const session = scene.create(3);
    if (!session) throw new Error('no session');
    const asked = [0, 1].map((index) => present(session.partitions.get(`orders/${index}`), 'it').target);
    const [first, second] = [present(asked[0], 'one'), present(asked[1], 'two')];
    const answer: Fetched = {
      ...{ error: 'NONE', highWatermark: 5, lastStableOffset: 5, logStartOffset: 0 },
      ...{ records: null, leavesRecords: false },
    };
    expect(tell(session, first, answer)).toBe(true);
    expect(tell(session, first, answer)).toBe(false);
    expect(tell(session, first, { ...answer, highWatermark: 6 })).toBe(true);
    expect(tell(session, first, { ...answer, highWatermark: 6, logStartOffset: 1 })).toBe(true);
    expect(indexes(session)).toEqual([0, 1, 2]);
    const records = { ...answer, highWatermark: 6, logStartOffset: 1, records: Buffer.alloc(1) };
    expect(tell(session, first, records)).toBe(true);
    expect(tell(session, first, records)).toBe(true);
    expect(indexes(session)).toEqual([1, 2, 0]);
    const failed: Fetched = { ...answer, error: 'OFFSET_OUT_OF_RANGE' };
    expect(tell(session, second, failed)).toBe(true);
    expect(tell(session, second, failed)).toBe(true);
    expect(tell(session, second, null)).toBe(true);
    expect(tell(session, second, null)).toBe(true);
    expect(tell(session, second, answer)).toBe(true);
    expect(tell(session, second, answer)).toBe(false);
  });

  it('drops the session that was idle longest for a new one, once it was idle for two minutes', () => {
    const scene = new Scene({ sessionsMax: 3 });
    const [first, second, third] = [scene.create(), scene.create(), scene.create()];
    if (!first || !second || !third) throw new Error('no session');
    scene.clock.advance(MINUTE_MS);
    expect(scene.create()).toBeNull();
    expect(scene.ask(first.id, 1).type).toBe('incremental');
    scene.clock.advance(MINUTE_MS);
    expect(scene.create()).not.toBeNull();
    expect(error(scene.ask(second.id, 1))).toBe('FETCH_SESSION_ID_NOT_FOUND');
    expect(scene.ask(first.id, 2).type).toBe('incremental');
    expect(scene.ask(third.id, 1).type).toBe('incremental');
    expect(scene.create()).toBeNull();
    // Who begins anew gives its own place back first.
    expect(scene.create(1, third.id)).not.toBeNull();
    expect(scene.sessions.size).toBe(3);
  });

  it('bounds the partitions of all sessions', () => {
    const scene = new Scene({ partitionsMax: 10 });
    expect(scene.create(11)).toBeNull();
    const first = scene.create(6);
    if (!first) throw new Error('no session');
    expect(scene.create(5)).toBeNull();
    const second = scene.create(4);
    if (!second) throw new Error('no session');
    expect(error(scene.ask(second.id, 1, { partitions: [partition(99)] }))).toBe(
      'FETCH_SESSION_ID_NOT_FOUND',
    );
    expect(scene.sessions).toMatchObject({ size: 1, partitionCount: 6 });
    scene.clock.advance(2 * MINUTE_MS);
    expect(scene.create(5)).not.toBeNull();
    expect(scene.sessions).toMatchObject({ size: 1, partitionCount: 5 });
  });

  it('drops a session that grows beyond what a request may name', () => {
    const scene = new Scene();
    const session = scene.create(9_999);
    if (!session) throw new Error('no session');
    expect(scene.ask(session.id, 1, { partitions: [partition(10_000)] }).type).toBe('incremental');
    expect(error(scene.ask(session.id, 2, { partitions: [partition(10_001)] }))).toBe(
      'FETCH_SESSION_ID_NOT_FOUND',
    );
    expect(scene.sessions).toMatchObject({ size: 0, partitionCount: 0 });
  });

  it('stays within its bounds, and counts right, whatever is asked of it', () => {
    withSeeds(100, (random) => {
      const scene = new Scene({ sessionsMax: 5, partitionsMax: 40 });
      const alive = new Map<number, Session>();
      for (let step = 0; step < 300; step++) {
        if (chance(random, 1, 5)) scene.clock.advance(random.below(3 * MINUTE_MS));
        const known = pick(random, [0, 12, ...alive.keys()]);
        const session = alive.get(known);
        const epoch = pick(random, [-1, 0, 0, 1, session?.nextEpoch ?? 2]);
        const some = (end: number) =>
          Array.from({ length: random.below(end) }, () => partition(random.below(15)));
        const opened = scene.ask(known, epoch, { partitions: some(12), forgotten: some(4) });
        if (opened.type !== 'refused' && opened.session) alive.set(opened.session.id, opened.session);
        for (const [id, one] of alive) {
          if (error(scene.ask(id, one.nextEpoch + 1)) === 'FETCH_SESSION_ID_NOT_FOUND') alive.delete(id);
        }
        const count = [...alive.values()].reduce((sum, one) => sum + one.partitions.size, 0);
        expect(scene.sessions.partitionCount).toBe(count);
        expect(scene.sessions.size).toBe(alive.size);
        expect(count).toBeLessThanOrEqual(40);
        expect(alive.size).toBeLessThanOrEqual(5);
      }
    });
  });
});
