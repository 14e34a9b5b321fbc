// OffsetFetch: what groups have committed, of topics that exist or not; where there is nothing the offset is -1.
//
// v1 says errors of the group with each partition, v2 to v7 once; v8 asks for many groups, each of which is answered; v10
// names topics by id, and leaves those out of "all" that have none. Members of classic groups are not checked (v9).
import { ERRORS } from '../../base/errors.js';
import type { TopicId } from '../../base/ids.js';
import { offsetFetch } from '../../protocol/kafka/messages/09-offset-fetch.js';
import { ZERO_UUID } from '../../protocol/kafka/schema.js';
import { type AnswerTo, coordinate } from '../coordinate.js';
import type { Router } from '../router.js';
import { atATime } from './at-a-time.js';
import { serveAtOnce } from './context.js';
import { GROUPS_AT_A_TIME, GROUPS_MAX } from './groups.js';
import { refuseTooMany, refuseTooManyPartitions } from './limits.js';
import { topicOf } from './topics.js';

const GROUP_ERROR_VERSION = 2;
const MANY_GROUPS_VERSION = 8;
const BY_ID_VERSION = 10;
const NOTHING = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '' };

type FetchedOffset = AnswerTo<'fetch-offsets'>['topics'][number]['partitions'][number];

interface AskedTopic {
  readonly name: string;
  readonly topicId: TopicId;
  readonly partitionIndexes: readonly number[];
}

interface AskedGroup {
  readonly groupId: string;
  /** null: all. */
  readonly topics: readonly AskedTopic[] | null;
}

interface AnsweredTopic {
  readonly name: string;
  readonly topicId: TopicId;
  readonly partitions: readonly AnsweredPartition[];
}

interface AnsweredPartition {
  readonly partitionIndex: number;
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

interface AnsweredGroup {
  readonly groupId: string;
  readonly errorCode: number;
  readonly topics: readonly AnsweredTopic[];
}

export const serveOffsetFetch = serveAtOnce(offsetFetch, ({ router, version, body }, answer) => {
  const many = version >= MANY_GROUPS_VERSION;
  const asked: readonly AskedGroup[] = many
    ? body.groups
    : [{ groupId: body.groupId, topics: body.topics?.map(named) ?? null }];
  refuseTooMany(asked, GROUPS_MAX, 'groups');
  refuseTooManyPartitions(
    asked.flatMap(({ topics }) => topics ?? []),
    ({ partitionIndexes }) => partitionIndexes,
  );
  const fetcher: Fetcher = { router, byId: version >= BY_ID_VERSION, requireStable: body.requireStable };
  // All offsets of a group may be many more than its name: they are told once.
  const told = new Set<string>();
  const groups = asked.filter(({ groupId, topics }) => {
    const again = topics === null && told.has(groupId);
    if (topics === null) told.add(groupId);
    return !again;
  });
  const answers: AnsweredGroup[] = new Array(groups.length);
  const ask = (group: AskedGroup, index: number, ended: () => void) => {
    fetchGroup(fetcher, group, (answered) => {
      answers[index] = answered;
      ended();
    });
  };
  atATime(groups, GROUPS_AT_A_TIME, ask, () => {
    const [only] = answers;
    const errorCode = only?.errorCode ?? 0;
    if (many) answer.reply({ topics: [], groups: answers });
    else if (version >= GROUP_ERROR_VERSION || errorCode === 0)
      answer.reply({ topics: only?.topics ?? [], errorCode, groups: [] });
    else
      answer.reply({
        topics: (asked[0]?.topics ?? []).map((topic) => without(topic, errorCode)),
        groups: [],
      });
  });
});

interface Fetcher {
  readonly router: Router;
  readonly byId: boolean;
  readonly requireStable: boolean;
}

const named = ({ name, partitionIndexes }: Omit<AskedTopic, 'topicId'>): AskedTopic => ({
  ...{ name, topicId: ZERO_UUID, partitionIndexes },
});

/** The topic with nothing of any partition. */
function without({ name, topicId, partitionIndexes }: AskedTopic, errorCode: number): AnsweredTopic {
  const partitions = partitionIndexes.map((partitionIndex) => ({ partitionIndex, ...NOTHING, errorCode }));
  return { name, topicId, partitions };
}

function fetchGroup(
  { router, byId, requireStable }: Fetcher,
  { groupId, topics }: AskedGroup,
  done: (answered: AnsweredGroup) => void,
): void {
  // By name no topic has to exist: its offsets may outlive it.
  const nameOf = (topic: AskedTopic) => (byId ? topicOf(router, topic, true).topic?.image.name : topic.name);
  const wanted = topics?.flatMap((topic) => {
    const name = nameOf(topic);
    return name === undefined ? [] : [{ name, partitions: topic.partitionIndexes }];
  });
  coordinate(router, { type: 'fetch-offsets', groupId, topics: wanted ?? null, requireStable }, (fetched) => {
    if (fetched.type === 'refused' || fetched.error !== 'NONE') {
      done({ groupId, errorCode: ERRORS[fetched.error].code, topics: [] });
      return;
    }
    const byName = new Map(
      fetched.topics.map(({ name, partitions }) => [
        name,
        new Map(partitions.map((found) => [found.partition, answerOf(found)])),
      ]),
    );
    const answered = topics?.map((topic): AnsweredTopic => {
      const name = nameOf(topic);
      if (name === undefined) return without(topic, ERRORS.UNKNOWN_TOPIC_ID.code);
      const found = byName.get(name);
      const partitions = without(topic, 0).partitions.map((none) => found?.get(none.partitionIndex) ?? none);
      return { name: topic.name, topicId: topic.topicId, partitions };
    });
    done({ groupId, errorCode: 0, topics: answered ?? allTopics(router, byName, byId) });
  });
}

function allTopics(
  { topics }: Router,
  byName: ReadonlyMap<string, ReadonlyMap<number, AnsweredPartition>>,
  byId: boolean,
): AnsweredTopic[] {
  return [...byName].flatMap(([name, partitions]) => {
    const topicId = topics.topic(name)?.image.topicId;
    if (byId && topicId === undefined) return [];
    // One whose topic was made anew counts for nothing.
    const known = [...partitions.values()].filter(
      ({ committedOffset, errorCode }) => committedOffset !== -1 || errorCode !== 0,
    );
    return known.length === 0 ? [] : [{ name, topicId: topicId ?? ZERO_UUID, partitions: known }];
  });
}

function answerOf({ partition, offset, leaderEpoch, metadata, error }: FetchedOffset): AnsweredPartition {
  return {
    partitionIndex: partition,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: ERRORS[error].code,
  };
}
