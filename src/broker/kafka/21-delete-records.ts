// DeleteRecords: has logs begin later, at an offset or (-1) at the high watermark. Answered when no crash brings the records back.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { toOffset } from '../../base/ids.js';
import { deleteRecords } from '../../protocol/kafka/messages/21-delete-records.js';
import { atATime } from './at-a-time.js';
import { serveAtOnce } from './context.js';
import { refuseTooManyPartitions } from './limits.js';

/** How many partitions the supervisor is asked about at a time. */
const DELETED_AT_A_TIME = 100;
const HIGH_WATERMARK = -1;

interface Target {
  readonly topic: string;
  readonly partitionIndex: number;
  readonly offset: number;
  lowWatermark: number;
  errorCode: number;
}

export const serveDeleteRecords = serveAtOnce(deleteRecords, ({ router, body }, answer) => {
  refuseTooManyPartitions(body.topics, ({ partitions }) => partitions);
  // What is named twice is answered once: the last counts.
  const topics = new Map<string, Map<number, Target>>();
  for (const { name, partitions } of body.topics) {
    const targets = topics.get(name) ?? new Map<number, Target>();
    topics.set(name, targets);
    for (const { partitionIndex, offset } of partitions)
      targets.set(partitionIndex, { topic: name, partitionIndex, offset, lowWatermark: -1, errorCode: 0 });
  }
  const remove = (target: Target, _index: number, ended: () => void) => {
    const fail = (error: ErrorName) => {
      target.errorCode = ERRORS[error].code;
      ended();
    };
    const { topic, partitionIndex, offset } = target;
    const entry = router.topics.partition(topic, partitionIndex);
    if (!entry) fail('UNKNOWN_TOPIC_OR_PARTITION');
    else if (offset < HIGH_WATERMARK) fail('OFFSET_OUT_OF_RANGE');
    else {
      const beforeOffset = offset === HIGH_WATERMARK ? null : toOffset(offset);
      router.ask({ type: 'delete-records', topic, partition: entry.index, beforeOffset }, (reply) => {
        if (reply.type !== 'records-deleted') {
          fail(reply.type === 'failed' ? reply.error : 'UNKNOWN_SERVER_ERROR');
          return;
        }
        target.lowWatermark = reply.logStartOffset;
        ended();
      });
    }
  };
  const targets = [...topics.values()].flatMap((partitions) => [...partitions.values()]);
  atATime(targets, DELETED_AT_A_TIME, remove, () => {
    answer.reply({
      topics: [...topics].map(([name, partitions]) => ({ name, partitions: [...partitions.values()] })),
    });
  });
});
