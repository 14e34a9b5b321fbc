// Fetch sessions (KIP-227): the broker remembers which partitions a consumer reads, the consumer sends what changed, and the
// broker leaves out what has nothing new. One table for all connections of a broker; a session outlives its connection. What may have
// something new is known from the session's watch list, so that a request costs what changed.
import type { Clock } from '../../base/clock.js';
import type { ErrorName } from '../../base/errors.js';
import type { LeaderEpoch, TopicId } from '../../base/ids.js';
import type { Random } from '../../base/random.js';
import { Budget } from '../budget.js';
import type { Fetched } from '../fetch.js';
import type { PartitionEntry } from '../topic-table.js';
import { type FetchTarget, type Watched, WatchList } from '../watch-list.js';
import { PARTITIONS_MAX as REQUEST_PARTITIONS_MAX, WAITING_PARTITIONS_MAX } from './limits.js';

/** A partition as a consumer names it. */
export interface NamedPartition {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
}

/** A partition as a consumer asks for it. */
export interface AskedPartition extends NamedPartition, FetchTarget {
  /** By {@link keyOf}: it is the same for all requests that name the partition. */
  readonly key: string;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
  /** The one that is called so: found anew when its topic is gone. */
  entry: PartitionEntry | undefined;
  /** The epoch in which what the consumer believes of the log's history was found right: in one epoch the log only grows. */
  soundEpoch: LeaderEpoch;
}

export interface Session {
  readonly id: number;
  readonly byId: boolean;
  /** The epoch of the next request. */
  nextEpoch: number;
  lastUsedMs: number;
  /** By {@link AskedPartition.key}. */
  readonly partitions: Map<string, Watched<AskedPartition>>;
  /** Those that gave records are read after the others, so that all get their turn. */
  readonly watch: WatchList<AskedPartition>;
}

/** How a request is answered: with all its partitions, or those of a session that have news. */
export type OpenedSession =
  | { readonly type: 'full'; readonly session: Session | null }
  | { readonly type: 'incremental'; readonly session: Session };
export type Opened = OpenedSession | { readonly type: 'refused'; readonly error: ErrorName };

/** As many as Kafka keeps. */
const SESSIONS_MAX = 1000;
/** A session may be dropped for another one when it was not used for so long. */
const IDLE_MS = 120_000;
const EPOCH_MAX = 0x7fff_ffff;
/** Partitions of all sessions together; each takes 0.6 KiB. */
const PARTITIONS_MAX = 100_000;

/** How much is remembered at most. */
export interface FetchSessionLimits {
  readonly sessionsMax?: number;
  readonly partitionsMax?: number;
}

/** What is the same for the same partition. */
export const keyOf = ({ topic, topicId, partition }: NamedPartition, byId: boolean) =>
  `${byId ? topicId : topic}/${partition}`;

export class FetchSessions {
  /** What the large fetches of all connections wait for that have no session, in partitions. */
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

  /** Finds, opens or ends the session that a request names. A request of the session that still waits is answered. */
  open(request: {
    readonly id: number;
    readonly epoch: number;
    readonly byId: boolean;
    /** One that is named twice counts as it is named last. */
    readonly partitions: readonly AskedPartition[];
    readonly forgotten: readonly NamedPartition[];
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
    session.watch.dismiss();
    const before = session.partitions.size;
    for (const partition of forgotten) forget(session, keyOf(partition, byId));
    for (const asked of partitions) ask(session, asked);
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
    session.watch.end(session.partitions.values());
  }

  #create(byId: boolean, partitions: readonly AskedPartition[]): Session | null {
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
    const session: Session = {
      ...{ id, byId, nextEpoch: 1, lastUsedMs: nowMs },
      partitions: new Map(),
      watch: new WatchList(),
    };
    for (const asked of partitions) ask(session, asked);
    this.#sessions.set(id, session);
    this.#partitions += session.partitions.size;
    return session;
  }
}

function ask({ partitions, watch }: Session, asked: AskedPartition): void {
  const known = partitions.get(asked.key);
  if (known) watch.change(known, asked);
  else partitions.set(asked.key, watch.add(asked));
}

function forget({ partitions, watch }: Session, key: string): void {
  const known = partitions.get(key);
  if (!known) return;
  watch.remove(known);
  partitions.delete(key);
}

/** Remembers what a partition is told, null if it is not read, because of an error or another history; true if that is news. */
export function tell(
  { partitions, watch }: Session,
  asked: AskedPartition,
  fetched: Fetched | null,
): boolean {
  const known = partitions.get(asked.key);
  if (!known) return true;
  const isRead = fetched !== null && fetched.error === 'NONE';
  const isChanged = watch.tell(known, asked, {
    highWatermark: isRead ? fetched.highWatermark : -1,
    logStartOffset: isRead ? fetched.logStartOffset : -1,
    hasRecords: isRead && fetched.records !== null,
    isUnfinished: !isRead || fetched.leavesRecords,
  });
  return isChanged || !isRead;
}
