import { describe, expect, it } from 'vitest';
import { TopicTurns } from '../../src/broker/topic-turns.js';

describe('TopicTurns', () => {
  it('makes changes of one topic one after the other, those of others at once', () => {
    const turns = new TopicTurns();
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const take = (topic: string, change: string) =>
      turns.take(topic, (ended) => {
        begun.push(change);
        ends.set(change, ended);
      });
    take('a', 'a1');
    take('a', 'a2');
    take('b', 'b1');
    take('a', 'a3');
    expect(begun).toEqual(['a1', 'b1']);
    ends.get('a1')?.();
    expect(begun).toEqual(['a1', 'b1', 'a2']);
    ends.get('a2')?.();
    ends.get('a3')?.();
    take('a', 'a4');
    expect(begun).toEqual(['a1', 'b1', 'a2', 'a3', 'a4']);
  });

  it('goes through many that end at once without a deep stack', () => {
    const turns = new TopicTurns();
    const firsts: (() => void)[] = [];
    turns.take('a', (ended) => firsts.push(ended));
    let made = 0;
    for (let i = 0; i < 50_000; i++) {
      turns.take('a', (ended) => {
        made++;
        ended();
      });
    }
    expect(made).toBe(0);
    firsts[0]?.();
    expect(made).toBe(50_000);
  });

  it('lets a change ask for another turn of its topic', () => {
    const turns = new TopicTurns();
    const made: string[] = [];
    turns.take('a', (ended) => {
      turns.take('a', (endedToo) => {
        made.push('second');
        endedToo();
      });
      made.push('first');
      ended();
    });
    expect(made).toEqual(['first', 'second']);
  });
});
