// Fetch: whole batches from the one that holds the offset on, never cut, the first one even if it is larger than the bounds
// (KIP-74). Sessions (KIP-227), leader epochs and diverging histories (KIP-320, KIP-595), topics by id from v13 on.
//
// There are no transactions yet: the last stable offset is the high watermark, and read committed has an empty list.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { NO_EPOCH, toLeaderEpoch } from '../../base/ids.js';
import { type FetchRequest, type FetchResponse, fetch } from '../../protocol/kafka/messages/01-fetch.js';
import type { Budget } from '../budget.js';
import { type Fetched, unrouted } from '../fetch.js';
import type { Router } from '../router.js';
import type { PartitionEntry } from '../topic-table.js';
import { type KafkaAnswer, type KafkaRequest, serve } from './context.js';
import { type AskedPartition, keyOf, type OpenedSession, type Session, tell } from './fetch-sessions.js';
import { LARGE_FETCH_PARTITIONS, refuseTooManyPartitions } from './limits.js';
import { epochProblem } from './topics.js';

const READ_COMMITTED = 1;
const BY_ID_VERSION = 13;
const EMPTY = Buffer.alloc(0);

interface Divergence {
  readonly epoch: number;
  readonly endOffset: number;
}

/** Why a partition is not read: an error, or the reader has another history. */
interface Refusal {
  readonly error: ErrorName;
  readonly diverging: Divergence | null;
}

type Refusals = ReadonlyMap<AskedPartition, Refusal>;

function namedPartitions(
  { topics }: FetchRequest,
  { topics: known }: Router,
  byId: boolean,
): AskedPartition[] {
  const named: AskedPartition[] = [];
  for (const { topic, topicId, partitions } of topics) {
    const entries = (byId ? known.topicById(topicId) : known.topic(topic))?.partitions;
    for (const {
      partition,
      currentLeaderEpoch,
      lastFetchedEpoch,
      fetchOffset,
      partitionMaxBytes,
    } of partitions) {
      named.push({
        key: keyOf({ topic, topicId, partition }, byId),
        topic,
        topicId,
        partition,
        currentLeaderEpoch,
        lastFetchedEpoch,
        offset: fetchOffset,
        maxBytes: Math.max(1, partitionMaxBytes),
        entry: entries?.[partition],
        soundEpoch: NO_EPOCH,
      });
    }
  }
  return named;
}

/** Each partition once, as it is named last. */
function distinct(named: readonly AskedPartition[]): readonly AskedPartition[] {
  if (named.length < 2) return named;
  return [...new Map(named.map((asked) => [asked.key, asked])).values()];
}

/** The partition, which may be another one by now if the topic was created anew. */
function entryOf({ topics }: Router, asked: AskedPartition, byId: boolean): PartitionEntry | undefined {
  if (!asked.entry || asked.entry.topic.deleted) {
    const topic = byId ? topics.topicById(asked.topicId) : topics.topic(asked.topic);
    asked.entry = topic?.partitions[asked.partition];
    asked.soundEpoch = NO_EPOCH;
  }
  return asked.entry;
}

