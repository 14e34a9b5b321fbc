import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../src/log/producer-snapshot.js';
import { type KnownBatch, ProducerStates } from '../../src/log/producer-states.js';
import { sequenceAfter } from '../../src/record/producer-identity.js';
import { type HeaderSpec, header } from './producer-fixture.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const LAST = 2 ** 31 - 1;
const OUT_OF_ORDER = 'OUT_OF_ORDER_SEQUENCE_NUMBER';

function statesOf(...specs: HeaderSpec[]): ProducerStates {
  const states = new ProducerStates();
  for (const spec of specs) states.apply(header(spec), 0, 0);
  return states;
}

const check = (states: ProducerStates, spec: HeaderSpec) => states.check(header(spec), 0);

describe('ProducerStates', () => {
  it('takes any sequence of a producer that it does not know', () => {
    expect(check(new ProducerStates(), { sequence: 5 })).toBeNull();
    expect(check(statesOf({ producerId: 2, sequence: 0 }), { producerId: 3, sequence: 17 })).toBeNull();
  });

  it('takes the sequence that follows, and no other', () => {
    const states = statesOf({ sequence: 0, count: 3 });
    expect([2, 3, 4].map((sequence) => check(states, { sequence }))).toEqual([
      OUT_OF_ORDER,
      null,
      OUT_OF_ORDER,
    ]);
  });

  it('begins with 0 again after 2^31 - 1', () => {
    const states = statesOf({ sequence: LAST - 1, count: 2 });
    expect(check(states, { sequence: 0 })).toBeNull();
    expect(check(states, { sequence: 1 })).toBe(OUT_OF_ORDER);
    states.apply(header({ sequence: 0 }), 0, 0);
    const across = statesOf({ sequence: LAST, count: 3, baseOffset: 10 });
    expect(across.get(1)?.batches).toMatchObject([{ firstSequence: LAST, lastSequence: 1, lastOffset: 12 }]);
    expect(check(across, { sequence: 2 })).toBeNull();
  });

  it('does not take a batch of a producer that was forgotten and began anew for one of before', () => {
    const states = statesOf(
      { sequence: 0, count: 2, baseOffset: 3 },
      { sequence: 0, count: 2, baseOffset: 24 },
    );
    expect(check(states, { sequence: 0, count: 2 })).toMatchObject({ baseOffset: 24 });
    expect(states.get(1)?.batches).toHaveLength(1);
  });

  it('knows the last five batches again, and not the one before', () => {
    const specs = Array.from({ length: 6 }, (_, i) => ({
      ...{ sequence: 2 * i, count: 2, baseOffset: 100 + 2 * i, timestampMs: i },
    }));
    const states = statesOf(...specs);
    const [first, ...others] = specs.map((spec) => check(states, { ...spec, baseOffset: 0 }));
    expect(first).toBe(OUT_OF_ORDER);
    expect(others).toEqual(
      specs.slice(1).map(({ sequence, baseOffset, timestampMs }) => ({
        ...{ firstSequence: sequence, lastSequence: sequence + 1 },
        ...{ baseOffset, lastOffset: baseOffset + 1, timestampMs },
      })),
    );
    expect(check(states, { sequence: 10, count: 1 })).toBe(OUT_OF_ORDER);
  });

  it('refuses older epochs, and lets a newer one begin with 0 only', () => {
    const states = statesOf({ epoch: 3, sequence: 7 });
    expect(check(states, { epoch: 2, sequence: 8 })).toBe('INVALID_PRODUCER_EPOCH');
    expect(check(states, { epoch: 2, sequence: 7 })).toBe('INVALID_PRODUCER_EPOCH');
    expect(check(states, { epoch: 4, sequence: 8 })).toBe(OUT_OF_ORDER);
    expect(check(states, { epoch: 4, sequence: 0 })).toBeNull();
    states.apply(header({ epoch: 4, sequence: 0 }), 0, 0);
    expect(check(states, { epoch: 3, sequence: 7 })).toBe('INVALID_PRODUCER_EPOCH');
    expect(states.get(1)?.batches).toHaveLength(1);
  });

  it('counts what is staged, until it is settled', () => {
    const states = statesOf({ sequence: 0 });
    states.stage(header({ sequence: 1, baseOffset: 1 }), 0);
    states.stage(header({ producerId: 2, sequence: 9, baseOffset: 2 }), 0);
    expect(check(states, { sequence: 2 })).toBeNull();
    expect(check(states, { sequence: 1 })).toMatchObject({ baseOffset: 1 });
    expect(check(states, { producerId: 2, sequence: 9 })).toMatchObject({ baseOffset: 2 });
    states.settle();
    expect(check(states, { sequence: 1 })).toBeNull();
    expect(check(states, { sequence: 2 })).toBe(OUT_OF_ORDER);
    expect([states.count, states.get(2)]).toEqual([1, undefined]);
  });

  it('stages a producer with nothing of those that were staged before', () => {
    const states = statesOf(
      ...[0, 1, 2, 3, 4].map((sequence) => ({ producerId: 1, sequence, baseOffset: sequence })),
      { producerId: 2, sequence: 70, baseOffset: 5 },
    );
    states.stage(header({ producerId: 1, sequence: 5, baseOffset: 6 }), 0);
    states.settle();
    states.stage(header({ producerId: 2, sequence: 71, baseOffset: 6 }), 0);
    expect(check(states, { producerId: 2, sequence: 72 })).toBeNull();
    expect(check(states, { producerId: 2, sequence: 70 })).toMatchObject({ baseOffset: 5 });
    expect(check(states, { producerId: 2, sequence: 71 })).toMatchObject({ baseOffset: 6 });
    expect(check(states, { producerId: 2, sequence: 4 })).toBe(OUT_OF_ORDER);
    states.settle();
    states.stage(header({ producerId: 3, epoch: 1, sequence: 20, baseOffset: 6 }), 0);
    expect(check(states, { producerId: 3, epoch: 1, sequence: 21 })).toBeNull();
    expect(check(states, { producerId: 3, epoch: 1, sequence: 71 })).toBe(OUT_OF_ORDER);
    // What is staged are copies: nothing of it was applied.
    expect(states.get(1)?.batches.map(({ firstSequence }) => firstSequence)).toEqual([0, 1, 2, 3, 4]);
    expect(states.get(2)?.batches).toHaveLength(1);
    expect(states.get(3)).toBeUndefined();
  });

  it('knows a producer that was forgotten as the newest one, and writes again', () => {
    const states = statesOf({ sequence: 0 });
    states.expire(1000, 1000);
    expect(states.count).toBe(0);
    states.apply(header({ sequence: 50, baseOffset: 9 }), 0, 1000);
    expect(states.count).toBe(1);
    expect(states.get(1)?.batches).toMatchObject([{ firstSequence: 50, baseOffset: 9 }]);
  });

  it('has nothing to do with batches without a producer', () => {
    expect(statesOf({ producerId: -1, sequence: -1 }).count).toBe(0);
  });

  it('forgets producers that are silent for long, by when they wrote and not by the time of their records', () => {
    const states = new ProducerStates();
    states.apply(header({ producerId: 1, sequence: 0, timestampMs: 5 }), 0, 1000);
    states.apply(header({ producerId: 2, sequence: 0, timestampMs: 9e12 }), 0, 1001);
    states.expire(1999, 1000);
    expect(states.count).toBe(2);
    states.expire(2000, 1000);
    expect([...states.all].map(({ producerId }) => producerId)).toEqual([2]);
  });

  it('keeps a producer with an open transaction until its marker', () => {
    const states = statesOf(
      { sequence: 0, baseOffset: 4, transactional: true },
      { sequence: 1, baseOffset: 5, transactional: true },
    );
    expect(states.get(1)?.transactionFirstOffset).toBe(4);
    states.expire(1e9, 1);
    expect(states.count).toBe(1);
    states.apply(header({ epoch: 1, sequence: -1, baseOffset: 6, transactional: true, control: true }), 0, 0);
    expect(states.get(1)).toMatchObject({ epoch: 1, transactionFirstOffset: -1, batches: [] });
    expect(check(states, { epoch: 1, sequence: 0 })).toBeNull();
    expect(check(states, { epoch: 1, sequence: 1 })).toBe(OUT_OF_ORDER);
  });

  it('forgets who was silent for the longest time when it knows too many', () => {
    const states = new ProducerStates([], 3);
    for (const producerId of [1, 2, 3, 1, 4]) states.apply(header({ producerId, sequence: 0 }), 0, 0);
    expect([...states.all].map(({ producerId }) => producerId)).toEqual([3, 1, 4]);
    expect(new ProducerStates(states.all, 2).count).toBe(2);
  });
});

