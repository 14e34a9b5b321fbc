import { describe, expect, it } from 'vitest';
import {
  createRing,
  DESCRIPTOR_WORDS,
  RING_SLEEPING_INDEX,
  RingConsumer,
  type RingMemory,
  RingProducer,
  readWide,
  ringIsAsleep,
  writeWide,
} from '../../src/actor/descriptor-ring.js';
import { type Doorbell, SharedDoorbell } from '../../src/actor/doorbell.js';
import { explore } from './interleavings.js';
import { chance, withSeeds } from './seeds.js';

const HEAD = 0;
const TAIL = 16;

/** A ring whose counters stand at `count`, as if so many descriptors had gone through it. */
function ringAt(capacity: number, count: number): RingMemory {
  const ring = createRing(capacity);
  ring.words[HEAD] = count;
  ring.words[TAIL] = count;
  return ring;
}

/** A bell that is tried by hand. */
class TestBell implements Doorbell {
  rings = 0;
  wake: (() => void) | null = null;

  ring(): void {
    this.rings++;
  }

  wait(wake: () => void): void {
    this.wake = wake;
  }

  hold(): void {}

  letGo(): void {}
}

describe('createRing', () => {
  it('takes powers of two only', () => {
    for (const capacity of [0, 1, 3, 12, -4]) expect(() => createRing(capacity)).toThrow('power of two');
    expect(createRing(8).words.length).toBe(48 + 8 * DESCRIPTOR_WORDS);
  });
});

describe('writeWide', () => {
  it('keeps safe integers, negative ones too', () => {
    const words = new Int32Array(4);
    const values = [
      0,
      1,
      -1,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32 - 1,
      2 ** 32,
      2 ** 52 + 12345,
      Number.MAX_SAFE_INTEGER,
      -(2 ** 40) - 7,
    ];
    for (const value of values) {
      writeWide(words, 1, value);
      expect(readWide(words, 1)).toBe(value);
    }
    expect([words[0], words[3]]).toEqual([0, 0]);
  });
});

describe('RingProducer and RingConsumer', () => {
  it('agree with a queue, also where their counters overflow', () => {
    withSeeds(60, (random) => {
      const capacity = 2 ** (1 + random.below(5));
      const start = [0, 2 ** 31 - 40, 2 ** 32 - 40, random.uint32()][random.below(4)] ?? 0;
      const ring = ringAt(capacity, start | 0);
      const bell = new TestBell();
      const producer = new RingProducer(ring, bell);
      const consumer = new RingConsumer(ring, bell);
      const claimed: number[] = [];
      const visible: number[] = [];
      let next = 0;
      for (let turn = 0; turn < 400; turn++) {
        const action = random.below(3);
        if (action === 0) {
          for (let count = random.below(capacity + 2); count > 0; count--) {
            const room = capacity - claimed.length - visible.length;
            expect(producer.free).toBe(room);
            const at = producer.claim();
            if (room === 0) {
              expect(at).toBe(-1);
              break;
            }
            if (at < 48 || at % DESCRIPTOR_WORDS !== 0) throw new Error(`no place for a descriptor: ${at}`);
            for (let word = 0; word < DESCRIPTOR_WORDS; word++) producer.words[at + word] = next + word;
            claimed.push(next);
            next += 1000;
          }
        } else if (action === 1) {
          producer.publish();
          visible.push(...claimed.splice(0));
        } else if (visible.length > 0) {
          const count = random.below(visible.length + 1);
          visible.slice(0, count).forEach((expected, ahead) => {
            const at = consumer.peek(ahead);
            for (let word = 0; word < DESCRIPTOR_WORDS; word++) {
              if (consumer.words[at + word] !== expected + word)
                throw new Error(`descriptor ${expected} is damaged`);
            }
          });
          consumer.release(count);
          visible.splice(0, count);
        }
        expect(consumer.available).toBe(visible.length);
        // Either end may be made anew at any time: all that counts is shared.
        if (claimed.length === 0 && chance(random, 1, 20))
          expect(new RingProducer(ring, bell).free).toBe(capacity - visible.length);
        if (chance(random, 1, 20)) expect(new RingConsumer(ring, bell).available).toBe(visible.length);
      }
      expect(next).toBeGreaterThan(0);
      expect(bell.rings).toBe(0);
    });
  });

  it('shows nothing before the publication, then all at once', () => {
    const ring = createRing(8);
    const producer = new RingProducer(ring, new TestBell());
    const consumer = new RingConsumer(ring, new TestBell());
    for (let i = 0; i < 5; i++) producer.claim();
    expect(consumer.available).toBe(0);
    producer.publish();
    expect(consumer.available).toBe(5);
  });

  it('rings once for a sleeping consumer and not for one that is awake', () => {
    const ring = createRing(8);
    const bell = new TestBell();
    const producer = new RingProducer(ring, bell);
    const consumer = new RingConsumer(ring, bell);
    producer.claim();
    producer.publish();
    expect(bell.rings).toBe(0);
    consumer.release(1);
    consumer.sleep(() => {});
    expect(ringIsAsleep(ring)).toBe(true);
    producer.publish();
    expect(bell.rings).toBe(0);
    producer.claim();
    producer.publish();
    expect(bell.rings).toBe(1);
    expect(ringIsAsleep(ring)).toBe(false);
    producer.claim();
    producer.publish();
    expect(bell.rings).toBe(1);
  });

  it('does not fall asleep over what came before', () => {
    const ring = createRing(8);
    const bell = new TestBell();
    const producer = new RingProducer(ring, bell);
    const consumer = new RingConsumer(ring, bell);
    producer.claim();
    producer.publish();
    consumer.sleep(() => {});
    expect(ringIsAsleep(ring)).toBe(false);
  });

  it('has one waiter at a time', () => {
    const ring = createRing(8);
    const bell = new TestBell();
    const consumer = new RingConsumer(ring, bell);
    let wakes = 0;
    consumer.sleep(() => wakes++);
    expect(() => consumer.sleep(() => {})).toThrow('one waiter');
    bell.wake?.();
    expect(wakes).toBe(1);
    expect(() => consumer.sleep(() => {})).not.toThrow();
  });
});

