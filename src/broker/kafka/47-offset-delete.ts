// OffsetDelete: forgets offsets of a group, where none of its members reads the topic (KIP-496). Topics and partitions that do
// not exist are answered here.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { offsetDelete } from '../../protocol/kafka/messages/47-offset-delete.js';
import { coordinate } from '../coordinate.js';
import { serveAtOnce } from './context.js';
import { refuseTooManyPartitions } from './limits.js';

export const serveOffsetDelete = serveAtOnce(offsetDelete, ({ router, body }, answer) => {
  refuseTooManyPartitions(body.topics, ({ partitions }) => partitions);
  const exists = (name: string, partition: number) => router.topics.partition(name, partition) !== undefined;
  const topics = body.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions
      .map(({ partitionIndex }) => partitionIndex)
      .filter((partition) => exists(name, partition)),
  }));
  coordinate(
    router,
    {
      type: 'delete-offsets',
      groupId: body.groupId,
      topics: topics.filter(({ partitions }) => partitions.length > 0),
    },
    (deleted) => {
      if (deleted.type === 'refused' || deleted.error !== 'NONE') {
        answer.reply({ errorCode: ERRORS[deleted.error].code, topics: [] });
        return;
      }
      const errors = new Map<string, ErrorName>();
      for (const { name, partitions } of deleted.topics)
        for (const { partition, error } of partitions) errors.set(`${name}/${partition}`, error);
      answer.reply({
        topics: body.topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => {
            const error = errors.get(`${name}/${partitionIndex}`) ?? 'UNKNOWN_TOPIC_OR_PARTITION';
            return { partitionIndex, errorCode: ERRORS[error].code };
          }),
        })),
      });
    },
  );
});
