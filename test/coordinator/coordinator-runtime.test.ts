import { describe, expect, it } from 'vitest';
import { partitionFor } from '../../src/coordinator/partition-for.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import type { CodecName } from '../../src/record/compression/codec.js';
import { withSeeds } from '../actor/seeds.js';
import { PARTITIONS, type Reply, RuntimeScene } from './runtime-scene.js';

const OK: Reply = { type: 'put', error: 'NONE' };
const refused = (error: string) => ({ type: 'refused', error });
const entries = (count: number, valueBytes = 10): [string, string][] =>
  Array.from({ length: count }, (_, i) => [`key ${i}`, 'x'.repeat(valueBytes)]);
const records = (scene: RuntimeScene, partition: number): number =>
  scene.batches(partition).reduce((sum, { recordCount }) => sum + recordCount, 0);

/** Keys that belong to one partition. */
function keysOf(partition: number, count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++)
    if (partitionFor(`k${i}`, PARTITIONS) === partition) keys.push(`k${i}`);
  return keys;
}

function batchOf(
  pairs: readonly (readonly [string, string])[],
  options: { codec?: CodecName; isControl?: boolean } = {},
): Buffer {
  const builder = new BatchBuilder();
  for (const [key, value] of pairs) {
    builder.add({ timestampMs: 1, key: Buffer.from(key), value: Buffer.from(value), headers: [] });
  }
  return builder.build(options);
}

describe('CoordinatorRuntime', () => {
  it('has its topic made by the first command, once for all that wait', () => {
    const scene = new RuntimeScene({ made: false });
    const sent = [scene.put('a', '1'), scene.put('b', '2')];
    scene.settle();
    expect(sent.map(({ reply }) => reply)).toEqual([null, null]);
    expect(scene.creating).toHaveLength(1);
    scene.creating[0]?.(null);
    scene.settle();
    expect(sent.map(({ reply }) => reply)).toEqual([OK, OK]);
  });

  it('refuses commands for a while after its topic could not be made, and tries again then', () => {
    const scene = new RuntimeScene({ made: false });
    const first = scene.put('a', '1');
    scene.creating[0]?.('KAFKA_STORAGE_ERROR');
    expect(first.reply).toEqual(refused('COORDINATOR_NOT_AVAILABLE'));
    expect(scene.put('a', '1').reply).toEqual(refused('COORDINATOR_NOT_AVAILABLE'));
    expect(scene.creating).toHaveLength(1);
    scene.settle(1000);
    const again = scene.put('a', '1');
    scene.creating[1]?.(null);
    scene.settle();
    expect(again.reply).toEqual(OK);
  });

  it('lets so many commands wait for its topic, and refuses further ones', () => {
    const scene = new RuntimeScene({ made: false });
    const sent = Array.from({ length: 1001 }, () => scene.put('a', '1'));
    expect(sent.map(({ reply }) => reply).filter((reply) => reply !== null)).toEqual([
      refused('COORDINATOR_NOT_AVAILABLE'),
    ]);
  });

  it('opens only the partitions that are used', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(2, 1);
    expect(scene.run(key, { type: 'put', entries: [[key, '1']] })).toEqual(OK);
    expect(scene.opened.map(({ partition }) => partition)).toEqual([2]);
  });

  it('asks all partitions that have something, loading them for it', () => {
    const scene = new RuntimeScene();
    for (const partition of [0, 1, 3]) {
      const [key = ''] = keysOf(partition, 1);
      scene.run(key, { type: 'put', entries: [[key, `${partition}`]] });
    }
    scene.crash();
    let replies: readonly Reply[] = [];
    scene.runtime.handleAll({ type: 'dump' }, (all) => {
      replies = all;
    });
    scene.settle();
    const values = replies.flatMap((reply) =>
      reply.type === 'dumped' ? Object.values(reply.entries) : ['?'],
    );
    expect(values.sort()).toEqual(['0', '1', '3']);
  });

  it('has nothing to ask as long as there is no topic, and does not make one for it', () => {
    const scene = new RuntimeScene({ made: false });
    let replies: readonly Reply[] | null = null;
    scene.runtime.handleAll({ type: 'dump' }, (all) => {
      replies = all;
    });
    expect(replies).toEqual([]);
    expect(scene.creating).toEqual([]);
  });

  it('loads what is on the disk, one partition after the other', () => {
    const scene = new RuntimeScene();
    for (const partition of [0, 1]) scene.run(keysOf(partition, 1)[0] ?? '', { type: 'dump' });
    scene.crash();
    scene.opened.length = 0;
    scene.holdOpening = true;
    scene.runtime.loadExisting();
    expect(scene.opened).toHaveLength(1);
    scene.heldOpenings[0]?.();
    scene.settle();
    expect(scene.opened).toHaveLength(2);
  });

  it('tells all partitions of deleted topics, those too that it has to load', () => {
    const scene = new RuntimeScene();
    scene.run(keysOf(0, 1)[0] ?? '', { type: 'dump' });
    scene.run(keysOf(1, 1)[0] ?? '', { type: 'dump' });
    scene.crash();
    scene.run(keysOf(1, 1)[0] ?? '', { type: 'dump' });
    scene.runtime.topicsDeleted(['t1', 't2']);
    scene.settle();
    expect(scene.shard(0)?.calls).toEqual(['start', 'deleted t1 t2']);
    expect(scene.shard(1)?.calls).toEqual(['start', 'deleted t1 t2']);
  });
});

