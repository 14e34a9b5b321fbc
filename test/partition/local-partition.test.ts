import { describe, expect, it } from 'vitest';
import { createRing, RingConsumer, RingProducer, ringIsAsleep } from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { createViews } from '../../src/actor/view.js';
import type { ErrorName } from '../../src/base/errors.js';
import { toLeaderEpoch, toOffset, toPartitionIndex, toTopicId } from '../../src/base/ids.js';
import { resolveTopicConfig } from '../../src/config/topic-config.js';
import { LocalPartition, type ReadPiece } from '../../src/partition/local-partition.js';
import type { PartitionReply } from '../../src/partition/messages.js';
import { PartitionHost } from '../../src/partition/partition-host.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { batch, LogMachine } from '../log/log-fixture.js';
import { NO_COMPACTION } from './no-compaction.js';

const DIRECTORY = '/data/orders-0';
const SEGMENT = { 'segment.bytes': '100000' };

/** A partition that is open on the thread of its user. */
class Scene {
  readonly machine = new LogMachine();
  readonly partition: LocalPartition;
  readonly host: PartitionHost;
  readonly #views = createViews(1);

  constructor(settings: Readonly<Record<string, string>> = SEGMENT) {
    const { clock, disk, jobs, random, logger } = this.machine;
    const ring = createRing(2);
    const bell = new LocalDoorbell(
      (run) => clock.after(0, run),
      () => ringIsAsleep(ring),
    );
    this.host = new PartitionHost({
      submissions: new RingConsumer(ring, bell),
      completions: new RingProducer(createRing(2), bell),
      views: this.#views,
      memory: Buffer.alloc(0),
      ...{ disk, jobs, clock, random, logger },
      retentionCheckIntervalMs: 60_000,
      compaction: NO_COMPACTION,
      tell: () => {},
      later: (run) => clock.after(0, run),
    });
    const config = resolveTopicConfig({ topicDefaults: {} }, Object.entries(settings)).config;
    const reply = this.#command({
      type: 'open',
      topic: 'orders',
      topicId: toTopicId('o_EPBDsTQkm1Ua--nqUtaQ'),
      partition: toPartitionIndex(0),
      directory: DIRECTORY,
      slot: 0,
      generation: 7,
      leaderEpoch: toLeaderEpoch(3),
      config,
      recovery: { type: 'clean' },
      logStartOffset: toOffset(0),
      firstDirtyOffset: toOffset(0),
      producerIdExpirationMs: 1000,
    });
    expect(reply.type).toBe('opened');
    this.partition = this.partitionOf(7);
  }

  partitionOf(generation: number): LocalPartition {
    const { clock, disk } = this.machine;
    const place = { views: this.#views, slot: 0, generation, directory: DIRECTORY };
    return new LocalPartition({ host: this.host, ...place, disk, clock, batchBytesMax: 1000 });
  }

  close(): void {
    this.#command({ type: 'close', slot: 0 });
  }

  append(batches: readonly Buffer[], partition = this.partition): (ErrorName | null)[] {
    const results: (ErrorName | null)[] = [];
    partition.append(batches, (error) => results.push(error));
    return results;
  }

  read(offset: number, partition = this.partition): ReadPiece {
    const pieces: ReadPiece[] = [];
    partition.read(toOffset(offset), (piece) => pieces.push(piece));
    expect(pieces).toEqual([]);
    this.machine.clock.runUntil(() => pieces.length > 0, 1000);
    const [piece] = pieces;
    if (!piece) throw new Error('a read ends');
    return piece;
  }

  /** Offsets of the batches of all pieces from an offset on. */
  readAll(offset: number): { readonly bases: number[]; readonly pieces: number } {
    const bases: number[] = [];
    let pieces = 0;
    for (let next = offset; ; pieces++) {
      const piece = this.read(next);
      if (piece.type !== 'batches') {
        expect(piece).toEqual({ type: 'end' });
        return { bases, pieces };
      }
      for (const { baseOffset, leaderEpoch } of new BatchReader(piece.bytes)) {
        bases.push(baseOffset);
        expect(leaderEpoch).toBe(3);
      }
      next = piece.nextOffset;
    }
  }

  #command(command: Parameters<PartitionHost['receive']>[0]): PartitionReply {
    const replies: PartitionReply[] = [];
    this.host.receive(command, (reply) => replies.push(reply));
    this.machine.clock.runUntil(() => replies.length > 0, 10_000);
    const [reply] = replies;
    if (!reply) throw new Error(`${command.type} is not answered`);
    return reply;
  }
}

