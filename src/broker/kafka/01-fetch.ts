// Fetch: whole batches from the one that holds the offset on, never cut, the first one even if it is larger than the bounds
// (KIP-74). Sessions (KIP-227), leader epochs and diverging histories (KIP-320, KIP-595), topics by id from v13 on.
//
// There are no transactions yet: the last stable offset is the high watermark, and read committed has an empty list.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { toLeaderEpoch } from '../../base/ids.js';
import { type FetchRequest, fetch } from '../../protocol/kafka/messages/01-fetch.js';
import type { Budget } from '../budget.js';
import type { Fetched, FetchTarget } from '../fetch.js';
import type { Router } from '../router.js';
import type { PartitionEntry } from '../topic-table.js';
import { serve } from './context.js';
import { keyOf, type Session, type SessionPartition, tell } from './fetch-sessions.js';
import { LARGE_FETCH_PARTITIONS, refuseTooManyPartitions } from './limits.js';
import { epochProblem } from './topics.js';

const READ_COMMITTED = 1;
const BY_ID_VERSION = 13;
const EMPTY = Buffer.alloc(0);

interface Divergence {
  readonly epoch: number;
  readonly endOffset: number;
}

interface Question {
  readonly asked: SessionPartition;
  readonly entry: PartitionEntry | undefined;
  /** Why it is not read. */
  readonly error: ErrorName;
  readonly diverging: Divergence | null;
}

interface Answered extends Question {
  readonly fetched: Fetched | null;
}

/** Each partition once, as it is named last. */
function askedPartitions({ topics }: FetchRequest, byId: boolean): SessionPartition[] {
  const asked = topics.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((partition) => {
      const key = keyOf({ topic, topicId, partition: partition.partition }, byId);
      return { key, topic, topicId, ...partition };
    }),
  );
  if (asked.length < 2) return asked;
  return [...new Map(asked.map((partition) => [partition.key, partition])).values()];
}

function entryOf(
  { topics }: Router,
  { topic, topicId, partition }: SessionPartition,
  byId: boolean,
): PartitionEntry | undefined {
  return (byId ? topics.topicById(topicId) : topics.topic(topic))?.partitions[partition];
}

