// DescribeTopicPartitions: topics in order of their names, in pages of so many partitions (KIP-966).
import { ERRORS } from '../../base/errors.js';
import { topicNameProblem } from '../../config/topic-name.js';
import { describeTopicPartitions } from '../../protocol/kafka/messages/75-describe-topic-partitions.js';
import { serveAtOnce } from './context.js';
import { refuseTooMany, TOPICS_MAX } from './limits.js';
import { describePartitions } from './topics.js';

const PARTITIONS_MAX = 2000;

export const serveDescribeTopicPartitions = serveAtOnce(
  describeTopicPartitions,
  ({ router, body }, answer) => {
    refuseTooMany(body.topics, TOPICS_MAX, 'topics');
    const { cursor } = body;
    const asked =
      body.topics.length > 0
        ? body.topics.map(({ name }) => name)
        : router.topics.all().map(({ image }) => image.name);
    const names = [...new Set(asked)].sort().filter((name) => cursor === null || name >= cursor.topicName);
    let room = Math.min(Math.max(1, body.responsePartitionLimit), PARTITIONS_MAX);
    let nextCursor: { topicName: string; partitionIndex: number } | null = null;
    const topics = [];
    for (const name of names) {
      const topic = router.topics.topic(name);
      if (!topic) {
        const error =
          topicNameProblem(name) === null ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_TOPIC_EXCEPTION';
        topics.push({ errorCode: ERRORS[error].code, name, partitions: [] });
        continue;
      }
      const from = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
      if (room === 0) {
        nextCursor = { topicName: name, partitionIndex: from };
        break;
      }
      // Kafka's own Java client fails at a null here.
      const all = describePartitions(topic)
        .slice(from)
        .map((partition) => ({ ...partition, eligibleLeaderReplicas: [], lastKnownElr: [] }));
      const partitions = all.slice(0, room);
      room -= partitions.length;
      topics.push({
        errorCode: 0,
        name,
        topicId: topic.image.topicId,
        isInternal: topic.image.internal,
        partitions,
      });
      if (partitions.length < all.length) {
        nextCursor = { topicName: name, partitionIndex: from + partitions.length };
        break;
      }
    }
    answer.reply({ topics, nextCursor });
  },
);
