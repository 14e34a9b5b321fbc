// Idempotent producers at a partition's actor. What the actor does for batches of all kinds is tested through its host.
import { describe, expect, it } from 'vitest';
import { createViews, type Published, ViewReader, ViewWriter } from '../../src/actor/view.js';
import { errorName } from '../../src/base/errors.js';
import { toLeaderEpoch, toOffset, toPartitionIndex } from '../../src/base/ids.js';
import { resolveTopicConfig } from '../../src/config/topic-config.js';
import type { LogRecovery } from '../../src/log/open-log.js';
import { DiskRoom } from '../../src/partition/disk-room.js';
import { logConfigOf } from '../../src/partition/log-config-of.js';
import { type Completion, PartitionActor } from '../../src/partition/partition-actor.js';
import { BatchBuilder, type BuildOptions } from '../../src/record/batch-builder.js';
import { from, LogMachine } from '../log/log-fixture.js';

interface Numbered extends BuildOptions {
  readonly count?: number;
  readonly valueBytes?: number;
}

function batch({ count = 1, valueBytes = 8, ...options }: Numbered): Buffer {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++)
    builder.add({ timestampMs: 1, key: null, value: Buffer.alloc(valueBytes), headers: [] });
  return builder.build({ producerId: 1, producerEpoch: 0, ...options });
}

/** An actor on a simulated machine, and what it completed. */
class Scene {
  readonly machine = new LogMachine();
  readonly #settings: Readonly<Record<string, string>>;
  completed: { readonly token: number; readonly error: string; readonly baseOffset: number }[] = [];
  raw: Completion[] = [];
  readonly room = new DiskRoom({
    directory: '/data',
    owner: 'test',
    disk: this.machine.disk,
    clock: this.machine.clock,
    ended: () => {},
  });
  actor: PartitionActor;
  readonly #views = createViews(1);
  #token = 0;
  #epoch = 0;

  constructor(settings: Readonly<Record<string, string>> = {}) {
    this.#settings = settings;
    this.actor = this.open({ type: 'clean' });
  }