describe('RingConsumer.sleep against RingProducer.publish, in every order of the atomic steps', () => {
  /** Publishes `count` descriptors, one by one. */
  const produce = (ring: RingMemory, count: number) => () => {
    const producer = new RingProducer(ring, new SharedDoorbell(ring.words, RING_SLEEPING_INDEX));
    for (let i = 1; i <= count; i++) {
      const at = producer.claim();
      producer.words[at] = i;
      producer.publish();
    }
  };

  /** Sleeps and consumes until it has had `count`; returns what it got and how often it was woken. */
  const consume = (ring: RingMemory, count: number) => () => {
    const consumer = new RingConsumer(ring, new SharedDoorbell(ring.words, RING_SLEEPING_INDEX));
    const got: number[] = [];
    let wakes = 0;
    const work = () => {
      wakes++;
      const { available } = consumer;
      for (let i = 0; i < available; i++) got.push(consumer.words[consumer.peek(i)] ?? -1);
      consumer.release(available);
      if (got.length < count) consumer.sleep(work);
    };
    consumer.sleep(work);
    return { got, wakes };
  };

  it.each([1, 2, 3])('loses no wake-up with %i publications', (count) => {
    const ring = createRing(8);
    const wakes = new Set<number>();
    const states = explore({
      memory: ring.words,
      threads: [produce(ring, count), consume(ring, count)],
      ended: ({ outcomes, schedule }) => {
        const outcome = outcomes[1] as ReturnType<ReturnType<typeof consume>> | undefined;
        expect(outcome, `the consumer sleeps for ever in ${schedule}`).toBeDefined();
        expect(outcome?.got).toEqual([1, 2, 3].slice(0, count));
        wakes.add(outcome?.wakes ?? 0);
      },
    });
    expect(Math.min(...wakes)).toBe(1);
    expect(Math.max(...wakes)).toBeGreaterThanOrEqual(count);
    expect(states).toBeGreaterThan(20);
  });

  it('would lose one if the consumer did not look again', () => {
    const ring = createRing(8);
    let lost = 0;
    explore({
      memory: ring.words,
      threads: [
        produce(ring, 1),
        () => {
          const consumer = new RingConsumer(ring, new SharedDoorbell(ring.words, RING_SLEEPING_INDEX));
          if (consumer.available > 0) return 'seen';
          Atomics.store(ring.words, RING_SLEEPING_INDEX, 1);
          let woken = false;
          new SharedDoorbell(ring.words, RING_SLEEPING_INDEX).wait(() => {
            woken = true;
          });
          return woken ? 'woken' : 'asleep';
        },
      ],
      ended: ({ outcomes }) => {
        if (outcomes[1] === undefined) lost++;
      },
    });
    expect(lost).toBeGreaterThan(0);
  });
});

/** Publishes descriptors, one by one. */
const publish = (ring: RingMemory, count: number) => () => {
  const producer = new RingProducer(ring, new SharedDoorbell(ring.words, RING_SLEEPING_INDEX));
  for (let i = 1; i <= count; i++) {
    const at = producer.claim();
    producer.words[at] = i;
    producer.publish();
  }
};

describe('RingConsumer.hold against RingProducer.publish, in every order of the atomic steps', () => {
  it.each([1, 2, 3])('loses no wake-up with %i publications', (count) => {
    const ring = createRing(8);
    const holds = new Set<number>();
    const consume = () => {
      const consumer = new RingConsumer(ring, new SharedDoorbell(ring.words, RING_SLEEPING_INDEX));
      const got: number[] = [];
      let held = 0;
      while (got.length < count) {
        held++;
        consumer.hold(1);
        const { available } = consumer;
        for (let i = 0; i < available; i++) got.push(consumer.words[consumer.peek(i)] ?? -1);
        consumer.release(available);
      }
      return { got, held };
    };
    explore({
      memory: ring.words,
      threads: [publish(ring, count), consume],
      ended: ({ outcomes, schedule }) => {
        const outcome = outcomes[1] as ReturnType<typeof consume> | undefined;
        expect(outcome, `the consumer is held for ever in ${schedule}`).toBeDefined();
        expect(outcome?.got).toEqual([1, 2, 3].slice(0, count));
        holds.add(outcome?.held ?? 0);
      },
    });
    expect(Math.min(...holds)).toBe(1);
    expect(Math.max(...holds)).toBeGreaterThanOrEqual(count);
  });

  it('is not for one who sleeps', () => {
    const consumer = new RingConsumer(createRing(8), new TestBell());
    consumer.sleep(() => {});
    expect(() => consumer.hold(1)).toThrow('cannot be held');
  });
});
