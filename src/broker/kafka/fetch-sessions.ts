// Fetch sessions (KIP-227): the broker remembers which partitions a consumer reads, the consumer sends what changed, and the
// broker leaves out what has nothing new. One table for all connections of a broker; a session outlives its connection.

import type { Clock } from '../../base/clock.js';
import type { ErrorName } from '../../base/errors.js';
import type { TopicId } from '../../base/ids.js';
import type { Random } from '../../base/random.js';
import { Budget } from '../budget.js';
import { PARTITIONS_MAX as REQUEST_PARTITIONS_MAX, WAITING_PARTITIONS_MAX } from './limits.js';

/** A partition as a consumer names and reads it. */
export interface SessionPartition {
  /** By {@link keyOf}: it is the same for all requests that name the partition. */
  readonly key: string;
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: number;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
}

/** What the last answer said of a partition: it is said again only if it changed. */
interface Told {
  asked: SessionPartition;
  highWatermark: number;
  logStartOffset: number;
}

export interface Session {
  readonly id: number;
  readonly byId: boolean;
  /** The epoch of the next request. */
  nextEpoch: number;
  lastUsedMs: number;
  /** In the order in which they are read: those that gave records go to the end, so that all get their turn. */
  readonly partitions: Map<string, Told>;
}

/** How a request is answered: with all its partitions, or those of a session that have news. */
export type Opened =
  | { readonly type: 'full'; readonly session: Session | null }
  | { readonly type: 'incremental'; readonly session: Session }
  | { readonly type: 'refused'; readonly error: ErrorName };

/** As many as Kafka keeps. */
const SESSIONS_MAX = 1000;
/** A session may be dropped for another one when it was not used for so long. */
const IDLE_MS = 120_000;
const EPOCH_MAX = 0x7fff_ffff;
/** Partitions of all sessions together; each takes some hundred bytes. */
const PARTITIONS_MAX = 100_000;

/** How much is remembered at most. */
export interface FetchSessionLimits {
  readonly sessionsMax?: number;
  readonly partitionsMax?: number;
}

/** What is the same for the same partition. */
export const keyOf = (
  { topic, topicId, partition }: Pick<SessionPartition, 'topic' | 'topicId' | 'partition'>,
  byId: boolean,
) => `${byId ? topicId : topic}/${partition}`;

export class FetchSessions {
  /** What the large fetches of all connections wait for, in partitions. */
  readonly waiting = new Budget(WAITING_PARTITIONS_MAX);
  /** The least recently used first. */
  readonly #sessions = new Map<number, Session>();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sessionsMax: number;
  readonly #partitionsMax: number;
  #partitions = 0;

  constructor(
    clock: Clock,
    random: Random,
    { sessionsMax = SESSIONS_MAX, partitionsMax = PARTITIONS_MAX }: FetchSessionLimits = {},
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#sessionsMax = sessionsMax;
    this.#partitionsMax = partitionsMax;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Partitions of all sessions. */
  get partitionCount(): number {
    return this.#partitions;
  }

  /** Finds, opens or ends the session that a request names. */
  open(request: {
    readonly id: number;
    readonly epoch: number;
    readonly byId: boolean;
    readonly partitions: readonly SessionPartition[];
    readonly forgotten: readonly Pick<SessionPartition, 'topic' | 'topicId' | 'partition'>[];
  }): Opened {
    const { id, epoch, byId, partitions, forgotten } = request;
    if (epoch <= 0) {
      this.#delete(id);
      return { type: 'full', session: epoch === 0 ? this.#create(byId, partitions) : null };
    }
    const session = this.#sessions.get(id);
    if (!session) return { type: 'refused', error: 'FETCH_SESSION_ID_NOT_FOUND' };
    if (session.byId !== byId) return { type: 'refused', error: 'FETCH_SESSION_TOPIC_ID_ERROR' };
    if (session.nextEpoch !== epoch) return { type: 'refused', error: 'INVALID_FETCH_SESSION_EPOCH' };
    session.nextEpoch = epoch === EPOCH_MAX ? 1 : epoch + 1;
    session.lastUsedMs = this.#clock.monotonicMs();
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    const before = session.partitions.size;
    for (const partition of forgotten) session.partitions.delete(keyOf(partition, byId));
    for (const asked of partitions) {
      const told = session.partitions.get(asked.key);
      if (told) told.asked = asked;
      else session.partitions.set(asked.key, untold(asked));
    }
    this.#partitions += session.partitions.size - before;
    if (session.partitions.size > REQUEST_PARTITIONS_MAX || this.#partitions > this.#partitionsMax) {
      // The client asks for all of its partitions then: without a session if there is no room for one, or in several requests.
      this.#delete(id);
      return { type: 'refused', error: 'FETCH_SESSION_ID_NOT_FOUND' };
    }
    return { type: 'incremental', session };
  }

  #delete(id: number): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    this.#sessions.delete(id);
    this.#partitions -= session.partitions.size;
  }

  #create(byId: boolean, partitions: readonly SessionPartition[]): Session | null {
    if (partitions.length === 0 || partitions.length > this.#partitionsMax) return null;
    const nowMs = this.#clock.monotonicMs();
    while (
      this.#sessions.size >= this.#sessionsMax ||
      this.#partitions + partitions.length > this.#partitionsMax
    ) {
      const [oldest] = this.#sessions.values();
      if (!oldest || nowMs - oldest.lastUsedMs < IDLE_MS) return null;
      this.#delete(oldest.id);
    }
    let id = 0;
    while (id === 0 || this.#sessions.has(id)) id = this.#random.below(EPOCH_MAX) + 1;
    const told = new Map(partitions.map((asked) => [asked.key, untold(asked)]));
    const session: Session = { id, byId, nextEpoch: 1, lastUsedMs: nowMs, partitions: told };
    this.#sessions.set(id, session);
    this.#partitions += told.size;
    return session;
  }
}

const untold = (asked: SessionPartition): Told => ({ asked, highWatermark: -1, logStartOffset: -1 });

/** Remembers what a partition is told; true if that is news. */
export function tell(
  session: Session,
  asked: SessionPartition,
  answer: {
    readonly error: boolean;
    readonly hasRecords: boolean;
    readonly highWatermark: number;
    readonly logStartOffset: number;
  },
): boolean {
  const told = session.partitions.get(asked.key);
  if (!told) return true;
  const { error, hasRecords, highWatermark, logStartOffset } = answer;
  const changed = told.highWatermark !== highWatermark || told.logStartOffset !== logStartOffset;
  const news = error || hasRecords || changed;
  told.highWatermark = highWatermark;
  told.logStartOffset = logStartOffset;
  if (hasRecords) {
    session.partitions.delete(asked.key);
    session.partitions.set(asked.key, told);
  }
  return news;
}