describe('CoordinatorRuntime, appending', () => {
  it('writes all that is appended in a turn as one batch, and answers when it is in the log', () => {
    const scene = new RuntimeScene();
    const keys = keysOf(0, 100);
    scene.dump(keys[0] ?? '');
    const sent = keys.map((key) => scene.put(key, key));
    expect(sent.map(({ reply }) => reply)).toEqual(keys.map(() => null));
    expect(scene.batches(0)).toEqual([]);
    scene.settle();
    expect(sent.map(({ reply }) => reply)).toEqual(keys.map(() => OK));
    expect(scene.batches(0).map(({ recordCount }) => recordCount)).toEqual([100]);
  });

  it('writes several batches where one would be too large, and never splits a step', () => {
    const scene = new RuntimeScene({ settings: { 'max.message.bytes': '1000' } });
    const [key = ''] = keysOf(0, 1);
    scene.dump(key);
    const sent = Array.from({ length: 5 }, (_, i) =>
      scene.send(key, {
        type: 'put',
        entries: [1, 2, 3].map((n) => [`${i} ${n}`, 'x'.repeat(100)] as const),
      }),
    );
    scene.settle();
    expect(sent.map(({ reply }) => reply)).toEqual(sent.map(() => OK));
    const batches = scene.batches(0);
    expect(batches.length).toBeGreaterThan(1);
    for (const batch of batches) {
      expect(batch.recordCount % 3).toBe(0);
      expect(batch.sizeBytes).toBeLessThanOrEqual(1000);
    }
    expect(records(scene, 0)).toBe(15);
  });

  it('refuses a step that is too large, and goes on with what is in the log', () => {
    const scene = new RuntimeScene({ settings: { 'max.message.bytes': '1000' } });
    const [key = ''] = keysOf(0, 1);
    scene.run(key, { type: 'put', entries: [['small', '1']] });
    const waiting = scene.send(key, { type: 'wait' });
    const large = scene.send(key, { type: 'put', entries: entries(100) });
    const other = scene.send(key, { type: 'put', entries: [['other', '1']] });
    scene.settle();
    expect(large.reply).toEqual({ type: 'put', error: 'INVALID_COMMIT_OFFSET_SIZE' });
    expect(other.reply).toEqual({ type: 'put', error: 'NOT_COORDINATOR' });
    expect(waiting.reply).toEqual(refused('NOT_COORDINATOR'));
    expect(scene.dump(key)).toEqual({ small: '1' });
  });

  it('says what fits', () => {
    const scene = new RuntimeScene({ settings: { 'max.message.bytes': '1000' } });
    const [key = ''] = keysOf(0, 1);
    scene.dump(key);
    const record = (bytes: number) => ({ key: Buffer.from('k'), value: Buffer.alloc(bytes) });
    const { ports } = scene.shard(0) ?? {};
    expect(ports?.fits([record(850)])).toBe(true);
    expect(ports?.fits([record(500), record(500)])).toBe(false);
    expect(ports?.fits([])).toBe(true);
  });

  it('answers questions about its state when that is in the log', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    scene.dump(key);
    scene.put(key, '1');
    const dump = scene.send(key, { type: 'dump' });
    expect(dump.reply).toBeNull();
    scene.settle();
    expect(dump.reply).toEqual({ type: 'dumped', entries: { [key]: '1' } });
  });

  it('waits for the disk where flush.acks asks for it, and goes on appending meanwhile', () => {
    const scene = new RuntimeScene({ settings: { 'flush.acks': 'true' } });
    const [key = ''] = keysOf(0, 1);
    scene.dump(key);
    const replies: string[] = [];
    const put = (value: string) =>
      scene.runtime.handle(key, { type: 'put', entries: [[key, value]] }, () => replies.push(value));
    put('1');
    scene.machine.clock.runNext();
    put('2');
    scene.machine.clock.runUntil(() => records(scene, 0) === 2, 100);
    const inLog = replies.length;
    scene.settle();
    expect(inLog).toBeLessThan(2);
    expect(replies).toEqual(['1', '2']);
    expect(scene.dump(key)).toEqual({ [key]: '2' });
  });

  it('tells everyone when an append fails, and has the state of the log afterwards', () => {
    const scene = new RuntimeScene();
    const [key = '', other = ''] = keysOf(0, 2);
    scene.run(key, { type: 'put', entries: [[key, '1']] });
    scene.machine.disk.failNext({ operation: 'write', path: /\.log$/ });
    const sent = [scene.put(key, '2'), scene.put(other, '2'), scene.send(key, { type: 'dump' })];
    const waiting = scene.send(key, { type: 'wait' });
    scene.settle(0);
    const failed = { type: 'put', error: 'NOT_COORDINATOR' };
    expect(sent.map(({ reply }) => reply)).toEqual([failed, failed, refused('NOT_COORDINATOR')]);
    expect(waiting.reply).toEqual(refused('NOT_COORDINATOR'));
    expect(scene.put(key, '3').reply).toEqual(refused('NOT_COORDINATOR'));
    scene.settle(1000);
    expect(scene.shards).toHaveLength(2);
    expect(scene.dump(key)).toEqual({ [key]: '1' });
  });

  it('has other partitions go on when one fails', () => {
    const scene = new RuntimeScene();
    const [a = ''] = keysOf(0, 1);
    const [b = ''] = keysOf(1, 1);
    scene.dump(a);
    scene.dump(b);
    scene.machine.disk.failNext({ operation: 'write', path: /table-0\/.*\.log$/ });
    const sent = [scene.put(a, '1'), scene.put(b, '1')];
    scene.settle(10);
    expect(sent.map(({ reply }) => reply)).toEqual([{ type: 'put', error: 'NOT_COORDINATOR' }, OK]);
  });
});