/** Finds the partition and checks what the client believes of its history. */
function refusalOf(router: Router, asked: AskedPartition, byId: boolean): Refusal | null {
  const entry = entryOf(router, asked, byId);
  if (!entry) {
    const isUnknownId = byId && !router.topics.topicById(asked.topicId);
    return { error: isUnknownId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION', diverging: null };
  }
  const { route } = entry;
  if (!route || route.leaderEpoch === asked.soundEpoch) return null;
  const problem = epochProblem(entry, asked.currentLeaderEpoch);
  if (problem) return { error: problem, diverging: null };
  if (asked.lastFetchedEpoch >= 0) {
    const published = route.view.read();
    if (!published) return null;
    const end = route.epochs.endOffsetFor(toLeaderEpoch(asked.lastFetchedEpoch), published.logEndOffset);
    if (!end) return { error: 'OFFSET_OUT_OF_RANGE', diverging: null };
    const { epoch, endOffset } = end;
    if (epoch < asked.lastFetchedEpoch || endOffset < asked.offset)
      return { error: 'NONE', diverging: { epoch, endOffset } };
  }
  asked.soundEpoch = route.leaderEpoch;
  return null;
}

function refusalsOf(router: Router, partitions: readonly AskedPartition[], byId: boolean): Refusals {
  const refusals = new Map<AskedPartition, Refusal>();
  for (const asked of partitions) {
    const refusal = refusalOf(router, asked, byId);
    if (refusal) refusals.set(asked, refusal);
  }
  return refusals;
}

/** What consumers know how to live with; of anything else some give up. */
const ERRORS_OF_FETCH: ReadonlySet<ErrorName> = new Set([
  'NONE',
  'UNKNOWN_SERVER_ERROR',
  'OFFSET_OUT_OF_RANGE',
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'NOT_LEADER_OR_FOLLOWER',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
]);

type ResponseTopic = FetchResponse['responses'][number];
type ResponsePartition = ResponseTopic['partitions'][number];

/** What was found of a partition, or why it was not read. */
interface Answered {
  readonly asked: AskedPartition;
  readonly fetched: Fetched | null;
  readonly refusal: Refusal | null;
}

function failureOf({ asked, fetched, refusal }: Answered, byId: boolean): ErrorName {
  const failure = refusal?.error ?? fetched?.error ?? 'NONE';
  // The topic was deleted while it was waited for.
  const isDeleted = asked.entry?.topic.deleted && failure === 'UNKNOWN_TOPIC_OR_PARTITION';
  if (byId && isDeleted) return 'UNKNOWN_TOPIC_ID';
  return ERRORS_OF_FETCH.has(failure) ? failure : 'NOT_LEADER_OR_FOLLOWER';
}

/** One answer's partitions by topic, in the order in which they were read. */
class ResponseTopics {
  readonly topics: (ResponseTopic & { readonly partitions: ResponsePartition[] })[] = [];
  readonly #byKey = new Map<string, ResponsePartition[]>();
  readonly #byId: boolean;
  readonly #committed: boolean;

  constructor(byId: boolean, committed: boolean) {
    this.#byId = byId;
    this.#committed = committed;
  }

  add(answered: Answered): void {
    const { asked, fetched, refusal } = answered;
    const failure = failureOf(answered, this.#byId);
    const known = failure === 'NONE' ? fetched : null;
    this.#partitionsOf(asked).push({
      partitionIndex: asked.partition,
      errorCode: ERRORS[failure].code,
      highWatermark: known?.highWatermark ?? -1,
      lastStableOffset: known?.lastStableOffset ?? -1,
      logStartOffset: known?.logStartOffset ?? -1,
      ...(refusal?.diverging && { divergingEpoch: refusal.diverging }),
      abortedTransactions: this.#committed ? [] : null,
      records: known?.records ?? EMPTY,
    });
  }

  #partitionsOf({ topic, topicId }: AskedPartition): ResponsePartition[] {
    const key = this.#byId ? topicId : topic;
    const known = this.#byKey.get(key);
    if (known) return known;
    const partitions: ResponsePartition[] = [];
    this.#byKey.set(key, partitions);
    this.topics.push({ topic, topicId, partitions });
    return partitions;
  }
}

interface Wait {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** To be called when it is over, at least once. */
  readonly over: () => void;
}

const NO_WAIT: Wait = { minBytes: 0, maxWaitMs: 0, over: () => {} };

/** How long a fetch may wait, and for how much; `count` is how many partitions it has to remember meanwhile. */
function waitFor(count: number, { minBytes, maxWaitMs }: FetchRequest, waiting: Budget): Wait {
  const wait = { minBytes: Math.max(0, minBytes), maxWaitMs: Math.max(0, maxWaitMs), over: () => {} };
  if (count <= LARGE_FETCH_PARTITIONS || wait.maxWaitMs === 0 || wait.minBytes === 0) return wait;
  if (!waiting.take(count)) return NO_WAIT;
  let taken = count;
  const over = () => {
    waiting.give(taken);
    taken = 0;
  };
  // The first bytes end it, and make room for others.
  return { minBytes: 1, maxWaitMs: wait.maxWaitMs, over };
}

