// OffsetCommit: topics and partitions that do not exist are answered here, the others by the coordinator.
//
// v2 to v4 bring a retention time of their own; v10 names topics by id. Of a group that does not exist a member is told
// ILLEGAL_GENERATION below v9, and GROUP_ID_NOT_FOUND later.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import type { CommitOffsetsCommand } from '../../coordinator/group/group-messages.js';
import { type OffsetCommitRequest, offsetCommit } from '../../protocol/kafka/messages/08-offset-commit.js';
import { coordinate } from '../coordinate.js';
import type { Router } from '../router.js';
import type { TopicEntry } from '../topic-table.js';
import { serveAtOnce } from './context.js';
import { refuseTooManyPartitions } from './limits.js';
import { topicOf } from './topics.js';

const BY_ID_VERSION = 10;
const GROUP_NOT_FOUND_VERSION = 9;

type AskedTopic = OffsetCommitRequest['topics'][number];

interface Question {
  readonly asked: AskedTopic;
  readonly topic: TopicEntry | null;
  /** By position in the request; NONE: the coordinator is asked. */
  readonly errors: readonly ErrorName[];
}

export const serveOffsetCommit = serveAtOnce(offsetCommit, ({ router, version, body }, answer) => {
  refuseTooManyPartitions(body.topics, ({ partitions }) => partitions);
  const questions = body.topics.map((asked) => question(router, asked, version >= BY_ID_VERSION));
  const topics = commitsOf(questions);
  const reply = (errorOf: (name: string, partition: number) => ErrorName) => {
    const answered = questions.filter(({ asked }) => asked.partitions.length > 0);
    answer.reply({
      topics: answered.map(({ asked, topic, errors }) => ({
        name: asked.name,
        topicId: asked.topicId,
        partitions: asked.partitions.map(({ partitionIndex }, index) => {
          const own = errors[index] ?? 'NONE';
          const error = own === 'NONE' && topic ? errorOf(topic.image.name, partitionIndex) : own;
          return { partitionIndex, errorCode: ERRORS[error].code };
        }),
      })),
    });
  };
  if (topics.length === 0) {
    reply(() => 'NONE');
    return;
  }
  const { groupId, generationIdOrMemberEpoch, memberId, groupInstanceId, retentionTimeMs } = body;
  coordinate(
    router,
    {
      type: 'commit-offsets',
      groupId,
      generation: generationIdOrMemberEpoch,
      memberId,
      instanceId: groupInstanceId,
      retentionMs: retentionTimeMs < 0 ? null : retentionTimeMs,
      topics,
    },
    (committed) => {
      if (committed.type === 'refused') {
        reply(() => committed.error);
        return;
      }
      const results = new Map(
        committed.topics.map(({ name, partitions }) => [
          name,
          new Map(partitions.map(({ partition, error }) => [partition, error])),
        ]),
      );
      reply((name, partition) => {
        const error = results.get(name)?.get(partition) ?? 'UNKNOWN_SERVER_ERROR';
        const isOld = error === 'GROUP_ID_NOT_FOUND' && version < GROUP_NOT_FOUND_VERSION;
        return isOld ? 'ILLEGAL_GENERATION' : error;
      });
    },
  );
});

function question(router: Router, asked: AskedTopic, byId: boolean): Question {
  const { topic, error } = topicOf(router, asked, byId);
  const errors = asked.partitions.map(({ partitionIndex }): ErrorName => {
    if (!topic) return error;
    return topic.partitions[partitionIndex] ? 'NONE' : 'UNKNOWN_TOPIC_OR_PARTITION';
  });
  return { asked, topic, errors };
}

/** What the coordinator is to commit. */
function commitsOf(questions: readonly Question[]): CommitOffsetsCommand['topics'] {
  return questions.flatMap(({ asked, topic, errors }) => {
    const partitions = asked.partitions
      .filter((_, index) => errors[index] === 'NONE')
      .map(({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata }) => ({
        partition: partitionIndex,
        offset: committedOffset,
        leaderEpoch: committedLeaderEpoch,
        metadata: committedMetadata ?? '',
      }));
    if (!topic || partitions.length === 0) return [];
    return [{ name: topic.image.name, topicId: topic.image.topicId, partitions }];
  });
}
