// DeleteTopics: by name, from v6 on by name or id. Answered when all topics are gone.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { deleteTopics } from '../../protocol/kafka/messages/20-delete-topics.js';
import { ZERO_UUID } from '../../protocol/kafka/schema.js';
import { serveAtOnce } from './context.js';

export const serveDeleteTopics = serveAtOnce(deleteTopics, ({ router, version, body }, answer) => {
  const asked = version >= 6 ? body.topics : body.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  const targets = asked.map(({ name, topicId }) => {
    const topic = name === null ? router.topics.topicById(topicId) : router.topics.topic(name);
    return { name: topic?.image.name ?? name, topicId: topic?.image.topicId ?? topicId };
  });
  const results: { error: ErrorName; detail: string | null }[] = [];
  let left = targets.length + 1;
  const ended = () => {
    if (--left > 0) return;
    answer.reply({
      responses: targets.map(({ name, topicId }, index) => {
        const { error, detail } = results[index] ?? { error: 'NONE', detail: null };
        return { name, topicId, errorCode: ERRORS[error].code, errorMessage: detail };
      }),
    });
  };
  targets.forEach(({ name }, index) => {
    if (name === null) {
      results[index] = { error: 'UNKNOWN_TOPIC_ID', detail: null };
      ended();
      return;
    }
    router.ask({ type: 'delete-topic', name }, (reply) => {
      if (reply.type === 'failed') results[index] = { error: reply.error, detail: reply.detail };
      ended();
    });
  });
  ended();
});
