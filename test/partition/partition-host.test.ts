import { describe, expect, it } from 'vitest';
import { ViewReader } from '../../src/actor/view.js';
import { ERRORS } from '../../src/base/errors.js';
import { toOffset } from '../../src/base/ids.js';
import { readBaseOffset, readLeaderEpoch } from '../../src/record/batch-header.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';
import { batch } from '../log/log-fixture.js';
import { HostScene as Scene } from './host-scene.js';

describe('PartitionHost', () => {
  it('opens a log and publishes its view', () => {
    const scene = new Scene();
    expect(scene.published(3)).toBeNull();
    expect(scene.ask(scene.open(3))).toMatchObject({
      type: 'opened',
      checkpoint: { topic: 'orders', partition: 3 },
    });
    expect(scene.published(3)).toMatchObject({ highWatermark: 0, logEndOffset: 0, leaderEpoch: 0 });
  });

  it('appends batches in the order of the ring, stamped, and completes them after they can be read', () => {
    const scene = new Scene();
    scene.ask(scene.open(0, {}, 5));
    const tokens = [1, 3, 2].map((count) => scene.submit(0, batch({ baseOffset: 0, count }).bytes));
    scene.publish();
    scene.settle();
    expect(scene.completed).toEqual([
      { token: tokens[0], error: 0, baseOffset: 0, logStartOffset: 0 },
      { token: tokens[1], error: 0, baseOffset: 1, logStartOffset: 0 },
      { token: tokens[2], error: 0, baseOffset: 4, logStartOffset: 0 },
    ]);
    expect(scene.published(0, 6)).toMatchObject({ highWatermark: 6, logEndOffset: 6, leaderEpoch: 5 });
    const written = scene.segment(0);
    expect([readBaseOffset(written, 0), readLeaderEpoch(written, 0)]).toEqual([0, 5]);
    expect(scene.published(0, 6)?.segmentBytes).toBe(written.length);
  });

  it('refuses what is no batch, what is too large, and what goes to a slot that is not open', () => {
    const scene = new Scene();
    scene.ask(scene.open(0, { 'max.message.bytes': '500' }));
    const good = batch({ baseOffset: 0 }).bytes;
    const damaged = Buffer.from(good);
    damaged[good.length - 1] = (damaged[good.length - 1] ?? 0) ^ 1;
    const tokens = [
      scene.submit(0, damaged),
      scene.submit(0, batch({ baseOffset: 0, valueBytes: 600 }).bytes),
      scene.submit(0, good.subarray(0, 30)),
      scene.submit(5, good),
      scene.submit(0, good),
    ];
    scene.publish();
    scene.settle();
    const errors = new Map(scene.completed.map(({ token, error }) => [token, error]));
    expect(errors.get(tokens[0] ?? 0)).toBe(ERRORS.CORRUPT_MESSAGE.code);
    expect(errors.get(tokens[1] ?? 0)).toBe(ERRORS.MESSAGE_TOO_LARGE.code);
    expect(errors.get(tokens[2] ?? 0)).not.toBe(0);
    expect(errors.get(tokens[3] ?? 0)).toBe(ERRORS.NOT_LEADER_OR_FOLLOWER.code);
    expect(errors.get(tokens[4] ?? 0)).toBe(0);
    expect(scene.published(0)?.logEndOffset).toBe(1);
  });

  it('tells what it appended and refused, of partitions that are gone too', () => {
    const scene = new Scene();
    for (const slot of [0, 1]) scene.ask(scene.open(slot));
    const bytes = [3, 1].map((count, slot) => {
      const { bytes } = batch({ baseOffset: 0, count });
      scene.submit(slot, bytes);
      return bytes.length;
    });
    scene.submit(7);
    scene.publish();
    scene.settle();
    expect(scene.ask({ type: 'close', slot: 1 })).toEqual({ type: 'done' });
    const [first = 0, second = 0] = bytes;
    const compactions = /^odradek_(compact|uncleanable)/;
    const totals = Object.entries(scene.inspect('totals')).filter(([name]) => !compactions.test(name));
    expect(Object.fromEntries(totals)).toEqual({
      'odradek_partitions_open worker': 1,
      'odradek_appended_batches_total worker': 2,
      'odradek_appended_records_total worker': 4,
      'odradek_appended_bytes_total worker': first + second,
      'odradek_append_groups_total worker': 1,
      'odradek_refused_batches_total worker NOT_LEADER_OR_FOLLOWER': 1,
      'odradek_log_bytes worker': first,
      'odradek_log_segments worker': 1,
    });
    expect(scene.inspect('partitions')).toMatchObject({
      'odradek_partition_log_bytes orders 0': first,
      'odradek_partition_log_segments orders 0': 1,
    });
    expect(scene.inspect('none')).toEqual({});
  });

  it('reports a log that is offline', () => {
    const scene = new Scene();
    scene.ask(scene.open(0));
    expect(scene.ask({ type: 'inspect', detail: 'none' })).toMatchObject({ logsOffline: 0 });
    const { disk } = scene.machine;
    for (const operation of ['write', 'truncate'] as const) disk.failNext({ operation, path: /\.log$/ });
    scene.submit(0);
    scene.publish();
    scene.settle();
    expect(scene.ask({ type: 'inspect', detail: 'none' })).toMatchObject({ logsOffline: 1 });
    expect(scene.inspect('totals')).toMatchObject({
      'odradek_appended_records_total worker': 0,
      'odradek_refused_batches_total worker KAFKA_STORAGE_ERROR': 1,
    });
  });

  it('tells a reader that waits, once for each wish', () => {
    const scene = new Scene();
    scene.ask(scene.open(2));
    const reader = new ViewReader(scene.views, 2, 1);
    reader.want();
    for (let i = 0; i < 3; i++) {
      scene.submit(2);
      scene.publish();
      scene.settle();
    }
    expect(scene.advanced).toEqual([2]);
  });

  it('acknowledges with flush.acks only what survives a loss of power, and shows nothing before', () => {
    withSeeds(20, (random) => {
      const scene = new Scene({ seed: random.uint32() });
      scene.ask(scene.open(0, { 'flush.acks': 'true' }));
      for (let i = 0; i < 20; i++) {
        for (let count = random.below(4); count > 0; count--) scene.submit(0);
        scene.publish();
        scene.settle(random.below(24));
        const view = scene.published(0);
        for (const { baseOffset } of scene.completed)
          expect(baseOffset).toBeLessThan(view?.highWatermark ?? 0);
      }
      const shown = scene.published(0)?.highWatermark ?? -1;
      scene.losePower();
      const log = scene.machine.open({
        directory: '/data/orders-0',
        recovery: { type: 'from', recoveryPoint: toOffset(0) },
      });
      expect(log.logEndOffset).toBeGreaterThanOrEqual(shown);
      expect(log.logEndOffset).toBeGreaterThanOrEqual(scene.completed.length);
    });
  });

  it('waits with its thread for the next batch of a brisk series, for the rest of a shift at most', () => {
    let following = 0;
    const waitsMs: number[] = [];
    const scene = new Scene({
      held: ({ machine }, timeoutMs) => {
        waitsMs.push(timeoutMs);
        if (following-- > 0) {
          scene.submit(0);
          scene.publish();
        } else machine.clock.advance(timeoutMs);
      },
    });
    scene.ask(scene.open(0));
    const next = () => {
      scene.submit(0);
      scene.publish();
      scene.settle(1);
    };
    next();
    expect(waitsMs).toEqual([]); // Nothing says yet that another one comes soon.
    following = 3;
    next();
    expect(waitsMs.length).toBe(4);
    for (const waitMs of waitsMs) expect(waitMs).toBeLessThanOrEqual(4);
    expect(scene.completed.map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 2, 3, 4]);
    expect(scene.host.heldMs).toBeGreaterThan(0);
    // The wait was in vain, and what comes late does not make for another.
    scene.machine.clock.advance(5);
    next();
    expect(waitsMs.length).toBe(4);
    expect(scene.completed.length).toBe(6);
  });

  it('leaves its event loop running while batches wait for the disk', () => {
    let holds = 0;
    const scene = new Scene({ held: () => holds++ });
    scene.ask(scene.open(0, { 'flush.acks': 'true' }));
    for (let i = 0; i < 10; i++) {
      scene.submit(0);
      scene.publish();
      scene.settle(0.5);
    }
    scene.settle();
    expect(scene.completed.length).toBe(10);
    expect(holds).toBe(0);
  });

  it('shows no view any more once it is closed, whatever flush is under way', () => {
    for (let steps = 0; steps < 25; steps++) {
      const scene = new Scene();
      scene.ask(scene.open(0, { 'flush.acks': 'true' }));
      scene.submit(0);
      scene.publish();
      for (let i = 0; i < steps; i++) scene.machine.clock.runNext();
      const reply = scene.tell({ type: 'close', slot: 0 });
      expect(scene.published(0)).toBeNull();
      for (let i = 0; i < 1000 && !reply(); i++) {
        scene.machine.clock.runNext();
        expect(scene.published(0)).toBeNull();
      }
      scene.settle();
      expect(reply()).toEqual({ type: 'done' });
      expect(scene.completed.length).toBe(1);
    }
  });

  it('wakes readers when it closes or deletes, and lets the slot be used again', () => {
    const scene = new Scene();
    for (const type of ['close', 'delete'] as const) {
      scene.advanced.length = 0;
      const epoch = type === 'close' ? 0 : 1;
      scene.ask(scene.open(1, {}, epoch));
      new ViewReader(scene.views, 1, epoch + 1).want();
      expect(scene.ask({ type, slot: 1 })).toEqual({ type: 'done' });
      scene.settle();
      expect(scene.advanced).toEqual([1]);
      expect(scene.published(1, epoch + 1)).toBeNull();
      scene.submit(1);
      scene.publish();
      scene.settle();
      expect(scene.completed.at(-1)?.error).toBe(ERRORS.NOT_LEADER_OR_FOLLOWER.code);
    }
    expect(scene.machine.disk.list('/data')).not.toContain('orders-1');
  });

  it('lets commands for a slot wait while its log is being opened', () => {
    const scene = new Scene();
    const opened = scene.tell(scene.open(0));
    const described = scene.tell({ type: 'describe', slot: 0 });
    const deleted = scene.tell({ type: 'delete', slot: 0 });
    expect([opened(), described(), deleted()]).toEqual([null, null, null]);
    scene.settle(1000);
    expect([opened()?.type, described()?.type, deleted()?.type]).toEqual(['opened', 'described', 'done']);
    expect(scene.ask({ type: 'describe', slot: 0 })).toMatchObject({
      type: 'failed',
      error: 'NOT_LEADER_OR_FOLLOWER',
    });
  });

  it('says why a log cannot be opened', () => {
    const scene = new Scene();
    scene.machine.disk.failNext({ operation: 'makeDirectory', path: /orders-0/, code: 'EACCES' });
    expect(scene.ask(scene.open(0))).toMatchObject({
      type: 'failed',
      error: 'KAFKA_STORAGE_ERROR',
      detail: expect.stringContaining('/data/orders-0'),
    });
    expect(scene.ask(scene.open(0)).type).toBe('opened');
  });

  it('refuses batches that cannot be written, and goes on when there is room again', () => {
    const scene = new Scene();
    scene.ask(scene.open(0));
    scene.machine.disk.failNext({ operation: 'write', path: /\.log$/, code: 'ENOSPC' });
    const lost = scene.submit(0);
    scene.publish();
    scene.settle();
    scene.machine.clock.advance(1000);
    const kept = scene.submit(0);
    scene.publish();
    scene.settle();
    expect(scene.completed).toMatchObject([
      { token: lost, error: ERRORS.KAFKA_STORAGE_ERROR.code },
      { token: kept, error: 0, baseOffset: 0 },
    ]);
  });

  it('drains: closes every log, those that are being opened too, and takes nothing more', () => {
    const scene = new Scene();
    scene.ask(scene.open(0));
    scene.submit(0);
    scene.publish();
    scene.settle();
    const late = scene.tell(scene.open(1));
    const drained = scene.tell({ type: 'drain' });
    const after = scene.tell(scene.open(2));
    scene.settle(1000);
    expect(late()?.type).toBe('opened');
    expect(after()).toMatchObject({ type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(drained()).toMatchObject({
      type: 'drained',
      clean: true,
      // A log that nothing was written to is closed without a flush.
      checkpoints: [{ recoveryPoint: 0 }, { recoveryPoint: 1 }],
    });
    const token = scene.submit(0);
    scene.publish();
    scene.settle();
    expect(scene.completed.at(-1)).toMatchObject({ token, error: ERRORS.NOT_LEADER_OR_FOLLOWER.code });
  });

  it('reports what has become safe on the disk', () => {
    const scene = new Scene();
    scene.ask(scene.open(0, { 'flush.ms': '10' }));
    scene.submit(0);
    scene.publish();
    scene.settle(3000);
    expect(scene.events).toEqual([
      {
        type: 'checkpoint',
        checkpoint: {
          topic: 'orders',
          partition: 0,
          recoveryPoint: 1,
          logStartOffset: 0,
          firstDirtyOffset: 0,
        },
      },
    ]);
  });

  it('has given its ring slots back before the router can hear of a completion', () => {
    const scene = new Scene({ submissions: 4, completions: 8 });
    scene.ask(scene.open(0));
    const { store } = Atomics;
    const rooms: number[] = [];
    try {
      Reflect.set(Atomics, 'store', (words: Int32Array, word: number, value: number) => {
        // The completions' head: from here on the router sees them.
        if (words === scene.completions.words && word === 0) rooms.push(scene.room);
        return store(words, word, value);
      });
      // Some are written, some refused at once because nothing is open there.
      for (const slot of [7, 0, 7, 0]) scene.submit(slot);
      scene.publish();
      scene.settle();
    } finally {
      Reflect.set(Atomics, 'store', store);
    }
    expect(scene.completed.length).toBe(4);
    expect(rooms).toEqual([4]);
  });

  it('completes everything once and in order, through full rings, from many partitions', () => {
    withSeeds(25, (random) => {
      const scene = new Scene({
        seed: random.uint32(),
        submissions: 8,
        completions: pick(random, [2, 4, 8]),
      });
      const slots = [0, 1, 2, 3];
      for (const slot of slots)
        scene.ask(scene.open(slot, chance(random, 1, 3) ? { 'flush.acks': 'true' } : {}));
      const submitted = new Map<number, { slot: number; count: number }>();
      for (let step = 0; step < 300; step++) {
        const action = random.below(4);
        if (action === 0 && scene.room > 0) {
          const slot = pick(random, slots);
          const count = 1 + random.below(3);
          submitted.set(scene.submit(slot, batch({ baseOffset: 0, count }).bytes), { slot, count });
        } else if (action === 1) scene.publish();
        else if (action === 2) scene.machine.clock.advance(random.below(3));
        else if (chance(random, 1, 2)) scene.collect();
        if (chance(random, 1, 30)) new ViewReader(scene.views, pick(random, slots), 1).want();
      }
      scene.publish();
      scene.settle(1000);
      expect(scene.completed.length).toBe(submitted.size);
      const ends = new Map(slots.map((slot) => [slot, 0]));
      for (const { token, error, baseOffset } of scene.completed) {
        const { slot, count } = submitted.get(token) ?? { slot: -1, count: 0 };
        submitted.delete(token);
        expect(error).toBe(0);
        expect(baseOffset).toBe(ends.get(slot));
        ends.set(slot, baseOffset + count);
      }
      for (const slot of slots)
        expect(scene.published(slot)).toMatchObject({ highWatermark: ends.get(slot) });
    });
  });
});
