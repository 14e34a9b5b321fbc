import { describe, expect, it } from 'vitest';
import { createViews, type Published, ViewReader, ViewWriter } from '../../src/actor/view.js';
import { toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import { explore } from './interleavings.js';

/** A state all of whose numbers tell which publication they belong to, so that a mixture shows. */
const published = (n: number): Published => ({
  leaderEpoch: toLeaderEpoch(n),
  logStartOffset: toOffset(n),
  lastStableOffset: toOffset(n * 2 ** 32 + n),
  highWatermark: toOffset(n * 2 ** 32 + n),
  logEndOffset: toOffset(n * 2 ** 32 + n + 1),
  segmentBaseOffset: toOffset(n * 2 ** 32),
  segmentBytes: n,
  replacements: n,
});

/** Which publication a state is; throws if it is a mixture. */
function numberOf(state: Published | null): number | null {
  if (state === null) return null;
  const n = state.leaderEpoch;
  const whole = published(n);
  for (const [name, value] of Object.entries(state)) {
    if (whole[name as keyof Published] !== value) throw new Error(`a mixture: ${JSON.stringify(state)}`);
  }
  return n;
}

describe('ViewReader', () => {
  it('reads nothing before the first publication and what was published after it', () => {
    const views = createViews(2);
    const writer = new ViewWriter(views, 1);
    const reader = new ViewReader(views, 1, 7);
    expect(reader.read()).toBeNull();
    writer.publish(7, published(3));
    expect(numberOf(reader.read())).toBe(3);
    writer.publish(7, published(4));
    expect(numberOf(reader.read())).toBe(4);
    expect(new ViewReader(views, 0, 7).read()).toBeNull();
  });

  it('carries offsets up to the largest safe integer', () => {
    const views = createViews(1);
    const largest = toOffset(Number.MAX_SAFE_INTEGER);
    const state = {
      ...published(1),
      highWatermark: largest,
      logEndOffset: largest,
      segmentBytes: 2 ** 31 + 5,
    };
    new ViewWriter(views, 0).publish(1, state);
    expect(new ViewReader(views, 0, 1).read()).toEqual(state);
  });

  it('reads nothing of another generation than its own', () => {
    const views = createViews(1);
    const writer = new ViewWriter(views, 0);
    const old = new ViewReader(views, 0, 1);
    writer.publish(1, published(1));
    expect(numberOf(old.read())).toBe(1);
    writer.publish(2, published(2));
    expect(old.read()).toBeNull();
    expect(numberOf(new ViewReader(views, 0, 2).read())).toBe(2);
  });

  it('reads nothing once the view is retired, until the slot is opened again', () => {
    const views = createViews(1);
    const writer = new ViewWriter(views, 0);
    const reader = new ViewReader(views, 0, 1);
    writer.publish(1, published(1));
    writer.publish(1, published(2));
    expect(writer.retire()).toBe(false);
    expect(reader.read()).toBeNull();
    new ViewWriter(views, 0).publish(2, published(3));
    expect(reader.read()).toBeNull();
    expect(numberOf(new ViewReader(views, 0, 2).read())).toBe(3);
  });

  it('goes on where the sequence overflows', () => {
    for (const sequence of [2 ** 31 - 3, -3]) {
      const views = createViews(1);
      Atomics.store(views, 0, sequence);
      const writer = new ViewWriter(views, 0);
      const reader = new ViewReader(views, 0, 1);
      for (let n = 1; n < 8; n++) {
        writer.publish(1, published(n));
        expect(numberOf(reader.read())).toBe(n);
      }
    }
  });
});

describe('ViewWriter', () => {
  it('is told once of a wish, by the next publication or by the end', () => {
    const views = createViews(1);
    const writer = new ViewWriter(views, 0);
    const reader = new ViewReader(views, 0, 1);
    expect(writer.publish(1, published(1))).toBe(false);
    reader.want();
    reader.want();
    expect(writer.publish(1, published(2))).toBe(true);
    expect(writer.publish(1, published(3))).toBe(false);
    reader.want();
    expect(writer.retire()).toBe(true);
    expect(writer.retire()).toBe(false);
  });

  it('refuses a state that cannot be', () => {
    const writer = new ViewWriter(createViews(1), 0);
    const state = published(1);
    expect(() => writer.publish(1, { ...state, logStartOffset: toOffset(2 ** 40) })).toThrow('log start');
    expect(() => writer.publish(1, { ...state, lastStableOffset: toOffset(2 ** 40) })).toThrow('last stable');
    expect(() => writer.publish(1, { ...state, logEndOffset: toOffset(3) })).toThrow('high watermark');
    expect(() => writer.publish(0, state)).toThrow('generation 0');
  });
});

describe('View, in every order of the atomic steps', () => {
  it('shows a whole publication: the one before or the one that is under way', () => {
    const memory = createViews(1);
    new ViewWriter(memory, 0).publish(1, published(1));
    const seen = new Set<number | null>();
    const states = explore({
      memory,
      threads: [
        () => new ViewWriter(memory, 0).publish(1, published(2)),
        () => numberOf(new ViewReader(memory, 0, 1).read()),
      ],
      ended: ({ outcomes }) => seen.add(outcomes[1] as number | null),
    });
    expect([...seen].sort()).toEqual([1, 2]);
    expect(states).toBeGreaterThan(300);
  });

  it('never goes back for a reader that reads twice while two publications come', () => {
    const memory = createViews(1);
    new ViewWriter(memory, 0).publish(1, published(1));
    const seen = new Set<string>();
    explore({
      memory,
      threads: [
        () => {
          for (const n of [2, 3]) new ViewWriter(memory, 0).publish(1, published(n));
        },
        () => [1, 2].map(() => numberOf(new ViewReader(memory, 0, 1).read())),
      ],
      ended: ({ outcomes }) => seen.add(String(outcomes[1])),
      switchesMax: 3,
    });
    const pairs = [...seen].map((pair) => pair.split(',').map(Number));
    expect(pairs.length).toBe(6);
    for (const [first = 0, second = 0] of pairs) expect(first).toBeLessThanOrEqual(second);
  });

  it('is readable at once, wherever its owner stops for good', () => {
    const { load, store } = Atomics;
    const seen: (number | null)[] = [];
    for (let stores = 0; stores <= 16; stores++) {
      const memory = createViews(1);
      new ViewWriter(memory, 0).publish(1, published(1));
      let left = stores;
      let loads = 0;
      try {
        Reflect.set(Atomics, 'store', (words: Int32Array, word: number, value: number) => {
          if (left-- === 0) throw new Error('the owner has died');
          return store(words, word, value);
        });
        Reflect.set(Atomics, 'load', (words: Int32Array, word: number) => {
          if (++loads > 100) throw new Error('the reader waits for the owner');
          return load(words, word);
        });
        const publish = () => new ViewWriter(memory, 0).publish(1, published(2));
        if (stores < 16) expect(publish).toThrow('the owner has died');
        else expect(publish()).toBe(false);
        seen.push(numberOf(new ViewReader(memory, 0, 1).read()));
      } finally {
        Reflect.set(Atomics, 'load', load);
        Reflect.set(Atomics, 'store', store);
      }
    }
    expect(seen).toEqual([...new Array(16).fill(1), 2]);
  });

  it('never shows the state of an earlier opening as one of the new', () => {
    const memory = createViews(1);
    new ViewWriter(memory, 0).publish(1, published(1));
    const seen = new Set<string>();
    explore({
      memory,
      threads: [
        () => {
          new ViewWriter(memory, 0).retire();
          new ViewWriter(memory, 0).publish(2, published(2));
        },
        () => [1, 2].map((generation) => numberOf(new ViewReader(memory, 0, generation).read()) ?? '-'),
      ],
      ended: ({ outcomes }) => seen.add(String(outcomes[1])),
      switchesMax: 3,
    });
    expect([...seen].sort()).toEqual(['-,-', '-,2', '1,-', '1,2']);
  });

  it('loses no wake-up: the reader that looks again sees the news, or the owner is told of its wish', () => {
    const memory = createViews(1);
    new ViewWriter(memory, 0).publish(1, published(1));
    const seen = new Set<string>();
    const states = explore({
      memory,
      threads: [
        () => new ViewWriter(memory, 0).publish(1, published(2)),
        () => {
          const reader = new ViewReader(memory, 0, 1);
          reader.want();
          return numberOf(reader.read());
        },
      ],
      ended: ({ outcomes: [told, read], schedule }) => {
        expect(told === true || read === 2, `nobody knows in ${schedule}`).toBe(true);
        seen.add(`${told},${read}`);
      },
    });
    expect([...seen].sort()).toEqual(['false,2', 'true,1', 'true,2']);
    expect(states).toBeGreaterThan(300);
  });

  it('loses no wake-up when the owner retires', () => {
    const memory = createViews(1);
    new ViewWriter(memory, 0).publish(1, published(1));
    explore({
      memory,
      threads: [
        () => new ViewWriter(memory, 0).retire(),
        () => {
          const reader = new ViewReader(memory, 0, 1);
          reader.want();
          return numberOf(reader.read());
        },
      ],
      ended: ({ outcomes: [told, read], schedule }) => {
        expect(told === true || read === null, `nobody knows in ${schedule}`).toBe(true);
      },
    });
  });
});
