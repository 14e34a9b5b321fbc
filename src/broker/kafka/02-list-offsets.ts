// ListOffsets: offsets by time, and of special places: -1 the end, -2 and -4 the start, -3 the largest timestamp (KIP-734), -5
// and -6 the bounds of tiered storage, of which there is none.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { toOffset } from '../../base/ids.js';
import { type ListOffsetsRequest, listOffsets } from '../../protocol/kafka/messages/02-list-offsets.js';
import type { ListedOffset, ListOffsetsTarget } from '../list-offsets.js';
import type { Router } from '../router.js';
import type { PartitionEntry } from '../topic-table.js';
import { serveAtOnce } from './context.js';
import { refuseTooManyPartitions } from './limits.js';
import { epochProblem } from './topics.js';

type Asked = ListOffsetsRequest['topics'][number]['partitions'][number];

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;
/** The first version that knows each place. */
const SINCE: Readonly<Record<number, number>> = {
  [LATEST]: 1,
  [EARLIEST]: 1,
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
  [EARLIEST_PENDING_UPLOAD]: 11,
};

/** How many are looked up in one turn; one by time takes some tens of microseconds, from the page cache. */
const LOOKED_UP_AT_ONCE = 100;

interface Question {
  readonly entry: PartitionEntry | undefined;
  readonly asked: Asked;
  /** null: answered without looking. */
  readonly position: ListOffsetsTarget['position'] | null;
  error: ErrorName;
  /** What was found, once it was looked up. */
  listed: ListedOffset | null;
}

function positionOf(timestamp: number): ListOffsetsTarget['position'] | null {
  if (timestamp >= 0) return { timestampMs: timestamp };
  if (timestamp === LATEST) return 'latest';
  if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) return 'earliest';
  return timestamp === MAX_TIMESTAMP ? 'max-timestamp' : null;
}

export const serveListOffsets = serveAtOnce(listOffsets, ({ router, version, body }, answer) => {
  refuseTooManyPartitions(body.topics, ({ partitions }) => partitions);
  const seen = new Set<string>();
  const question = (topic: string, asked: Asked): Question => {
    const { timestamp, partitionIndex } = asked;
    const entry = router.topics.partition(topic, partitionIndex);
    const key = `${topic}/${partitionIndex}`;
    const repeated = seen.has(key);
    seen.add(key);
    const unsupported = timestamp < 0 && (SINCE[timestamp] ?? Number.POSITIVE_INFINITY) > version;
    const problem: ErrorName | null = repeated
      ? 'INVALID_REQUEST'
      : unsupported
        ? 'UNSUPPORTED_VERSION'
        : entry
          ? null
          : 'UNKNOWN_TOPIC_OR_PARTITION';
    return { entry, asked, position: positionOf(timestamp), error: problem ?? 'NONE', listed: null };
  };
  const topics = body.topics.map(({ name, partitions }) => ({
    name,
    questions: partitions.map((asked) => question(name, asked)),
  }));
  const open = topics.flatMap(({ questions }) => questions.filter(({ error }) => error === 'NONE'));
  const entries = open.flatMap(({ entry }) => entry ?? []);
  router.withRoutes(entries, () => {
    for (const one of open) {
      one.error = (one.entry && epochProblem(one.entry, one.asked.currentLeaderEpoch)) ?? 'NONE';
    }
    const looked = open.filter(({ error, position }) => error === 'NONE' && position !== null);
    look(router, looked, answer, () => {
      answer.reply({
        topics: topics.map(({ name, questions }) => ({ name, partitions: questions.map(answerOf) })),
      });
    });
  });
});

/** Looks some up at a time: by time that may read files, and others are to be served in between. */
function look(
  router: Router,
  questions: readonly Question[],
  answer: { isUnwanted(): boolean },
  done: () => void,
): void {
  const now = questions.slice(0, LOOKED_UP_AT_ONCE);
  const later = questions.slice(LOOKED_UP_AT_ONCE);
  const targets = now.map(({ entry, position }) => ({ entry, position: position ?? 'latest' }));
  router.listOffsets(targets, (listed) => {
    now.forEach((one, index) => {
      one.listed = listed[index] ?? null;
    });
    if (later.length === 0 || answer.isUnwanted()) done();
    else router.options.clock.after(0, () => look(router, later, answer, done));
  });
}

function answerOf({ entry, asked, error, listed }: Question) {
  const found = error === 'NONE' && listed?.error === 'NONE' && listed.offset >= 0 ? listed : null;
  const epoch = found && entry?.route ? entry.route.epochs.epochAt(toOffset(found.offset)) : -1;
  return {
    partitionIndex: asked.partitionIndex,
    errorCode: ERRORS[error === 'NONE' ? (listed?.error ?? 'NONE') : error].code,
    timestamp: found?.timestampMs ?? -1,
    offset: found?.offset ?? -1,
    leaderEpoch: epoch as number,
  };
}
