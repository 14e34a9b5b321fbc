import { describe, expect, it } from 'vitest';
import { topicNameProblem } from '../../src/config/topic-name.js';

describe('topicNameProblem', () => {
  it.each(['a', 'flights', 'my.topic_1-x', '...', '-', 'a'.repeat(249), '__consumer_offsets'])(
    'accepts %j',
    (name) => {
      expect(topicNameProblem(name)).toBeNull();
    },
  );

  it.each([
    ['', 'must not be empty'],
    ['.', 'cannot be named'],
    ['..', 'cannot be named'],
    ['a'.repeat(250), 'at most 249 characters; this one has 250'],
    ['a b', 'contains characters other than'],
    ['a/b', 'contains characters other than'],
    ['ä', 'contains characters other than'],
    ['a\n', 'contains characters other than'],
  ])('refuses %j', (name, problem) => {
    expect(topicNameProblem(name)).toContain(problem);
  });
});
