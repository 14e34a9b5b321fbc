import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.js';
import {
  CREDIT_BYTES_MAX,
  type StreamPush,
  Subscription,
  type SubscriptionOptions,
} from '../../src/broker/subscription.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';
import { BATCH_BYTES, CHUNK_BYTES, offsetsIn, PARTITIONS, PartitionScene, range } from './partition-scene.js';

interface Begin {
  readonly id: number;
  readonly index?: number;
  readonly offset?: number;
  readonly topicId?: string;
}

/** The client's side: holds the broker to the credit, and every stream to its order. */
class Peer {
  readonly subscription: Subscription;
  readonly pushes: { streamId: number; error: string; offsets: number[]; highWatermark: number }[] = [];
  /** By stream. */
  readonly expected = new Map<number, number>();
  readonly ended = new Set<number>();
  /** Records that the kernel has not taken yet. */
  readonly held: (() => void)[] = [];
  streams = 0;
  creditBytes: number;
  receivedBytes = 0;
  /** Whether pushed records stay in memory until {@link take}. */
  holds = false;
  readonly #scene: PartitionScene;

  constructor(scene: PartitionScene, { creditBytes, pushBytesMax }: SubscriptionOptions) {
    this.#scene = scene;
    this.creditBytes = Math.min(creditBytes, CREDIT_BYTES_MAX);
    const { clock, disk, logger } = scene.machine;
    this.subscription = new Subscription(
      { creditBytes, pushBytesMax },
      {
        ...{ disk, logger, readBuffer: scene.readBuffer },
        withRoutes: (_entries, done) => {
          if (scene.routing) scene.routing.push(done);
          else done();
        },
        inTurn: (read) => {
          if (scene.turns) scene.turns.push(read);
          else read(() => {});
        },
        later: (run) => clock.schedule(0, run),
        push: (push) => this.#pushed(push),
        ended: (count) => {
          this.streams -= count;
        },
      },
    );
  }

  begin(...begins: readonly Begin[]): boolean {
    let isOpen = false;
    this.streams += begins.length;
    for (const { id, offset = 0 } of begins) this.expected.set(id, offset);
    this.subscription.begin(
      begins.map(({ id, index = 0, offset = 0, topicId = '' }) => ({
        streamId: id,
        entry: this.#scene.partitions[index]?.entry,
        offset,
        topicId,
      })),
      () => {
        isOpen = true;
      },
    );
    return isOpen;
  }

  end(...ids: readonly number[]): void {
    for (const id of ids) this.ended.add(id);
    this.subscription.endStreams(ids);
  }

  grant(bytes: number): void {
    this.creditBytes = Math.min(this.creditBytes + bytes, CREDIT_BYTES_MAX);
    this.subscription.grant(bytes);
  }

  /** The kernel took everything. */
  take(): void {
    for (const release of this.held.splice(0)) release();
  }

  /** The offsets that a stream has sent. */
  offsets(streamId: number): number[] {
    return this.pushes.flatMap((push) => (push.streamId === streamId ? push.offsets : []));
  }

  errors(): string[] {
    return this.pushes.flatMap(({ streamId, error }) => (error === 'NONE' ? [] : [`${streamId} ${error}`]));
  }

  #pushed({ streamId, error, records, highWatermark, release }: StreamPush): void {
    expect(this.ended.has(streamId)).toBe(false);
    const offsets = offsetsIn(records);
    if (error !== 'NONE') {
      expect(records).toBeNull();
      this.ended.add(streamId);
    }
    if (records) {
      expect(this.creditBytes).toBeGreaterThan(0);
      if (offsets.length > 1) expect(records.length).toBeLessThanOrEqual(this.creditBytes);
      this.creditBytes -= records.length;
      this.receivedBytes += records.length;
      expect(this.subscription.creditBytes).toBe(this.creditBytes);
      const start = present(this.expected.get(streamId), 'a stream');
      expect(offsets).toEqual(range(start, start + offsets.length));
      expect(start + offsets.length).toBeLessThanOrEqual(highWatermark);
      this.expected.set(streamId, start + offsets.length);
    }
    this.pushes.push({ streamId, error, offsets, highWatermark });
    if (this.holds) this.held.push(release);
    else release();
  }
}