const batches = (count: number, valueBytes = 8): Buffer[] =>
  Array.from({ length: count }, () => batch({ baseOffset: 0, valueBytes }).bytes);

describe('LocalPartition', () => {
  it('appends batches one behind the other, and reads them back', () => {
    const scene = new Scene();
    expect(scene.append(batches(3))).toEqual([null]);
    expect(scene.append(batches(1))).toEqual([null]);
    expect(scene.partition.extent()).toEqual({ startOffset: 0, committedOffset: 4, endOffset: 4 });
    expect(scene.readAll(0)).toEqual({ bases: [0, 1, 2, 3], pieces: 1 });
    expect(scene.readAll(2).bases).toEqual([2, 3]);
  });

  it('reads over several segments, in pieces, and a batch that is larger than a piece whole', () => {
    const scene = new Scene();
    scene.append(batches(20, 10_000));
    scene.append(batches(1, 90_000));
    scene.append(batches(5, 10_000));
    const { bases, pieces } = scene.readAll(0);
    expect(bases).toEqual(Array.from({ length: 26 }, (_, i) => i));
    expect(pieces).toBeGreaterThan(4);
  });

  it('says which error came first', () => {
    const scene = new Scene();
    const [good = Buffer.alloc(0), bad = Buffer.alloc(0)] = batches(2);
    bad[bad.length - 1] = (bad[bad.length - 1] ?? 0) ^ 1;
    expect(scene.append([good, bad])).toEqual(['CORRUPT_MESSAGE']);
    expect(scene.readAll(0).bases).toEqual([0]);
  });

  it('says that nothing was appended when the disk refuses', () => {
    const scene = new Scene();
    scene.append(batches(1));
    scene.machine.disk.failNext({ operation: 'write', path: /\.log$/, code: 'ENOSPC' });
    expect(scene.append(batches(2))).toEqual(['KAFKA_STORAGE_ERROR']);
    expect(scene.readAll(0).bases).toEqual([0]);
    scene.machine.clock.advance(1000);
    expect(scene.append(batches(1))).toEqual([null]);
  });

  it('waits for the disk with flush.acks; until then nothing is committed', () => {
    const scene = new Scene({ ...SEGMENT, 'flush.acks': 'true' });
    const results = scene.append(batches(1));
    expect(results).toEqual([]);
    expect(scene.partition.extent()).toEqual({ startOffset: 0, committedOffset: 0, endOffset: 0 });
    scene.machine.settle();
    expect(results).toEqual([null]);
    expect(scene.partition.extent()).toEqual({ startOffset: 0, committedOffset: 1, endOffset: 1 });
  });

  it('refuses everything when the partition is closed, or another one has its place', () => {
    const scene = new Scene();
    scene.append(batches(1));
    const other = scene.partitionOf(6);
    expect(scene.append(batches(2), other)).toEqual(['NOT_LEADER_OR_FOLLOWER']);
    expect(other.extent()).toBeNull();
    expect(scene.read(0, other)).toMatchObject({ type: 'failed' });
    scene.close();
    expect(scene.append(batches(1))).toEqual(['NOT_LEADER_OR_FOLLOWER']);
    expect(scene.partition.extent()).toBeNull();
    expect(scene.read(0)).toMatchObject({ type: 'failed' });
  });

  it('says what cannot be read, and why', () => {
    const scene = new Scene();
    scene.append(batches(2));
    expect(scene.read(5)).toEqual({ type: 'failed', reason: 'offset 5 is not in the log any more' });
    scene.machine.disk.failNext({ operation: 'readLater' });
    expect(scene.read(0)).toMatchObject({ type: 'failed', reason: expect.stringContaining('.log') });
    expect(scene.readAll(0).bases).toEqual([0, 1]);
  });
});
