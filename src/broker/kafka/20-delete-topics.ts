// DeleteTopics: by name, from v6 on by name or id. Answered when all topics are gone.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import type { TopicId } from '../../base/ids.js';
import { deleteTopics } from '../../protocol/kafka/messages/20-delete-topics.js';
import { ZERO_UUID } from '../../protocol/kafka/schema.js';
import { atATime } from './at-a-time.js';
import { serveAtOnce } from './context.js';
import { DETAIL_CHARACTERS_MAX, refuseTooMany, TOPIC_CHANGES_MAX } from './limits.js';

/** How many the supervisor is asked for at a time. */
const DELETED_AT_A_TIME = 100;

interface Target {
  readonly name: string | null;
  readonly topicId: TopicId;
}

interface Outcome {
  readonly error: ErrorName;
  readonly detail: string | null;
}

export const serveDeleteTopics = serveAtOnce(deleteTopics, ({ router, version, body }, answer) => {
  const asked: readonly Target[] =
    version >= 6 ? body.topics : body.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  refuseTooMany(asked, TOPIC_CHANGES_MAX, 'topics');
  const outcomes: Outcome[] = new Array(asked.length);
  const seen = new Set<string>();
  /** The topic as both its names, as far as there is one. */
  const targets = asked.map(({ name, topicId }): Target => {
    const topic = name === null ? router.topics.topicById(topicId) : router.topics.topic(name);
    return { name: topic?.image.name ?? name, topicId: topic?.image.topicId ?? topicId };
  });
  const remove = ({ name }: Target, index: number, ended: () => void) => {
    const end = (error: ErrorName, detail: string | null = null) => {
      outcomes[index] = { error, detail };
      ended();
    };
    const original = asked[index];
    if (original?.name !== null && original?.topicId !== ZERO_UUID) {
      end('INVALID_REQUEST', 'A topic is named by its name or its id, not by both.');
    } else if (name === null) end('UNKNOWN_TOPIC_ID');
    else if (seen.has(name)) end('INVALID_REQUEST', 'The topic is named twice.');
    else {
      seen.add(name);
      router.ask({ type: 'delete-topic', name }, (reply) => {
        if (reply.type === 'failed') end(reply.error, reply.detail.slice(0, DETAIL_CHARACTERS_MAX));
        else end('NONE');
      });
    }
  };
  atATime(targets, DELETED_AT_A_TIME, remove, () => {
    answer.reply({
      responses: targets.map((target, index) => {
        const { error, detail } = outcomes[index] ?? { error: 'UNKNOWN_SERVER_ERROR', detail: null };
        return { ...target, errorCode: ERRORS[error].code, errorMessage: detail };
      }),
    });
  });
});
