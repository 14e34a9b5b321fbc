// CreatePartitions: answered when the new partitions are served.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import {
  type CreatePartitionsRequest,
  createPartitions,
} from '../../protocol/kafka/messages/37-create-partitions.js';
import { unknownTopic } from '../messages.js';
import type { Router } from '../router.js';
import { atATime } from './at-a-time.js';
import { serveAtOnce } from './context.js';
import { DETAIL_CHARACTERS_MAX, PARTITIONS_MAX, refuseTooMany, TOPIC_CHANGES_MAX } from './limits.js';

/** How many the supervisor is asked about at a time. */
const GROWN_AT_A_TIME = 100;

type Asked = CreatePartitionsRequest['topics'][number];

interface Refusal {
  readonly error: ErrorName;
  readonly detail: string;
}

/** What is wrong with where the replicas of the new partitions are to be. */
function assignmentProblem(router: Router, added: number, assignments: Asked['assignments']): Refusal | null {
  if (assignments === null) return null;
  const refuse = (detail: string): Refusal => ({ error: 'INVALID_REPLICA_ASSIGNMENT', detail });
  if (assignments.length !== added) {
    return refuse(`${added} partitions would be added, but ${assignments.length} assignments are given.`);
  }
  const { brokerId } = router.options;
  const here = assignments.every(({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === brokerId);
  return here ? null : refuse(`Each partition has one replica, on the only broker, which is ${brokerId}.`);
}

export const serveCreatePartitions = serveAtOnce(createPartitions, ({ router, body }, answer) => {
  const { topics, validateOnly } = body;
  refuseTooMany(topics, TOPIC_CHANGES_MAX, 'topics');
  const times = new Map<string, number>();
  for (const { name } of topics) times.set(name, (times.get(name) ?? 0) + 1);
  const addedTo = ({ name, count }: Asked) =>
    count - (router.topics.topic(name)?.image.partitions.length ?? count);
  const added = topics.reduce((sum, asked) => sum + Math.max(0, addedTo(asked)), 0);
  // What is named twice is answered once.
  const distinct = [...new Map(topics.map((asked) => [asked.name, asked])).values()];
  const results = distinct.map(({ name }) => ({
    name,
    errorCode: 0 as number,
    errorMessage: null as string | null,
  }));
  const grow = (asked: Asked, index: number, ended: () => void) => {
    const { name, count, assignments } = asked;
    const end = (refusal: Refusal | null) => {
      if (refusal) {
        const errorMessage = refusal.detail.slice(0, DETAIL_CHARACTERS_MAX);
        results[index] = { name, errorCode: ERRORS[refusal.error].code, errorMessage };
      }
      ended();
    };
    if ((times.get(name) ?? 0) > 1) {
      end({ error: 'INVALID_REQUEST', detail: 'The topic is named twice.' });
      return;
    }
    if (!router.topics.topic(name)) {
      end(unknownTopic(name));
      return;
    }
    const increase = addedTo(asked);
    if (increase <= 0) {
      const detail = `The topic has ${count - increase} partition(s) already; ${count} would not be an increase.`;
      end({ error: 'INVALID_PARTITIONS', detail });
      return;
    }
    const problem = assignmentProblem(router, increase, assignments);
    if (problem) {
      end(problem);
      return;
    }
    if (added > PARTITIONS_MAX) {
      const detail = `A request may create ${PARTITIONS_MAX} partitions, not ${added}.`;
      end({ error: 'POLICY_VIOLATION', detail });
      return;
    }
    router.ask({ type: 'add-partitions', name, count, validateOnly }, (reply) =>
      end(reply.type === 'failed' ? reply : null),
    );
  };
  atATime(distinct, GROWN_AT_A_TIME, grow, () => answer.reply({ results }));
});
