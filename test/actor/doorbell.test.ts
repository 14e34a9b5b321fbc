import { describe, expect, it } from 'vitest';
import {
  createRing,
  RING_SLEEPING_INDEX,
  RingConsumer,
  RingProducer,
  ringIsAsleep,
} from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell, SharedDoorbell } from '../../src/actor/doorbell.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';

describe('SharedDoorbell', () => {
  it('wakes the waiter in a later turn when it is rung', async () => {
    const { words } = createRing(2);
    const bell = new SharedDoorbell(words, RING_SLEEPING_INDEX);
    Atomics.store(words, RING_SLEEPING_INDEX, 1);
    let woken = false;
    const waiting = new Promise<void>((resolve) => {
      bell.wait(() => {
        woken = true;
        resolve();
      });
    });
    Atomics.store(words, RING_SLEEPING_INDEX, 0);
    bell.ring();
    expect(woken).toBe(false);
    // Waiting does not keep a thread alive, so something else must.
    const alive = setInterval(() => {}, 1000);
    await waiting;
    clearInterval(alive);
    expect(woken).toBe(true);
  });

  it('wakes at once, in a later turn, if it was rung before', async () => {
    const { words } = createRing(2);
    const bell = new SharedDoorbell(words, RING_SLEEPING_INDEX);
    let woken = false;
    const waiting = new Promise<void>((resolve) => {
      bell.wait(() => {
        woken = true;
        resolve();
      });
    });
    expect(woken).toBe(false);
    await waiting;
    expect(woken).toBe(true);
  });
});

describe('LocalDoorbell', () => {
  const ends = () => {
    const clock = new SimulatedClock();
    const ring = createRing(8);
    const bell = new LocalDoorbell(
      (run) => clock.schedule(0, run),
      () => ringIsAsleep(ring),
    );
    return { clock, producer: new RingProducer(ring, bell), consumer: new RingConsumer(ring, bell) };
  };

  it('wakes a sleeping consumer in a later turn, once for all that is published meanwhile', () => {
    const { clock, producer, consumer } = ends();
    let wakes = 0;
    consumer.sleep(() => wakes++);
    expect(clock.pending).toBe(0);
    for (let i = 0; i < 3; i++) {
      producer.claim();
      producer.publish();
    }
    expect(wakes).toBe(0);
    while (clock.runNext());
    expect(wakes).toBe(1);
    expect(consumer.available).toBe(3);
  });

  it('does not sleep over what was published before', () => {
    const { clock, producer, consumer } = ends();
    producer.claim();
    producer.publish();
    let wakes = 0;
    consumer.sleep(() => wakes++);
    expect(wakes).toBe(0);
    while (clock.runNext());
    expect(wakes).toBe(1);
  });
});