const peerOf = (scene: PartitionScene, options: Partial<SubscriptionOptions> = {}) =>
  new Peer(scene, { creditBytes: 1_000_000, pushBytesMax: 0, ...options });

describe('Subscription', () => {
  it('keeps nothing of streams that end before there is credit for them', () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const scene = new PartitionScene();
    scene.partition().add(1);
    const { subscription } = peerOf(scene, { creditBytes: 0 });
    const { entry } = scene.partition();
    const beginAndEnd = (streamId: number) => {
      subscription.begin([{ streamId, entry, offset: 0, topicId: '' }], () => {});
      subscription.endStreams([streamId]);
    };
    const heapBytes = () => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    for (let i = 0; i < 10_000; i++) beginAndEnd(i);
    const before = heapBytes();
    for (let i = 0; i < 100_000; i++) beginAndEnd(i);
    // A stream takes some 200 bytes.
    expect(heapBytes() - before).toBeLessThan(4_000_000);
    expect(subscription.streamCount).toBe(0);
  });

  it('sends what is there, and then what comes', () => {
    const scene = new PartitionScene();
    const peer = peerOf(scene);
    scene.partition().add(5);
    expect(peer.begin({ id: 1, offset: 2 })).toBe(true);
    expect(peer.pushes).toEqual([{ streamId: 1, error: 'NONE', offsets: [2, 3, 4], highWatermark: 5 }]);
    scene.machine.clock.advance(1);
    scene.partition().append(3);
    scene.partition().publish(7);
    expect(peer.offsets(1)).toEqual([2, 3, 4, 5, 6]);
    scene.partition().publish();
    scene.partition().add(1);
    expect(peer.offsets(1)).toEqual(range(2, 9));
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('says once that there is nothing, where a stream begins at the end', () => {
    const scene = new PartitionScene();
    const peer = peerOf(scene);
    scene.partition().add(3);
    peer.begin({ id: 7, offset: 3 });
    scene.machine.clock.advance(1);
    expect(peer.pushes).toEqual([{ streamId: 7, error: 'NONE', offsets: [], highWatermark: 3 }]);
    scene.partition().add(2);
    expect(peer.pushes).toHaveLength(2);
    expect(peer.offsets(7)).toEqual([3, 4]);
  });

  it('does not sleep over what was published while it looked', () => {
    const scene = new PartitionScene();
    const peer = peerOf(scene);
    const partition = scene.partition();
    const { view } = present(partition.entry.route, 'a route');
    const want = view.want.bind(view);
    view.want = () => {
      view.want = want;
      partition.add(1);
      want();
    };
    peer.begin({ id: 1 });
    scene.machine.clock.advance(1);
    expect(peer.offsets(1)).toEqual([0]);
  });

  it('sends no more than the credit, but for a single batch', () => {
    const scene = new PartitionScene();
    scene.partition().add(9);
    const peer = peerOf(scene, { creditBytes: 3 * BATCH_BYTES + 20 });
    peer.begin({ id: 1 });
    scene.machine.clock.advance(1);
    // Three fit; then twenty bytes are left, which is more than a sixteenth of what was there.
    expect(peer.pushes.map(({ offsets }) => offsets)).toEqual([[0, 1, 2], [3]]);
    expect(peer.subscription.creditBytes).toBe(20 - BATCH_BYTES);
    peer.grant(BATCH_BYTES - 20);
    scene.machine.clock.advance(1);
    expect(peer.offsets(1)).toHaveLength(4);
    peer.grant(1);
    scene.machine.clock.advance(1);
    expect(peer.offsets(1)).toEqual(range(0, 5));
  });

  it('leaves a small rest of the credit for the next grant, which goes on however small it is', () => {
    const scene = new PartitionScene();
    scene.partition().add(9);
    const peer = peerOf(scene, { creditBytes: 3 * BATCH_BYTES + 10 });
    peer.begin({ id: 1 });
    scene.machine.clock.advance(1);
    expect(peer.pushes.map(({ offsets }) => offsets)).toEqual([[0, 1, 2]]);
    peer.grant(1);
    scene.machine.clock.advance(1);
    expect(peer.offsets(1)).toEqual(range(0, 4));
    expect(peer.subscription.creditBytes).toBe(11 - BATCH_BYTES);
  });

  it('waits for credit without being asked, and holds no memory meanwhile', () => {
    const scene = new PartitionScene();
    const peer = peerOf(scene, { creditBytes: 0 });
    peer.begin({ id: 1 });
    scene.partition().add(4);
    scene.machine.clock.advance(10_000);
    expect(peer.pushes).toEqual([]);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
    peer.grant(1_000_000);
    expect(peer.offsets(1)).toEqual(range(0, 4));
  });

  it('never has more credit than a gibibyte', () => {
    const peer = peerOf(new PartitionScene(), { creditBytes: 2 ** 32 - 1 });
    peer.grant(2 ** 32 - 1);
    expect(peer.subscription.creditBytes).toBe(CREDIT_BYTES_MAX);
  });

  it('lets streams take turns, a push each', () => {
    const scene = new PartitionScene();
    for (const partition of scene.partitions) partition.add(6);
    const peer = peerOf(scene, { pushBytesMax: 2 * BATCH_BYTES });
    peer.begin({ id: 1, index: 0 }, { id: 2, index: 1 }, { id: 3, index: 2, offset: 4 });
    scene.machine.clock.advance(1);
    expect(peer.pushes.map(({ streamId, offsets }) => `${streamId}: ${offsets}`)).toEqual([
      ...['1: 0,1', '2: 0,1', '3: 4,5', '1: 2,3', '2: 2,3', '1: 4,5', '2: 4,5'],
    ]);
  });

  it('shares turns with whatever else the connection reads', () => {
    const scene = new PartitionScene();
    scene.turns = [];
    scene.partition().add(6);
    const peer = peerOf(scene);
    peer.begin({ id: 1 });
    expect(peer.pushes).toEqual([]);
    expect(scene.turns).toHaveLength(1);
    let overs = 0;
    scene.turns.shift()?.(() => overs++);
    expect(peer.offsets(1)).toEqual(range(0, 6));
    expect(overs).toBe(1);
    // Nothing is asked for while there is nothing to do.
    scene.machine.clock.advance(1000);
    expect(scene.turns).toHaveLength(0);
  });

  it('gives others a turn after a mebibyte', () => {
    const scene = new PartitionScene({ readBytes: 64 * 1024 * CHUNK_BYTES });
    scene.turns = [];
    scene.partition().add(30, { valueBytes: 60_000 });
    const peer = peerOf(scene, { creditBytes: 100_000_000 });
    peer.begin({ id: 1 });
    let turns = 0;
    while (peer.offsets(1).length < 30) {
      const turn = scene.turns.shift();
      let over = false;
      turn?.(() => {
        over = true;
      });
      scene.machine.clock.runUntil(() => over || !turn);
      if (turn) turns++;
      scene.machine.clock.advance(1);
    }
    expect(turns).toBeGreaterThanOrEqual(2);
    expect(turns).toBeLessThanOrEqual(30);
  });

  it('ends a stream with an error and goes on with the others', () => {
    const scene = new PartitionScene();
    for (const partition of scene.partitions) partition.add(4);
    const peer = peerOf(scene);
    peer.begin(
      { id: 1, index: 0 },
      { id: 2, index: 99 },
      { id: 3, index: 1, offset: 5 },
      { id: 4, index: 1, offset: -1 },
      { id: 5, index: 2, topicId: 'another-topic-of-the-n' },
      { id: 6, index: 2, topicId: 'o_EPBDsTQkm1Ua--nqUtaQ' },
    );
    expect(peer.errors()).toEqual([
      '2 UNKNOWN_TOPIC_OR_PARTITION',
      '3 OFFSET_OUT_OF_RANGE',
      '4 OFFSET_OUT_OF_RANGE',
      '5 UNKNOWN_TOPIC_ID',
    ]);
    expect(peer.pushes.find(({ streamId }) => streamId === 3)?.highWatermark).toBe(4);
    expect([peer.offsets(1), peer.offsets(6)]).toEqual([range(0, 4), range(0, 4)]);
    expect(peer.streams).toBe(2);
    scene.machine.clock.advance(1);
    scene.partition(2).unroute();
    scene.partition(0).retire();
    expect(peer.errors().slice(4)).toEqual(['6 NOT_LEADER_OR_FOLLOWER', '1 NOT_LEADER_OR_FOLLOWER']);
    expect([peer.streams, peer.subscription.streamCount]).toEqual([0, 0]);
    expect(scene.partitions.map(({ entry }) => entry.waiting.size)).toEqual([0, 0, 0]);
    // The number is free again, for those who must.
    peer.ended.delete(3);
    peer.begin({ id: 3, index: 1, offset: 3 });
    expect(peer.offsets(3)).toEqual([3]);
  });

  it('reports what cannot be read behind what can', () => {
    const scene = new PartitionScene();
    scene.partition().add(5);
    const file = present(
      scene.machine.disk.files().find((path) => /orders-0\/.*\.log$/.test(path)),
      'a segment',
    );
    scene.machine.disk.corrupt(file, 2 * BATCH_BYTES + 16);
    const peer = peerOf(scene);
    peer.begin({ id: 1 });
    expect(peer.offsets(1)).toEqual([0, 1]);
    expect(peer.errors()).toEqual(['1 CORRUPT_MESSAGE']);
    scene.machine.disk.failNext({ operation: 'read', times: 10 });
    peer.begin({ id: 2, offset: 4 });
    expect(peer.errors()[1]).toBe('2 KAFKA_STORAGE_ERROR');
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('sends nothing of a stream that was ended, and tells the new one apart', () => {
    const scene = new PartitionScene();
    scene.turns = [];
    scene.partition().add(30);
    const peer = peerOf(scene);
    peer.begin({ id: 1 });
    // A sealed segment is read on a helper thread; a seek comes meanwhile.
    scene.turns.shift()?.(() => {});
    expect(peer.pushes).toEqual([]);
    peer.end(1);
    peer.begin({ id: 2, offset: 25 });
    scene.machine.clock.advance(100);
    for (let turn = scene.turns.shift(); turn; turn = scene.turns.shift()) {
      turn(() => {});
      scene.machine.clock.advance(100);
    }
    expect(peer.offsets(1)).toEqual([]);
    expect(peer.offsets(2)).toEqual(range(25, 30));
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('waits for its partitions to be opened, and forgets streams that end before', () => {
    const scene = new PartitionScene();
    scene.routing = [];
    scene.partition(0).add(1);
    scene.partition(1).add(1);
    const peer = peerOf(scene);
    expect(peer.begin({ id: 1 }, { id: 2, index: 1 })).toBe(false);
    peer.end(2);
    for (const opened of scene.routing) opened();
    expect(peer.pushes.map(({ streamId }) => streamId)).toEqual([1]);
  });

  it('serves the partitions that are open while others are being opened', () => {
    const scene = new PartitionScene();
    scene.routing = [];
    scene.partition(0).add(1);
    scene.partition(1).add(1);
    const peer = peerOf(scene);
    peer.begin({ id: 1 }, { id: 2, index: 1 });
    scene.routing[1]?.();
    expect(peer.pushes.map(({ streamId }) => streamId)).toEqual([2]);
    scene.routing[0]?.();
    expect(peer.pushes.map(({ streamId }) => streamId)).toEqual([2, 1]);
  });

  it('waits for memory, and passes it on when it has no use for it any more', () => {
    const scene = new PartitionScene({ readBytes: 4 * CHUNK_BYTES });
    scene.partition().add(2);
    const held = Array.from({ length: 4 }, () => scene.readBuffer.acquire(1));
    const gone = Array.from({ length: 6 }, () => peerOf(scene));
    for (const peer of gone) peer.begin({ id: 1 });
    const peer = peerOf(scene);
    peer.begin({ id: 1 });
    expect(peer.pushes).toEqual([]);
    for (const { subscription } of gone) subscription.end();
    held[0]?.release();
    expect(peer.offsets(1)).toEqual([0, 1]);
    for (const run of held.slice(1)) run?.release();
    expect(gone.flatMap(({ pushes }) => pushes)).toEqual([]);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('leaves nothing behind at its end', () => {
    const scene = new PartitionScene();
    const peer = peerOf(scene);
    peer.begin({ id: 1 }, { id: 2, index: 1 });
    scene.partition(0).add(1);
    peer.subscription.end();
    scene.partition(0).add(1);
    peer.subscription.grant(1);
    scene.machine.clock.advance(1000);
    expect(peer.offsets(1)).toEqual([0]);
    expect([peer.streams, peer.subscription.streamCount]).toEqual([0, 0]);
    expect(scene.partitions.map(({ entry }) => entry.waiting.size)).toEqual([0, 0, 0]);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('sends every record once and in order, within the credit, whatever happens beside it', () => {
    withSeeds(8, (random) => {
      const scene = new PartitionScene({ readBytes: 12 * CHUNK_BYTES });
      const peers = [0, 1, 2].map(() => {
        const pushBytesMax = pick(random, [0, 50, 300, 2000]);
        const peer = peerOf(scene, { creditBytes: pick(random, [0, 1, 500, 5000]), pushBytesMax });
        peer.holds = chance(random, 1, 2);
        return { peer, streams: new Map<number, number>(), nextId: 1 };
      });
      /** Seeks to where the partition's stream stands, or back: it pauses, and goes on. */
      const restart = ({ peer, streams, nextId }: (typeof peers)[number], index: number): number => {
        const old = streams.get(index);
        const at = old === undefined ? 0 : (peer.expected.get(old) ?? 0);
        if (old !== undefined) peer.end(old);
        streams.set(index, nextId);
        peer.begin({ id: nextId, index, offset: chance(random, 1, 3) ? random.below(at + 1) : at });
        return nextId + 1;
      };
      const act = () => {
        const partition = scene.partition(random.below(PARTITIONS));
        const one = pick(random, peers);
        const behind = partition.log.logEndOffset - partition.highWatermark;
        pick(random, [
          () => partition.append(1 + random.below(3), { valueBytes: pick(random, [8, 8, 40, 700]) }),
          () => partition.publish(partition.highWatermark + random.below(behind + 1)),
          () => scene.machine.clock.advance(random.below(8)),
          () => one.peer.grant(pick(random, [1, 100, 1000, 10_000])),
          () => one.peer.take(),
          () => {
            one.nextId = restart(one, random.below(PARTITIONS));
          },
        ])();
      };
      for (let i = 0; i < 300; i++) act();
      for (const partition of scene.partitions) partition.publish();
      for (const one of peers) {
        for (let index = 0; index < PARTITIONS; index++) one.nextId = restart(one, index);
      }
      const isBehind = () =>
        peers.some(({ peer, streams }) =>
          [...streams].some(
            ([index, id]) => (peer.expected.get(id) ?? 0) < scene.partition(index).highWatermark,
          ),
        );
      for (let i = 0; isBehind(); i++) {
        if (i > 5000) throw new Error('the streams do not come to the end');
        for (const { peer } of peers) {
          peer.grant(5000);
          peer.take();
        }
        scene.machine.clock.advance(5);
      }
      for (const { peer } of peers) {
        expect(peer.errors()).toEqual([]);
        peer.take();
        peer.subscription.end();
      }
      scene.machine.clock.advance(1000);
      expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
      expect(scene.partitions.map(({ entry }) => entry.waiting.size)).toEqual([0, 0, 0]);
    });
  });
});