/** All that was ever appended; no window, no tricks. */
class Model {
  readonly log: Required<Pick<HeaderSpec, 'producerId' | 'epoch' | 'sequence' | 'count' | 'baseOffset'>>[] =
    [];

  get endOffset(): number {
    const last = this.log.at(-1);
    return last ? last.baseOffset + last.count : 0;
  }

  check({ producerId, epoch, sequence, count }: (typeof this.log)[number]): number | string | null {
    const own = this.log.filter((batch) => batch.producerId === producerId);
    const newest = own.at(-1);
    if (!newest) return null;
    if (epoch < newest.epoch) return 'INVALID_PRODUCER_EPOCH';
    if (epoch > newest.epoch) return sequence === 0 ? null : OUT_OF_ORDER;
    const known = own.filter((batch) => batch.epoch === epoch).slice(-5);
    const same = known.find((batch) => batch.sequence === sequence && batch.count === count);
    if (same) return same.baseOffset;
    return sequence === sequenceAfter(newest.sequence, newest.count) ? null : OUT_OF_ORDER;
  }
}

const verdict = (result: KnownBatch | string | null) =>
  result !== null && typeof result === 'object' ? result.baseOffset : result;

describe('ProducerStates, at random', () => {
  it.each(Array.from({ length: 20 }, (_, run) => run))('says what the whole history says, run %i', (run) => {
    const random = seededRandom(seed + run);
    const chance = (percent: number) => random.below(100) < percent;
    const pick = <Item>(items: readonly Item[]) => items[random.below(items.length)] as Item;
    const model = new Model();
    let states = new ProducerStates();
    const start = pick([0, LAST - 20]);
    for (let step = 0; step < 300; step++) {
      const context = `SEED=${seed}, run ${run}, step ${step}`;
      const producerId = random.below(4);
      const own = model.log.filter((batch) => batch.producerId === producerId);
      const newest = own.at(-1);
      let spec = {
        producerId,
        epoch: newest?.epoch ?? 0,
        sequence: start,
        count: 1 + random.below(4),
        baseOffset: 0,
      };
      if (newest) spec.sequence = sequenceAfter(newest.sequence, newest.count);
      if (newest && chance(25)) spec = { ...pick(own.slice(-7)), baseOffset: 0 }; // Once more.
      if (chance(10)) spec.sequence = sequenceAfter(spec.sequence, random.below(6)); // A gap, or an overlap.
      if (chance(10)) spec.count = 1 + random.below(4);
      if (chance(6)) spec.epoch += 1;
      if (chance(4)) spec.epoch = Math.max(0, spec.epoch - 1);
      if (chance(5)) spec.sequence = 0;

      const expected = model.check(spec);
      expect(verdict(states.check(header(spec), 0)), context).toBe(expected);
      if (expected === null) {
        const bytes = header({ ...spec, baseOffset: model.endOffset });
        states.stage(bytes, 0);
        expect(verdict(states.check(header(spec), 0)), context).toBe(model.endOffset);
        if (chance(85)) {
          states.apply(bytes, 0, step);
          model.log.push({ ...spec, baseOffset: model.endOffset });
        }
        states.settle(); // Else the write failed.
        expect(verdict(states.check(header(spec), 0)), context).toBe(model.check(spec));
      }
      if (chance(10)) states = restarted(states, model);
    }
    expect(model.log.length).toBeGreaterThan(50);
  });
});

/** What a snapshot and the headers before it give. */
function restarted(states: ProducerStates, { log }: Model): ProducerStates {
  const restored = new ProducerStates(decodeProducerSnapshot('snapshot', encodeProducerSnapshot(states.all)));
  const tail = new ProducerStates();
  for (const spec of log) tail.apply(header(spec), 0, 0);
  restored.completeFrom(tail);
  return restored;
}