/** Finds the partition and checks what the client believes of its history. */
function question(router: Router, asked: SessionPartition, byId: boolean): Question {
  const entry = entryOf(router, asked, byId);
  if (!entry) {
    const isUnknownId = byId && !router.topics.topicById(asked.topicId);
    const error = isUnknownId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION';
    return { asked, entry, error, diverging: null };
  }
  const problem = epochProblem(entry, asked.currentLeaderEpoch);
  if (problem) return { asked, entry, error: problem, diverging: null };
  const { route } = entry;
  const published = route?.view.read();
  if (asked.lastFetchedEpoch < 0 || !route || !published)
    return { asked, entry, error: 'NONE', diverging: null };
  const end = route.epochs.endOffsetFor(toLeaderEpoch(asked.lastFetchedEpoch), published.logEndOffset);
  if (!end) return { asked, entry, error: 'OFFSET_OUT_OF_RANGE', diverging: null };
  const diverges = end.epoch < asked.lastFetchedEpoch || end.endOffset < asked.fetchOffset;
  return {
    asked,
    entry,
    error: 'NONE',
    diverging: diverges ? { epoch: end.epoch, endOffset: end.endOffset } : null,
  };
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

function failureOf({ error, fetched, entry }: Answered, byId: boolean): ErrorName {
  const failure = error !== 'NONE' ? error : (fetched?.error ?? 'NONE');
  // The topic was deleted while it was waited for.
  if (byId && failure === 'UNKNOWN_TOPIC_OR_PARTITION' && entry?.topic.deleted) return 'UNKNOWN_TOPIC_ID';
  return ERRORS_OF_FETCH.has(failure) ? failure : 'NOT_LEADER_OR_FOLLOWER';
}

function partitionOf(answered: Answered, byId: boolean, committed: boolean) {
  const { asked, fetched, diverging } = answered;
  const failure = failureOf(answered, byId);
  const known = failure === 'NONE' ? fetched : null;
  return {
    partitionIndex: asked.partition,
    errorCode: ERRORS[failure].code,
    highWatermark: known?.highWatermark ?? -1,
    lastStableOffset: known?.lastStableOffset ?? -1,
    logStartOffset: known?.logStartOffset ?? -1,
    ...(diverging && { divergingEpoch: diverging }),
    abortedTransactions: committed ? [] : null,
    records: known?.records ?? EMPTY,
  };
}

/** The answer's partitions by topic, in the order in which they were read. */
function byTopic(answered: readonly Answered[], byId: boolean, committed: boolean) {
  const topics = new Map<string, { asked: SessionPartition; partitions: ReturnType<typeof partitionOf>[] }>();
  for (const one of answered) {
    const key = byId ? one.asked.topicId : one.asked.topic;
    const topic = topics.get(key) ?? { asked: one.asked, partitions: [] };
    topics.set(key, topic);
    topic.partitions.push(partitionOf(one, byId, committed));
  }
  return [...topics.values()].map(({ asked, partitions }) => ({
    topic: asked.topic,
    topicId: asked.topicId,
    partitions,
  }));
}

/** In an incremental answer only what is new; errors are repeated. */
function hasNews(session: Session, { asked, error, fetched, diverging }: Answered): boolean {
  const failed = error !== 'NONE' || (fetched !== null && fetched.error !== 'NONE');
  const news = tell(session, asked, {
    error: failed,
    hasRecords: fetched?.records !== null && fetched?.records !== undefined,
    highWatermark: failed ? -1 : (fetched?.highWatermark ?? -1),
    logStartOffset: failed ? -1 : (fetched?.logStartOffset ?? -1),
  });
  return news || diverging !== null;
}

interface Wait {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** To be called when it is over, at least once. */
  readonly over: () => void;
}

const NO_WAIT: Wait = { minBytes: 0, maxWaitMs: 0, over: () => {} };

/** How long a fetch of so many partitions may wait, and for how much. */
function waitFor(count: number, { minBytes, maxWaitMs }: FetchRequest, waiting: Budget): Wait {
  const wait = { minBytes: Math.max(0, minBytes), maxWaitMs: Math.max(0, maxWaitMs), over: () => {} };
  if (count <= LARGE_FETCH_PARTITIONS || wait.maxWaitMs === 0 || wait.minBytes === 0) return wait;
  if (!waiting.take(count)) return NO_WAIT;
  let taken = count;
  const over = () => {
    waiting.give(taken);
    taken = 0;
  };
  // The first bytes end it: it is not looked through again and again.
  return { minBytes: 1, maxWaitMs: wait.maxWaitMs, over };
}

export const serveFetch = serve(fetch, ({ router, connection, sessions, version, body, begin }) => {
  refuseTooManyPartitions(body.topics, ({ partitions }) => partitions);
  refuseTooManyPartitions(body.forgottenTopicsData, ({ partitions }) => partitions);
  const answer = begin();
  const byId = version >= BY_ID_VERSION;
  const committed = body.isolationLevel === READ_COMMITTED;
  const named = askedPartitions(body, byId);
  const opened = sessions.open({
    id: body.sessionId,
    epoch: body.sessionEpoch,
    byId,
    partitions: named,
    forgotten: body.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((partition) => ({ topic, topicId, partition })),
    ),
  });
  if (opened.type === 'refused') {
    answer.reply({ errorCode: ERRORS[opened.error].code, responses: [] });
    return true;
  }
  const { session } = opened;
  const asked =
    opened.type === 'full' ? named : [...opened.session.partitions.values()].map((told) => told.asked);
  const entries = asked.flatMap((partition) => entryOf(router, partition, byId) ?? []);
  let hurried = false;
  answer.onCancel(
    () => {
      hurried = true;
    },
    () => {},
  );
  router.withRoutes(entries, () => {
    if (answer.isUnwanted()) return;
    const questions = asked.map((partition) => question(router, partition, byId));
    const read = questions.filter(({ error, diverging }) => error === 'NONE' && diverging === null);
    // What has an error or another history ends the wait; so does having nothing to wait for.
    const mayWait = !hurried && read.length === questions.length && questions.length > 0;
    const wait = mayWait ? waitFor(read.length, body, sessions.waiting) : NO_WAIT;
    const reading = router.fetch(
      {
        minBytes: wait.minBytes,
        maxWaitMs: wait.maxWaitMs,
        maxBytes: Math.max(1, body.maxBytes),
        targets: read.map(
          ({ entry, asked: { fetchOffset, partitionMaxBytes } }): FetchTarget => ({
            entry,
            offset: fetchOffset,
            maxBytes: Math.max(1, partitionMaxBytes),
          }),
        ),
      },
      connection,
      ({ partitions, release }) => {
        wait.over();
        const fetched = partitions.values();
        const all = questions.map(({ asked, entry, error, diverging }): Answered => {
          const isRead = error === 'NONE' && diverging === null;
          return { asked, entry, error, diverging, fetched: isRead ? (fetched.next().value ?? null) : null };
        });
        const told = session ? all.filter((one) => hasNews(session, one) || opened.type === 'full') : all;
        answer.reply(
          { errorCode: 0, sessionId: session?.id ?? 0, responses: byTopic(told, byId, committed) },
          release,
        );
      },
    );
    answer.onCancel(
      () => reading.cancel(),
      () => {
        wait.over();
        reading.abandon();
      },
    );
  });
  return true;
});
