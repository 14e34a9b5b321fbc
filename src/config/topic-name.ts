const LENGTH_MAX = 249;
const LEGAL = /^[a-zA-Z0-9._-]+$/;

/**
 * What is wrong with a topic name, as a sentence, or null if it is valid. A name becomes part of a folder's name, with the
 * partition behind it; hence the length. Source: org.apache.kafka.common.internals.Topic (legal names).
 */
export function topicNameProblem(name: string): string | null {
  if (name.length === 0) return 'A topic name must not be empty.';
  if (name === '.' || name === '..') return `A topic cannot be named "${name}".`;
  if (name.length > LENGTH_MAX) {
    return `A topic name has at most ${LENGTH_MAX} characters; this one has ${name.length}.`;
  }
  if (!LEGAL.test(name)) {
    return `The topic name ${JSON.stringify(name)} contains characters other than a-z, A-Z, 0-9, ".", "_" and "-".`;
  }
  return null;
}
