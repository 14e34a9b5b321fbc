// OffsetForLeaderEpoch: where a leader epoch ends in the log, so that a client sees whether what it read was cut away (KIP-320).
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { toLeaderEpoch } from '../../base/ids.js';
import { offsetForLeaderEpoch } from '../../protocol/kafka/messages/23-offset-for-leader-epoch.js';
import type { PartitionEntry } from '../topic-table.js';
import { serveAtOnce } from './context.js';
import { refuseTooManyPartitions } from './limits.js';
import { epochProblem } from './topics.js';

interface EpochEnd {
  readonly error: ErrorName;
  readonly leaderEpoch: number;
  readonly endOffset: number;
}

const none = (error: ErrorName): EpochEnd => ({ error, leaderEpoch: -1, endOffset: -1 });

function epochEnd(
  entry: PartitionEntry | undefined,
  currentLeaderEpoch: number,
  leaderEpoch: number,
): EpochEnd {
  if (!entry || entry.topic.deleted) return none('UNKNOWN_TOPIC_OR_PARTITION');
  const published = entry.route?.view.read();
  if (!entry.route || !published) return none(entry.failure?.error ?? 'NOT_LEADER_OR_FOLLOWER');
  const problem = epochProblem(entry, currentLeaderEpoch);
  if (problem) return none(problem);
  if (leaderEpoch < 0) return none('NONE');
  const end = entry.route.epochs.endOffsetFor(toLeaderEpoch(leaderEpoch), published.logEndOffset);
  return end ? { error: 'NONE', leaderEpoch: end.epoch, endOffset: end.endOffset } : none('NONE');
}

export const serveOffsetForLeaderEpoch = serveAtOnce(offsetForLeaderEpoch, ({ router, body }, answer) => {
  refuseTooManyPartitions(body.topics, ({ partitions }) => partitions);
  const entryOf = (topic: string, partition: number) => router.topics.partition(topic, partition);
  const entries = body.topics.flatMap(({ topic, partitions }) =>
    partitions.flatMap(({ partition }) => entryOf(topic, partition) ?? []),
  );
  router.withRoutes(entries, () => {
    answer.reply({
      topics: body.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
          const end = epochEnd(entryOf(topic, partition), currentLeaderEpoch, leaderEpoch);
          return {
            errorCode: ERRORS[end.error].code,
            partition,
            leaderEpoch: end.leaderEpoch,
            endOffset: end.endOffset,
          };
        }),
      })),
    });
  });
});