  open(recovery: LogRecovery, logStartOffset = toOffset(0)): PartitionActor {
    const { config } = resolveTopicConfig({ topicDefaults: {} }, Object.entries(this.#settings));
    this.actor = new PartitionActor({
      topic: 'orders',
      partition: toPartitionIndex(0),
      log: this.machine.open({ config: logConfigOf(config), recovery, logStartOffset }),
      generation: 1,
      leaderEpoch: toLeaderEpoch(this.#epoch++),
      config,
      view: new ViewWriter(this.#views, 0),
      clock: this.machine.clock,
      logger: this.machine.logger,
      room: this.room,
      complete: (completion) => {
        const { token, error, baseOffset } = completion;
        this.raw.push(completion);
        this.completed.push({ token, error: errorName(error), baseOffset });
      },
      advanced: () => {},
    });
    return this.actor;
  }

  /** What readers see. */
  get published(): Published | null {
    return new ViewReader(this.#views, 0, 1).read();
  }

  /** Stages batches and commits them as a group; returns what was completed by then, `error` or the base offset of each. */
  group(...batches: readonly Numbered[]): (string | number)[] {
    this.completed = [];
    for (const options of batches) this.actor.stage(this.#token++, batch(options));
    this.actor.commit();
    return this.outcomes;
  }

  /** In the order of the batches. */
  get outcomes(): (string | number)[] {
    const inOrder = [...this.completed].sort((a, b) => a.token - b.token);
    return inOrder.map(({ error, baseOffset }) => (error === 'NONE' ? baseOffset : error));
  }
}

const OUT_OF_ORDER = 'OUT_OF_ORDER_SEQUENCE_NUMBER';

describe('PartitionActor', () => {
  it('answers a batch that comes again with its first offset, and does not append it', () => {
    const scene = new Scene();
    expect(scene.group({ baseSequence: 0, count: 3 }, { baseSequence: 3 })).toEqual([0, 3]);
    expect(scene.group({ baseSequence: 0, count: 3 }, { baseSequence: 4 }, { baseSequence: 3 })).toEqual([
      0, 4, 3,
    ]);
    expect(scene.group({ producerId: -1, producerEpoch: -1, baseSequence: -1 })).toEqual([5]);
  });

  it('knows a batch again that is in the same group', () => {
    const scene = new Scene();
    expect(
      scene.group({ baseSequence: 0 }, { baseSequence: 0 }, { baseSequence: 1 }, { baseSequence: 1 }),
    ).toEqual([0, 0, 1, 1]);
    expect(scene.raw.every(({ logStartOffset }) => logStartOffset === 0)).toBe(true);
  });

  it('refuses gaps and old epochs, and goes on', () => {
    const scene = new Scene();
    expect(
      scene.group(
        { baseSequence: 0 },
        { baseSequence: 2 },
        { producerEpoch: 1, baseSequence: 1 },
        { producerEpoch: 1, baseSequence: 0 },
        { baseSequence: 1 },
        { producerEpoch: 1, baseSequence: 1 },
      ),
    ).toEqual([0, OUT_OF_ORDER, OUT_OF_ORDER, 1, 'INVALID_PRODUCER_EPOCH', 2]);
  });

  it('refuses batches of transactions', () => {
    const scene = new Scene();
    expect(
      scene.group(
        { baseSequence: 0, isTransactional: true },
        { producerId: -1, producerEpoch: -1, baseSequence: -1, isTransactional: true },
      ),
    ).toEqual(['UNSUPPORTED_FOR_MESSAGE_FORMAT', 'UNSUPPORTED_FOR_MESSAGE_FORMAT']);
  });

  it('forgets a group that could not be written: it can come again', () => {
    const scene = new Scene();
    scene.group({ baseSequence: 0 });
    scene.machine.disk.failNext({ operation: 'write', code: 'ENOSPC' });
    expect(scene.group({ baseSequence: 1 }, { baseSequence: 2 }, { baseSequence: 1 })).toEqual([
      'KAFKA_STORAGE_ERROR',
      'KAFKA_STORAGE_ERROR',
      'KAFKA_STORAGE_ERROR',
    ]);
    scene.machine.clock.advance(1000);
    expect(scene.group({ baseSequence: 2 }, { baseSequence: 1 }, { baseSequence: 2 })).toEqual([
      OUT_OF_ORDER,
      1,
      2,
    ]);
  });

  it('completes the first part of a group when the disk fails in its midst, and what repeats that part', () => {
    const scene = new Scene({ 'segment.bytes': '1024' });
    const valueBytes = 400;
    scene.group({ baseSequence: 0, valueBytes });
    // Two batches fill a segment: the second run of the group goes to a new one.
    scene.machine.disk.failNext({ operation: 'write', path: /0002\.log$/, code: 'ENOSPC' });
    const group = [1, 2, 1, 2].map((baseSequence) => ({ baseSequence, valueBytes }));
    expect(scene.group(...group)).toEqual([1, 'KAFKA_STORAGE_ERROR', 1, 'KAFKA_STORAGE_ERROR']);
    scene.machine.clock.advance(1000);
    expect(scene.group({ baseSequence: 2 })).toEqual([2]);
  });

  it('refuses what it is sent while the disk is full without touching the file, but for what it has already', () => {
    const scene = new Scene();
    scene.group({ baseSequence: 0 });
    scene.machine.disk.capacityBytes = 0;
    expect(scene.group({ baseSequence: 1 })).toEqual(['KAFKA_STORAGE_ERROR']);
    const before = scene.machine.disk.operations;
    // A gap may be of the batch that found no room.
    expect(scene.group({ baseSequence: 1 }, { baseSequence: 2 }, { baseSequence: 0 })).toEqual([
      'KAFKA_STORAGE_ERROR',
      'KAFKA_STORAGE_ERROR',
      0,
    ]);
    expect(scene.machine.disk.operations).toBe(before);
    scene.machine.clock.advance(5000);
    expect(scene.group({ baseSequence: 1 })).toEqual(['KAFKA_STORAGE_ERROR']);
    scene.machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    scene.machine.clock.advance(1000);
    expect(scene.group({ baseSequence: 1 }, { baseSequence: 2 })).toEqual([1, 2]);
  });

  it('says the same time again where the broker gives the time', () => {
    const scene = new Scene({ 'message.timestamp.type': 'LogAppendTime' });
    scene.machine.clock.advance(1000);
    scene.group({ baseSequence: 0 });
    scene.machine.clock.advance(1000);
    scene.group({ baseSequence: 0 });
    const [first, again] = scene.raw;
    expect(first?.logAppendTimeMs).toBeGreaterThan(0);
    expect(again?.logAppendTimeMs).toBe(first?.logAppendTimeMs);
    const created = new Scene();
    created.group({ baseSequence: 0 }, { baseSequence: 0 });
    expect(created.raw.map(({ logAppendTimeMs }) => logAppendTimeMs)).toEqual([-1, -1]);
  });

  it('acknowledges a repeated batch no sooner than the first one: with flush.acks when it is on the disk', () => {
    const scene = new Scene({ 'flush.acks': 'true' });
    expect(scene.group({ baseSequence: 0 }, { baseSequence: 0 })).toEqual([]);
    scene.machine.settle();
    expect(scene.outcomes).toEqual([0, 0]);
    expect(scene.group({ baseSequence: 0 })).toEqual([0]);
  });

  it('waits for the disk with a repeated batch that an earlier owner of the log left in the page cache', () => {
    const scene = new Scene({ 'flush.acks': 'true' });
    scene.group({ baseSequence: 0 });
    scene.machine.crash();
    scene.open(from(0));
    expect(scene.group({ baseSequence: 0 })).toEqual([]);
    scene.machine.settle();
    expect(scene.outcomes).toEqual([0]);
    scene.machine.losePower();
    scene.open(from(0));
    expect(scene.group({ baseSequence: 0 }, { baseSequence: 1 })).toEqual([]);
    scene.machine.settle();
    expect(scene.outcomes).toEqual([0, 1]);
  });

  it('refuses repeated batches that wait for the disk when that fails, or when it ends', () => {
    const scene = new Scene({ 'flush.acks': 'true' });
    scene.machine.disk.failNext({ operation: 'sync', code: 'EIO' });
    scene.group({ baseSequence: 0 }, { baseSequence: 0 });
    scene.machine.settle();
    expect(scene.outcomes).toEqual(['KAFKA_STORAGE_ERROR', 'KAFKA_STORAGE_ERROR']);
    const ending = new Scene({ 'flush.acks': 'true' });
    ending.group({ baseSequence: 0 }, { baseSequence: 0 });
    ending.actor.close(() => {});
    expect(ending.outcomes).toEqual(['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER']);
  });

  it('tells readers and checkpoint when retention lets the log begin later', () => {
    const scene = new Scene({ 'segment.bytes': '1024', 'retention.bytes': '1024', 'retention.ms': '-1' });
    for (let i = 0; i < 9; i++) scene.group({ baseSequence: 2 * i, count: 2, valueBytes: 120 });
    scene.actor.applyRetention();
    const starts = [scene.published?.logStartOffset, scene.actor.checkpoint.logStartOffset];
    expect(starts).toEqual([6, 6]);
  });

  it('acknowledges at flush.messages what is on the disk, with one flush, and before it at once', () => {
    const scene = new Scene({ 'flush.messages': '5' });
    let syncs = 0;
    const sync = scene.machine.disk.sync.bind(scene.machine.disk);
    scene.machine.disk.sync = (file, done) => {
      if (file.path.endsWith('.log')) syncs++;
      sync(file, done);
    };
    expect(scene.group({ baseSequence: 0, count: 4 })).toEqual([0]);
    expect(syncs).toBe(0);
    expect(scene.group({ baseSequence: 4, count: 1 })).toEqual([]);
    expect(scene.published?.highWatermark).toBe(4);
    scene.machine.settle();
    expect(scene.outcomes).toEqual([4]);
    expect(scene.published?.highWatermark).toBe(5);
    expect(syncs).toBe(1);
    expect(scene.group({ baseSequence: 5, count: 4 })).toEqual([5]);
  });

  it('flushes for many producers at once, and the next ones together when that is done', () => {
    const scene = new Scene({ 'flush.acks': 'true' });
    const done: (() => void)[] = [];
    const { disk } = scene.machine;
    const sync = disk.sync.bind(disk);
    disk.sync = (file, ended) => {
      if (file.path.endsWith('.log')) done.push(() => sync(file, ended));
      else sync(file, ended);
    };
    const acknowledged: number[] = [];
    for (let producer = 0; producer < 30; producer++) {
      scene.group({ producerId: producer, baseSequence: 0 });
      acknowledged.push(...scene.completed.map(({ token }) => token));
    }
    // The first waits alone, 29 came while it was under way.
    expect([done.length, acknowledged]).toEqual([1, []]);
    scene.completed = [];
    done.shift()?.();
    scene.machine.settle();
    expect([done.length, scene.outcomes]).toEqual([1, [0]]);
    scene.completed = [];
    done.shift()?.();
    scene.machine.settle();
    expect([done.length, scene.outcomes]).toEqual([0, Array.from({ length: 29 }, (_, index) => index + 1)]);
  });

  it('forgets silent producers at the retention check', () => {
    const scene = new Scene();
    scene.group({ baseSequence: 0 });
    scene.machine.clock.advance(86_400_000);
    scene.actor.applyRetention();
    expect(scene.group({ baseSequence: 7 })).toEqual([1]);
  });
});

describe('PartitionActor: deletion of records', () => {
  const upTo = (offset: number | null) => (offset === null ? null : toOffset(offset));

  function filled(settings: Readonly<Record<string, string>> = {}): Scene {
    const scene = new Scene({ 'segment.bytes': '1024', ...settings });
    // Three batches fit into a segment.
    for (let i = 0; i < 9; i++) scene.group({ baseSequence: 2 * i, count: 2, valueBytes: 120 });
    return scene;
  }

  it('lets the log begin later, and tells readers and checkpoint', () => {
    const scene = filled();
    expect(scene.actor.deleteRecords(upTo(7))).toBeNull();
    expect([scene.published?.logStartOffset, scene.actor.checkpoint.logStartOffset]).toEqual([7, 7]);
    expect(scene.published?.highWatermark).toBe(18);
    // The segment with offset 7 stays.
    expect(scene.actor.segmentCount).toBe(2);
    expect(scene.group({ baseSequence: 18 })).toEqual([18]);
  });

  it('does nothing below the start, and all up to the high watermark', () => {
    const scene = filled();
    expect(scene.actor.deleteRecords(upTo(7))).toBeNull();
    expect(scene.actor.deleteRecords(upTo(3))).toBeNull();
    expect(scene.published?.logStartOffset).toBe(7);
    expect(scene.actor.deleteRecords(null)).toBeNull();
    expect(scene.published?.logStartOffset).toBe(18);
    expect(scene.actor.deleteRecords(null)).toBeNull();
    expect(scene.group({ baseSequence: 18 })).toEqual([18]);
  });

  it('refuses what lies behind the high watermark, also of what waits for the disk', () => {
    const scene = filled({ 'flush.acks': 'true' });
    expect(scene.published?.highWatermark).toBe(0);
    expect(scene.actor.deleteRecords(upTo(1))).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
    expect(scene.actor.deleteRecords(null)).toBeNull();
    expect(scene.published?.logStartOffset).toBe(0);
    scene.machine.settle();
    expect(scene.actor.deleteRecords(upTo(19))).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
    expect(scene.actor.deleteRecords(upTo(18))).toBeNull();
  });

  it('begins there again when it is opened with the checkpoint, also when the log lost its end', () => {
    const scene = filled();
    scene.actor.deleteRecords(upTo(17));
    const { logStartOffset } = scene.actor.checkpoint;
    scene.machine.losePower();
    scene.open(from(0), logStartOffset);
    expect(scene.published?.logStartOffset).toBe(17);
    expect(scene.published?.logEndOffset).toBeGreaterThanOrEqual(17);
  });
});