describe('CoordinatorRuntime, loading', () => {
  it('has the same state after a crash', () => {
    withSeeds(15, (random) => {
      const scene = new RuntimeScene({
        seed: random.uint32(),
        settings: { 'segment.bytes': '2048', 'max.message.bytes': '700' },
      });
      const keys = keysOf(0, 8);
      /** What each key may have: the last acknowledged value, or one that came after. */
      const possible = new Map<string, (string | undefined)[]>(keys.map((key) => [key, [undefined]]));
      for (let round = 0; round < 6; round++) {
        for (let i = random.below(30); i > 0; i--) {
          const key = keys[random.below(keys.length)] ?? '';
          const value = random.below(4) === 0 ? null : `${round} ${i}`;
          if (random.below(20) === 0) scene.machine.disk.failNext({ operation: 'write', path: /\.log$/ });
          const sent = scene.put(key, value);
          possible.get(key)?.push(value ?? undefined);
          if (random.below(3) > 0) scene.settle(random.below(3) * 100);
          if (sent.reply?.type === 'put' && sent.reply.error === 'NONE')
            possible.set(key, [value ?? undefined]);
        }
        if (random.below(2) === 0) scene.crash();
        scene.machine.disk.stopFailing();
        scene.settle(20_000);
        const table = scene.dump(keys[0] ?? '');
        for (const key of keys) {
          expect(possible.get(key)).toContain(table[key]);
          possible.set(key, [table[key]]);
        }
      }
    });
  });

  it('reads batches of all codecs, skips control batches, and takes a batch that is larger than a piece', () => {
    const scene = new RuntimeScene();
    const text = 'text '.repeat(20);
    const codecs: CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
    const plain = codecs.flatMap((codec): [string, string][] => [
      [codec, text],
      [`${codec} 2`, text],
    ]);
    scene.writeForeign(0, [
      ...codecs.map((codec, i) => batchOf(plain.slice(2 * i, 2 * i + 2), { codec })),
      batchOf([['control', 'x']], { isControl: true }),
      batchOf(entries(5, 100_000)),
    ]);
    expect(scene.batches(0).map(({ codec }) => codec)).toEqual([...codecs, 'none', 'none']);
    expect(scene.dump(keysOf(0, 1)[0] ?? '')).toEqual(Object.fromEntries([...plain, ...entries(5, 100_000)]));
  });

  it('reads a long log in many turns, in which others are served', () => {
    const scene = new RuntimeScene();
    scene.writeForeign(
      0,
      Array.from({ length: 30 }, (_, i) => batchOf([[`${i}`, 'x'.repeat(100_000)]])),
    );
    scene.runtime.loadExisting();
    const [key = ''] = keysOf(1, 1);
    let loadedFirst = true;
    scene.runtime.handle(key, { type: 'put', entries: [[key, '1']] }, () => {
      loadedFirst = scene.shard(0)?.calls.includes('start') ?? false;
    });
    scene.settle(5000);
    expect(loadedFirst).toBe(false);
    expect(Object.keys(scene.dump(keysOf(0, 1)[0] ?? ''))).toHaveLength(30);
  });

  it('has commands wait, and runs them in order', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    scene.holdOpening = true;
    const sent = [scene.put(key, '1'), scene.put(key, '2'), scene.send(key, { type: 'dump' })];
    expect(sent.map(({ reply }) => reply)).toEqual([null, null, null]);
    scene.heldOpenings[0]?.();
    scene.settle(500);
    expect(sent.map(({ reply }) => reply)).toEqual([OK, OK, { type: 'dumped', entries: { [key]: '2' } }]);
    expect(scene.opened).toHaveLength(1);
  });

  it('has so many commands wait at most, and a second at most', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    scene.holdOpening = true;
    const sent = Array.from({ length: 1001 }, () => scene.put(key, '1'));
    const loading = refused('COORDINATOR_LOAD_IN_PROGRESS');
    expect(sent.map(({ reply }) => reply).filter((reply) => reply !== null)).toEqual([loading]);
    scene.settle(1000);
    expect(sent.map(({ reply }) => reply)).toEqual(sent.map(() => loading));
    expect(scene.put(key, '1').reply).toEqual(loading);
    scene.heldOpenings[0]?.();
    scene.settle(500);
    expect(scene.dump(key)).toEqual({});
  });

  it('tries a partition that does not open again and again, more and more seldom, and then only when it is asked', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    scene.failOpening = 'KAFKA_STORAGE_ERROR';
    expect(scene.put(key, '1').reply).toEqual(refused('NOT_COORDINATOR'));
    scene.settle(3_600_000);
    const attempts = scene.opened.length;
    expect(attempts).toBe(11);
    const gaps = scene.opened.slice(1).map(({ atMs }, i) => atMs - (scene.opened[i]?.atMs ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(50);
    expect(gaps.at(-1)).toBeGreaterThanOrEqual(5000);
    scene.put(key, '1');
    expect(scene.opened).toHaveLength(attempts + 1);
    scene.settle(60_000);
    scene.failOpening = null;
    expect(scene.run(key, { type: 'put', entries: [[key, '1']] })).toEqual(OK);
  });

  it('does not serve a partition whose log is damaged, and says where', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    for (let i = 0; i < 3; i++) scene.run(key, { type: 'put', entries: [[`${i}`, 'x'.repeat(50)]] });
    const path = scene.machine.disk
      .files()
      .find((name) => name.startsWith('/data/table-0/') && name.endsWith('.log'));
    scene.machine.disk.corrupt(path ?? '', (scene.batches(0)[0]?.sizeBytes ?? 0) + 80);
    // The log is damaged while it is open, so that no recovery cuts it.
    scene.machine.disk.failNext({ operation: 'write', path: /\.log$/ });
    scene.put(key, '1');
    scene.settle(500);
    expect(scene.put(key, '1').reply).toEqual(refused('NOT_COORDINATOR'));
    const lines = scene.machine.logger.lines.filter(({ message }) => message === 'coordinator failed');
    expect(lines.at(-1)?.fields).toMatchObject({ coordinator: 'table', partition: 0 });
    expect(lines.at(-1)?.fields['reason']).toMatch(/offset 1 .*checksum/);
  });

  it('does not serve a partition with a record that its shard cannot read', () => {
    const scene = new RuntimeScene();
    scene.writeForeign(0, [batchOf([['poison', '']])]);
    const [key = ''] = keysOf(0, 1);
    expect(scene.run(key, { type: 'dump' })).toEqual(refused('NOT_COORDINATOR'));
    expect(scene.run(keysOf(1, 1)[0] ?? '', { type: 'dump' })).toEqual({ type: 'dumped', entries: {} });
  });
});

