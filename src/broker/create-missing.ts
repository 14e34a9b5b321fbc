import type { Failure } from '../base/errors.js';
import { topicNameProblem } from '../config/topic-name.js';
import type { Router } from './router.js';

/** Creates those of the topics that do not exist, if `allowed`; then calls back with what went wrong, by name. May call at once. */
export function createMissing(
  router: Router,
  names: readonly string[],
  allowed: boolean,
  done: (failures: ReadonlyMap<string, Failure>) => void,
): void {
  const failures = new Map<string, Failure>();
  const missing = new Set(
    allowed ? names.filter((name) => !router.topics.topic(name) && topicNameProblem(name) === null) : [],
  );
  let left = missing.size + 1;
  const ended = () => {
    if (--left === 0) done(failures);
  };
  for (const name of missing) {
    const topic = { name, partitions: 0, replicationFactor: 0, overrides: {} };
    router.ask({ type: 'create-topic', topic, validateOnly: false }, (reply) => {
      // Another client may have been faster.
      if (reply.type === 'failed' && reply.error !== 'TOPIC_ALREADY_EXISTS') failures.set(name, reply);
      ended();
    });
  }
  ended();
}
