import { describe, expect, it } from 'vitest';
import type { Failure } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { failed, type SupervisorReply } from '../../src/broker/messages.js';
import { ProducerIds } from '../../src/broker/producer-ids.js';
import type { ProducerIdentity } from '../../src/record/producer-identity.js';
import { SupervisorScene } from './supervisor-scene.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

/** A router's ids, and the supervisor as the test plays it. */
function scripted() {
  const asked: ((reply: SupervisorReply) => void)[] = [];
  const ids = new ProducerIds((reply) => asked.push(reply));
  const results: (ProducerIdentity | Failure)[] = [];
  const next = (current: ProducerIdentity | null = null) =>
    ids.next(current, (result) => results.push(result));
  return { asked, results, next };
}

const block = (first: number, count: number): SupervisorReply => ({ type: 'producer-ids', first, count });

describe('ProducerIds', () => {
  it('hands out each id of a block once, then fetches another block', () => {
    const { asked, results, next } = scripted();
    for (let i = 0; i < 3; i++) next();
    expect([asked.length, results]).toEqual([1, []]);
    asked[0]?.(block(2000, 2));
    expect(results).toEqual([
      { producerId: 2000, producerEpoch: 0 },
      { producerId: 2001, producerEpoch: 0 },
    ]);
    asked[1]?.(block(5000, 2));
    next();
    expect(results.slice(2)).toEqual([
      { producerId: 5000, producerEpoch: 0 },
      { producerId: 5001, producerEpoch: 0 },
    ]);
    expect(asked).toHaveLength(2);
  });

  it('hands out each id once while it has some at hand', () => {
    const { asked, results, next } = scripted();
    next();
    asked[0]?.(block(3000, 4));
    for (let i = 0; i < 3; i++) next();
    expect(results.map((result) => 'producerId' in result && result.producerId)).toEqual([
      3000, 3001, 3002, 3003,
    ]);
    expect(asked).toHaveLength(1);
  });

  it('raises the epoch of a producer that has an id, without asking', () => {
    const { asked, results, next } = scripted();
    next({ producerId: 17, producerEpoch: 0 });
    next({ producerId: 17, producerEpoch: 32_766 });
    expect(results).toEqual([
      { producerId: 17, producerEpoch: 1 },
      { producerId: 17, producerEpoch: 32_767 },
    ]);
    expect(asked).toHaveLength(0);
  });

  it('gives a new id when there is no next epoch', () => {
    const { asked, results, next } = scripted();
    next({ producerId: 17, producerEpoch: 32_767 });
    asked[0]?.(block(40, 10));
    expect(results).toEqual([{ producerId: 40, producerEpoch: 0 }]);
  });

  it.each([
    { producerId: -1, producerEpoch: 0 },
    { producerId: 2 ** 53, producerEpoch: 0 },
    { producerId: 1, producerEpoch: -1 },
    { producerId: 1, producerEpoch: 32_768 },
  ])('refuses %o', (current) => {
    const { results, next } = scripted();
    next(current);
    expect(results).toMatchObject([{ error: 'INVALID_REQUEST' }]);
  });

  it('tells everyone who waits that no block can be had, and tries again for the next', () => {
    const { asked, results, next } = scripted();
    next();
    next();
    asked[0]?.(failed('REQUEST_TIMED_OUT', 'too slow'));
    expect(results).toEqual([
      { error: 'REQUEST_TIMED_OUT', detail: 'too slow' },
      { error: 'REQUEST_TIMED_OUT', detail: 'too slow' },
    ]);
    next();
    asked[1]?.(block(0, 1000));
    expect(results[2]).toEqual({ producerId: 0, producerEpoch: 0 });
  });

  it('holds back more than it can remember', () => {
    const { results, next } = scripted();
    for (let i = 0; i < 10_001; i++) next();
    expect(results).toMatchObject([{ error: 'THROTTLING_QUOTA_EXCEEDED' }]);
  });
});

describe('A supervisor', () => {
  it('gives blocks of a thousand ids that follow each other, also to those who ask at a time', () => {
    const scene = new SupervisorScene().start();
    const replies = [1, 2, 3].map(() => scene.tell({ type: 'allocate-producer-ids' }));
    scene.settle();
    expect(replies.map((reply) => reply())).toEqual([block(0, 1000), block(1000, 1000), block(2000, 1000)]);
  });

  it.each(Array.from({ length: 10 }, (_, run) => run))(
    'gives no id twice, whatever stops it, run %i',
    (run) => {
      const random = seededRandom(seed + run);
      const scene = new SupervisorScene({ seed: seed + run }).start();
      const firsts: number[] = [];
      for (let step = 0; step < 30; step++) {
        const reply = scene.tell({ type: 'allocate-producer-ids' });
        if (random.below(4) === 0) {
          // It stops before, while or after the block is written.
          scene.clock.advance(random.below(4));
          const answered = reply();
          if (answered?.type === 'producer-ids') firsts.push(answered.first);
          scene.restart(random.below(2) === 0 ? 'crash' : 'power');
          continue;
        }
        scene.settle();
        const answered = reply();
        expect(answered, `SEED=${seed}, run ${run}, step ${step}`).toMatchObject({
          type: 'producer-ids',
          count: 1000,
        });
        if (answered?.type === 'producer-ids') firsts.push(answered.first);
      }
      const inOrder = [...new Set(firsts)].sort((a, b) => a - b);
      expect(firsts, `SEED=${seed}, run ${run}`).toEqual(inOrder);
    },
  );

  it('says so when a block cannot be written', () => {
    const scene = new SupervisorScene().start();
    scene.disk.failNext({ operation: 'write', code: 'ENOSPC' });
    expect(scene.ask({ type: 'allocate-producer-ids' })).toMatchObject({
      type: 'failed',
      error: 'KAFKA_STORAGE_ERROR',
    });
    expect(scene.ask({ type: 'allocate-producer-ids' })).toEqual(block(0, 1000));
  });
});