describe('CoordinatorRuntime, closing', () => {
  it('commits what was appended, then answers whoever waits for others', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    scene.dump(key);
    const put = scene.put(key, '1');
    const waiting = scene.send(key, { type: 'wait' });
    let closed = false;
    scene.runtime.close(() => {
      closed = true;
    });
    expect([put.reply, waiting.reply, closed]).toEqual([null, null, false]);
    scene.settle();
    expect([put.reply, waiting.reply, closed]).toEqual([OK, refused('NOT_COORDINATOR'), true]);
    expect(scene.shard(0)?.calls).toEqual(['start', 'close NOT_COORDINATOR']);
    expect(scene.put(key, '2').reply).toEqual(refused('NOT_COORDINATOR'));
    scene.crash();
    expect(scene.dump(key)).toEqual({ [key]: '1' });
  });

  it('ends an attempt to load, and those who wait for it', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    scene.holdOpening = true;
    const put = scene.put(key, '1');
    let closed = 0;
    for (let i = 0; i < 2; i++) scene.runtime.close(() => closed++);
    expect(put.reply).toEqual(refused('NOT_COORDINATOR'));
    expect(closed).toBe(2);
    scene.heldOpenings[0]?.();
    scene.settle(60_000);
    expect(scene.shards).toEqual([]);
  });

  it('ends when the last append fails, and does not load again', () => {
    const scene = new RuntimeScene();
    const [key = ''] = keysOf(0, 1);
    scene.dump(key);
    scene.machine.disk.failNext({ operation: 'write', path: /\.log$/ });
    const put = scene.put(key, '1');
    let closed = false;
    scene.runtime.close(() => {
      closed = true;
    });
    scene.settle(60_000);
    expect(put.reply).toEqual({ type: 'put', error: 'NOT_COORDINATOR' });
    expect(closed).toBe(true);
    expect(scene.opened).toHaveLength(1);
  });
});
