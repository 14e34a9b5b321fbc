import { describe, expect, it } from 'vitest';
import { FlushTracker } from '../../src/client/flush-tracker.js';

/** The names of the promises that are resolved after the microtasks that are due. */
async function resolved(promises: Record<string, Promise<void>>): Promise<string[]> {
  const names: string[] = [];
  for (const [name, promise] of Object.entries(promises)) void promise.then(() => names.push(name));
  await new Promise((resolve) => setImmediate(resolve));
  return names;
}

describe('FlushTracker', () => {
  it('resolves at once when nothing is under way', async () => {
    const tracker = new FlushTracker();
    tracker.finish(tracker.begin());
    expect(await resolved({ flush: tracker.flush() })).toEqual(['flush']);
    expect(tracker.isFlushing).toBe(false);
  });

  it('waits for what began before it, not for what began after', async () => {
    const tracker = new FlushTracker();
    const before = tracker.begin();
    const flush = tracker.flush();
    const after = tracker.begin();
    expect(await resolved({ flush })).toEqual([]);
    expect(tracker.isFlushing).toBe(true);
    tracker.finish(before);
    expect(await resolved({ flush })).toEqual(['flush']);
    tracker.finish(after);
  });

  it('resolves a second flush only after the first', async () => {
    const tracker = new FlushTracker();
    const one = tracker.begin();
    const first = tracker.flush();
    const two = tracker.begin();
    const second = tracker.flush();
    tracker.finish(two);
    expect(await resolved({ first, second })).toEqual([]);
    tracker.finish(one);
    expect(await resolved({ first, second })).toEqual(['first', 'second']);
  });
});
