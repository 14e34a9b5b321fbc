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

interface Question {
  readonly entry: PartitionEntry | undefined;
  readonly asked: Asked;
  /** null: answered without looking. */
  readonly position: ListOffsetsTarget['position'] | null;
  readonly error: ErrorName;
}

function positionOf(timestamp: number): ListOffsetsTarget['position'] | null {
  if (timestamp >= 0) return { timestampMs: timestamp };
  if (timestamp === LATEST) return 'latest';
  if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) return 'earliest';
  return timestamp === MAX_TIMESTAMP ? 'max-timestamp' : null;
}

function question(router: Router, topic: string, asked: Asked, version: number): Question {
  const entry = router.topics.partition(topic, asked.partitionIndex);
  const { timestamp } = asked;
  const unsupported = timestamp < 0 && (SINCE[timestamp] ?? Number.POSITIVE_INFINITY) > version;
  return {
    entry,
    asked,
    position: positionOf(timestamp),
    error: unsupported ? 'UNSUPPORTED_VERSION' : 'NONE',
  };
}

function answerOf({ entry, asked, error }: Question, listed: ListedOffset | undefined) {
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

export const serveListOffsets = serveAtOnce(listOffsets, ({ router, version, body }, answer) => {
  const asked = body.topics.map(({ name, partitions }) => ({
    name,
    questions: partitions.map((partition) => question(router, name, partition, version)),
  }));
  const all = asked.flatMap(({ questions }) => questions);
  const entries = all.flatMap(({ entry }) => (entry ? [entry] : []));
  router.withRoutes(entries, () => {
    const checked = new Map<Question, Question>();
    const looked: Question[] = [];
    for (const one of all) {
      const problem =
        one.entry && one.error === 'NONE' ? epochProblem(one.entry, one.asked.currentLeaderEpoch) : null;
      const next = problem ? { ...one, error: problem } : one;
      checked.set(one, next);
      if (next.error === 'NONE' && next.position !== null) looked.push(next);
    }
    const targets = looked.map(({ entry, position }) => ({ entry, position: position ?? 'latest' }));
    router.listOffsets(targets, (listed) => {
      const results = new Map(looked.map((one, index) => [one, listed[index]]));
      answer.reply({
        topics: asked.map(({ name, questions }) => ({
          name,
          partitions: questions.map((one) => {
            const next = checked.get(one) ?? one;
            return answerOf(next, results.get(next));
          }),
        })),
      });
    });
  });
});