export const serveFetch = serve(fetch, (request) => {
  const { router, sessions, version, body } = request;
  refuseTooManyPartitions(body.topics, ({ partitions }) => partitions);
  refuseTooManyPartitions(body.forgottenTopicsData, ({ partitions }) => partitions);
  const answer = request.begin();
  const byId = version >= BY_ID_VERSION;
  const named = namedPartitions(body, router, byId);
  const opened = sessions.open({
    id: body.sessionId,
    epoch: body.sessionEpoch,
    byId,
    partitions: named,
    forgotten: body.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((partition) => ({ topic, topicId, partition })),
    ),
  });
  if (opened.type === 'refused') answer.reply({ errorCode: ERRORS[opened.error].code, responses: [] });
  else
    new Answering(request, answer, opened).start(opened.session ? readyOf(opened.session) : distinct(named));
  return true;
});

const readyOf = ({ watch }: Session): readonly AskedPartition[] => watch.ready().map(({ target }) => target);

/** A request whose session, if it has one, has taken note of what it says. */
class Answering {
  readonly #request: KafkaRequest<typeof fetch.request.fields, typeof fetch.response.fields>;
  readonly #answer: KafkaAnswer<typeof fetch.response.fields>;
  readonly #session: Session | null;
  /** Only what has news is answered. */
  readonly #isIncremental: boolean;
  readonly #byId: boolean;
  #isHurried = false;

  constructor(
    request: KafkaRequest<typeof fetch.request.fields, typeof fetch.response.fields>,
    answer: KafkaAnswer<typeof fetch.response.fields>,
    { type, session }: OpenedSession,
  ) {
    this.#request = request;
    this.#answer = answer;
    this.#session = session;
    this.#isIncremental = type === 'incremental';
    this.#byId = request.version >= BY_ID_VERSION;
  }

  /** Has the partitions opened first: all that are asked for, but of a session only those that may have news. */
  start(partitions: readonly AskedPartition[]): void {
    const { router } = this.#request;
    for (const asked of partitions) entryOf(router, asked, this.#byId);
    this.#answer.onCancel(
      () => {
        this.#isHurried = true;
      },
      () => {},
    );
    router.withRoutes(unrouted(partitions), () => {
      if (!this.#answer.isUnwanted()) this.#read(partitions);
    });
  }

  /** Waits for news, unless something is refused or there is nothing to wait for, and answers. */
  #read(opened: readonly AskedPartition[]): void {
    const { router, connection, sessions, body } = this.#request;
    const session = this.#session;
    // A session may have been dropped meanwhile, or have more that is ready.
    const watch = session && !session.watch.hasEnded ? session.watch : null;
    const partitions = session && watch ? readyOf(session) : opened;
    const refusals = refusalsOf(router, partitions, this.#byId);
    const watched = session && watch ? session.partitions.size : partitions.length;
    const mayWait = !this.#isHurried && refusals.size === 0 && watched > 0;
    const wait = mayWait ? waitFor(watch ? 0 : watched, body, sessions.waiting) : NO_WAIT;
    const reading = router.fetch(
      {
        minBytes: wait.minBytes,
        maxWaitMs: wait.maxWaitMs,
        maxBytes: Math.max(1, body.maxBytes),
        ...(watch && refusals.size === 0
          ? { watch, mayOmit: this.#isIncremental }
          : { targets: partitions.filter((asked) => !refusals.has(asked)) }),
      },
      connection,
      ({ targets, partitions: fetched, release }) => {
        wait.over();
        this.#reply(refusals.size === 0 ? targets : partitions, fetched, refusals, release);
      },
    );
    this.#answer.onCancel(
      () => reading.cancel(),
      () => {
        wait.over();
        reading.abandon();
      },
    );
  }

  /** `fetched` has those that are not refused, in the same order; the last ones may be missing. */
  #reply(
    partitions: readonly AskedPartition[],
    fetched: readonly Fetched[],
    refusals: Refusals,
    release: () => void,
  ): void {
    const session = this.#session;
    const committed = this.#request.body.isolationLevel === READ_COMMITTED;
    const responses = new ResponseTopics(this.#byId, committed);
    let read = 0;
    for (const asked of partitions) {
      const refusal = refusals.get(asked) ?? null;
      const found = refusal ? null : fetched[read++];
      if (found === undefined) break;
      const isNews = session === null || tell(session, asked, found);
      if (isNews || !this.#isIncremental) responses.add({ asked, fetched: found, refusal });
    }
    this.#answer.reply({ errorCode: 0, sessionId: session?.id ?? 0, responses: responses.topics }, release);
  }
}
