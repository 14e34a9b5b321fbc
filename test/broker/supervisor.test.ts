import { describe, expect, it } from 'vitest';
import { toOffset, toPartitionIndex } from '../../src/base/ids.js';
import type { Random } from '../../src/base/random.js';
import type { SupervisorCommand } from '../../src/broker/messages.js';
import type { OpenPartition, PartitionCommand } from '../../src/partition/messages.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';
import { type ScriptedWorker, SupervisorScene } from './supervisor-scene.js';

const open = (topic: string, partition = 0) =>
  ({ type: 'open-partition', topic, partition: toPartitionIndex(partition) }) as const;

const opens = (worker: ScriptedWorker): OpenPartition[] =>
  worker.asked.filter((command): command is OpenPartition => command.type === 'open');

describe('SupervisorActor: topics', () => {
  it('creates a topic, opens its partitions and tells the router', () => {
    const scene = new SupervisorScene().start();
    const reply = scene.create('orders', 3);
    expect(reply.type).toBe('topic');
    if (reply.type !== 'topic') return;
    expect(reply.topic.partitions.map(({ leader, leaderEpoch }) => [leader, leaderEpoch])).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    expect(reply.topic.topicId).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(scene.topics).toEqual(['orders']);
    expect(scene.routes.map(({ partition, leaderEpoch }) => [partition, leaderEpoch]).sort()).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(new Set(scene.routes.map(({ worker }) => worker)).size).toBe(2);
    expect(scene.routes.every(({ topicId }) => topicId === reply.topic.topicId)).toBe(true);
    expect(scene.routes.map(({ directory }) => directory).sort()).toEqual([
      '/data/orders-0',
      '/data/orders-1',
      '/data/orders-2',
    ]);
  });

  it('uses the defaults of the broker where the request says 0', () => {
    const scene = new SupervisorScene({ settings: { 'num.partitions': '4' } }).start();
    const reply = scene.create('orders', 0);
    expect(reply.type === 'topic' && reply.topic.partitions.length).toBe(4);
  });

  it('gives the overrides of a topic to its logs', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1, { 'segment.bytes': '2000000' });
    const [command] = [0, 1].flatMap((index) => (scene.workers.has(index) ? opens(scene.worker(index)) : []));
    expect(command?.config.segmentBytes).toBe(2_000_000);
  });

  it('only checks when it is asked to', () => {
    const scene = new SupervisorScene().start();
    const topic = { name: 'orders', partitions: 2, replicationFactor: 1, overrides: {} };
    const reply = scene.ask({ type: 'create-topic', topic, validateOnly: true });
    expect(reply.type === 'topic' && reply.topic.partitions.length).toBe(2);
    expect(scene.topics).toEqual([]);
    expect(scene.ask(open('orders'))).toMatchObject({ type: 'failed', error: 'UNKNOWN_TOPIC_OR_PARTITION' });
  });

  it('refuses what cannot be, and says why', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders');
    const refused = (changes: object) => {
      const topic = { name: 'new', partitions: 1, replicationFactor: 1, overrides: {}, ...changes };
      return scene.ask({ type: 'create-topic', topic, validateOnly: false });
    };
    expect(refused({ name: 'a b' })).toMatchObject({ type: 'failed', error: 'INVALID_TOPIC_EXCEPTION' });
    expect(refused({ name: 'orders' })).toMatchObject({ type: 'failed', error: 'TOPIC_ALREADY_EXISTS' });
    expect(refused({ partitions: 40_000 })).toMatchObject({ type: 'failed', error: 'INVALID_PARTITIONS' });
    expect(refused({ replicationFactor: 3 })).toMatchObject({
      type: 'failed',
      error: 'INVALID_REPLICATION_FACTOR',
    });
    expect(refused({ overrides: { 'segment.byte': '1' } })).toMatchObject({
      type: 'failed',
      error: 'INVALID_CONFIG',
    });
    expect(scene.topics).toEqual(['orders']);
  });

  it('creates a topic once of two requests at the same time', () => {
    const scene = new SupervisorScene().start();
    const topic = { name: 'orders', partitions: 1, replicationFactor: 1, overrides: {} };
    const replies = [1, 2].map(() => scene.tell({ type: 'create-topic', topic, validateOnly: false }));
    scene.settle();
    expect(replies.map((reply) => reply()?.type)).toEqual(['topic', 'failed']);
    expect(replies[1]?.()).toMatchObject({ error: 'TOPIC_ALREADY_EXISTS' });
  });

  it('fails a creation that cannot be written, and leaves nothing behind', () => {
    const scene = new SupervisorScene().start();
    scene.disk.failNext({ operation: 'write', path: /__odradek_metadata/, code: 'ENOSPC' });
    expect(scene.create('orders')).toMatchObject({
      type: 'failed',
      error: 'KAFKA_STORAGE_ERROR',
      detail: expect.stringContaining('The disk of the metadata is full; free some space and try again'),
    });
    expect(scene.topics).toEqual([]);
    expect(scene.create('orders').type).toBe('topic');
  });

  it('deletes a topic: the workers let go, folders and metadata are gone, the name is free again', () => {
    const scene = new SupervisorScene().start();
    const created = scene.create('orders', 3);
    scene.disk.makeDirectory('/data/orders-0');
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    expect(scene.topics).toEqual([]);
    expect(scene.routes).toEqual([]);
    const deleted = [0, 1].flatMap((index) =>
      scene.worker(index).asked.filter(({ type }) => type === 'delete'),
    );
    expect(deleted.length).toBe(3);
    const again = scene.create('orders', 3);
    expect(
      again.type === 'topic' && created.type === 'topic' && again.topic.topicId !== created.topic.topicId,
    ).toBe(true);
    scene.restart('power');
    expect(scene.topics).toEqual(['orders']);
  });

  it('does not know the topic any more in a second deletion', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders');
    scene.ask({ type: 'delete-topic', name: 'orders' });
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toMatchObject({
      error: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('refuses to create a topic whose old folders are not gone yet', () => {
    const scene = new SupervisorScene().start();
    scene.prepare = (worker) => worker.held.add('delete');
    scene.create('orders');
    const deletion = scene.tell({ type: 'delete-topic', name: 'orders' });
    scene.settle();
    expect(deletion()).toBeNull();
    expect(scene.create('orders')).toMatchObject({ type: 'failed', error: 'TOPIC_ALREADY_EXISTS' });
    for (const worker of scene.workers.values()) worker.answerHeld();
    scene.settle();
    expect(deletion()).toEqual({ type: 'done' });
    expect(scene.create('orders').type).toBe('topic');
  });

  it('goes on with a deletion that a crash cut short', () => {
    const scene = new SupervisorScene().start();
    const created = scene.create('orders');
    scene.disk.makeDirectory('/data/orders-0');
    const id = created.type === 'topic' ? created.topic.topicId : '';
    const metadata = `version: 0\ntopic_id: ${id}\n`;
    const file = scene.disk.open('/data/orders-0/partition.metadata', 'write');
    scene.disk.write(file, 0, [Buffer.from(metadata)]);
    scene.disk.close(file);
    for (const worker of scene.workers.values()) worker.held.add('delete');
    scene.tell({ type: 'delete-topic', name: 'orders' });
    scene.settle();
    scene.restart('crash');
    scene.clock.advance(5000);
    expect(scene.topics).toEqual([]);
    expect(scene.disk.files().filter((path) => path.startsWith('/data/orders-0'))).toEqual([]);
    expect(scene.create('orders').type).toBe('topic');
  });

  it('leaves no epochs of a topic behind that was deleted while it was being opened', () => {
    const scene = new SupervisorScene().start();
    const topic = { name: 'orders', partitions: 300, replicationFactor: 1, overrides: {} };
    const created = scene.tell({ type: 'create-topic', topic, validateOnly: false });
    scene.clock.runUntil(() => created() !== null);
    // Epochs are being written when the topic is deleted, and others are asked for until it is gone.
    scene.tell(open('orders', 1));
    const deletion = scene.tell({ type: 'delete-topic', name: 'orders' });
    for (let index = 2; !deletion() && scene.clock.runNext(); index++) scene.tell(open('orders', index % 70));
    scene.settle();
    expect(deletion()).toEqual({ type: 'done' });
    expect(scene.create('other', 2).type).toBe('topic');
    expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
    const keys = scene.metadataKeys().map((key) => key.replace(/[A-Za-z0-9_-]{22}/, 'ID'));
    expect(keys).toEqual(['partitions/ID/0', 'partitions/ID/1', 'topics/other']);
  });

  it('describes the partitions that are open', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 2);
    const described = scene.ask({ type: 'describe-topic', name: 'orders' });
    expect(described.type === 'sizes' && described.sizes.map(({ error }) => error)).toEqual(['NONE', 'NONE']);
    expect(described.type === 'sizes' && described.sizes.every(({ sizeBytes }) => sizeBytes >= 100)).toBe(
      true,
    );
    expect(scene.ask({ type: 'describe-topic', name: 'none' })).toMatchObject({
      error: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    for (const worker of scene.workers.values())
      worker.fail = ({ type }) => (type === 'describe' ? 'sick' : null);
    const failed = scene.ask({ type: 'describe-topic', name: 'orders' });
    expect(failed.type === 'sizes' && failed.sizes.map(({ error }) => error)).toEqual([
      'KAFKA_STORAGE_ERROR',
      'KAFKA_STORAGE_ERROR',
    ]);
  });
});

describe('SupervisorActor: opening', () => {
  it('knows its topics after a restart, and opens a partition when it is first used, then the others of its topic', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 2);
    scene.ask({ type: 'stop' });
    scene.restart('power');
    expect(scene.clean).toBe(true);
    expect(scene.topics).toEqual(['orders']);
    expect(scene.routes).toEqual([]);
    expect(scene.ask(open('orders', 1))).toEqual({ type: 'done' });
    expect(scene.routes.map(({ partition, leaderEpoch }) => [partition, leaderEpoch])).toEqual([
      [1, 1],
      [0, 1],
    ]);
    expect(scene.ask(open('orders', 1))).toEqual({ type: 'done' });
    expect(scene.routes.length).toBe(2);
    expect(scene.ask(open('orders', 2))).toMatchObject({
      type: 'failed',
      error: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('raises the leader epoch at each start of a leader, also when the opening fails', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders');
    let last = scene.routes[0]?.leaderEpoch ?? -1;
    expect(last).toBe(0);
    for (const how of ['crash', 'power', 'crash'] as const) {
      scene.restart(how);
      for (const worker of scene.workers.values()) worker.fail = () => null;
      expect(scene.ask(open('orders'))).toEqual({ type: 'done' });
      const epoch = scene.routes[0]?.leaderEpoch ?? -1;
      expect(epoch).toBeGreaterThan(last);
      last = epoch;
    }
    scene.prepare = (worker) => {
      worker.fail = ({ type }) => (type === 'open' ? 'the disk is gone' : null);
    };
    scene.restart('crash');
    expect(scene.ask(open('orders'))).toEqual({
      type: 'failed',
      error: 'KAFKA_STORAGE_ERROR',
      detail: 'the disk is gone',
    });
    for (const worker of scene.workers.values()) worker.fail = () => null;
    expect(scene.ask(open('orders'))).toEqual({ type: 'done' });
    expect(scene.routes[0]?.leaderEpoch).toBeGreaterThan(last + 1);
  });

  it('answers all who asked for the same partition', () => {
    const scene = new SupervisorScene().start();
    scene.prepare = (worker) => worker.held.add('open');
    scene.create('orders');
    const replies = [1, 2, 3].map(() => scene.tell(open('orders')));
    scene.settle();
    expect(replies.map((reply) => reply())).toEqual([null, null, null]);
    for (const worker of scene.workers.values()) worker.answerHeld();
    scene.settle();
    expect(replies.map((reply) => reply())).toEqual([{ type: 'done' }, { type: 'done' }, { type: 'done' }]);
    expect(scene.routes.length).toBe(1);
  });

  it('waits for a worker that takes its time to start', () => {
    const scene = new SupervisorScene().start();
    scene.startWorkers = false;
    scene.create('orders');
    const reply = scene.tell(open('orders'));
    scene.settle();
    expect(reply()).toBeNull();
    const wanted = scene.events.flatMap((event) => (event.type === 'start-worker' ? [event.worker] : []));
    expect(wanted.length).toBe(1);
    scene.startWorkers = true;
    scene.supervisor.workerExited(wanted[0] ?? 0, 'it did not start');
    scene.settle();
    expect(reply()).toMatchObject({ type: 'done' });
  });

  it('fails an opening whose epoch cannot be written', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders');
    scene.restart('crash');
    scene.disk.failNext({ operation: 'write', path: /__odradek_metadata/, code: 'ENOSPC', times: 100 });
    expect(scene.ask(open('orders'))).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    expect(scene.routes).toEqual([]);
    scene.disk.stopFailing();
    expect(scene.ask(open('orders'))).toEqual({ type: 'done' });
  });

  it('deletes a topic that is being opened, and says so to those who wait', () => {
    const scene = new SupervisorScene().start();
    scene.prepare = (worker) => worker.held.add('open').add('delete');
    scene.create('orders');
    const opening = scene.tell(open('orders'));
    scene.settle();
    const deletion = scene.tell({ type: 'delete-topic', name: 'orders' });
    scene.settle();
    expect(opening()).toMatchObject({ type: 'failed', error: 'UNKNOWN_TOPIC_OR_PARTITION' });
    // The worker opens the log first, then deletes it, however long that takes.
    scene.clock.advance(60_000);
    expect(deletion()).toBeNull();
    for (const worker of scene.workers.values()) worker.answerHeld();
    scene.settle();
    expect(deletion()).toEqual({ type: 'done' });
    expect(scene.routes).toEqual([]);
    expect(scene.create('orders').type).toBe('topic');
  });

  it('opens logs in the background when the last stop was not clean, as many at a time as can be scanned', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 5);
    for (let i = 0; i < 5; i++) scene.disk.makeDirectory(`/data/orders-${i}`);
    scene.disk.syncDirectory('/data', () => {});
    scene.settle();
    scene.prepare = (worker) => worker.held.add('open');
    scene.restart('crash');
    const opened = () => [...scene.workers.values()].flatMap(opens);
    expect(opened().map(({ recovery }) => recovery)).toEqual([
      { type: 'from', recoveryPoint: 0 },
      { type: 'from', recoveryPoint: 0 },
    ]);
    for (const count of [4, 5]) {
      for (const worker of scene.workers.values()) worker.answerHeld();
      scene.settle();
      expect(opened().length).toBe(count);
    }
    // Before all are recovered a stop is not clean, and the next start recovers again.
    expect(scene.ask({ type: 'stop' }).type).toBe('failed');
  });

  it('opens what nobody used after a while, for retention', () => {
    const scene = new SupervisorScene({ settings: { 'log.retention.check.interval.ms': '10000' } }).start();
    scene.create('orders', 2);
    for (let i = 0; i < 2; i++) scene.disk.makeDirectory(`/data/orders-${i}`);
    scene.disk.syncDirectory('/data', () => {});
    scene.settle();
    expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
    scene.restart('power');
    expect(scene.routes).toEqual([]);
    scene.clock.advance(11_000);
    expect(scene.routes.length).toBe(2);
  });

  it('passes thousands of partitions over that were opened or deleted meanwhile', () => {
    const partitions = 10_000;
    const scene = new SupervisorScene().start();
    expect(scene.create('orders', partitions).type).toBe('topic');
    for (let i = 0; i < partitions; i++) scene.disk.makeDirectory(`/data/orders-${i}`);
    scene.disk.syncDirectory('/data', () => {});
    scene.settle();
    scene.prepare = (worker) => worker.held.add('open');
    scene.restart('crash');
    // The first is being opened; the topic goes before it is its turn.
    const deletion = scene.tell({ type: 'delete-topic', name: 'orders' });
    scene.settle();
    for (const worker of scene.workers.values()) {
      worker.held.clear();
      worker.answerHeld();
    }
    // So many folders take a while to remove.
    scene.clock.advance(60_000);
    expect(deletion()).toEqual({ type: 'done' });
    expect(scene.topics).toEqual([]);
  });
});

describe('SupervisorActor: workers that die', () => {
  it('opens the partitions of a dead worker again, each with a new epoch and a new generation', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 4);
    const before = new Map(scene.routes.map((route) => [route.partition, route]));
    const lost = scene.routes.filter(({ worker }) => worker === 0).map(({ partition }) => partition);
    expect(lost.length).toBe(2);
    scene.published = { type: 'worker-died', segmentBaseOffset: toOffset(5), bytes: 500 };
    scene.killWorker(0);
    expect(scene.routes.map(({ partition }) => partition).sort()).toEqual(
      [0, 1, 2, 3].filter((index) => !lost.includes(toPartitionIndex(index))),
    );
    scene.settle();
    expect(scene.routes.length).toBe(4);
    for (const route of scene.routes) {
      const old = before.get(route.partition);
      const again = lost.includes(route.partition);
      expect(route.leaderEpoch - (old?.leaderEpoch ?? 0)).toBe(again ? 1 : 0);
      expect(route.generation !== old?.generation).toBe(again);
    }
    expect(opens(scene.worker(0)).every(({ recovery }) => recovery.type === 'worker-died')).toBe(true);
  });

  it('verifies all that is not durable when it cannot be known what a dead worker had published', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders');
    expect(scene.clean).toBe(true);
    const index = scene.routes[0]?.worker ?? 0;
    const partition = toPartitionIndex(0);
    scene.supervisor.workerTold({
      type: 'checkpoint',
      checkpoint: {
        topic: 'orders',
        partition,
        recoveryPoint: toOffset(77),
        logStartOffset: toOffset(3),
        firstDirtyOffset: toOffset(50),
      },
    });
    scene.published = null;
    scene.killWorker(index);
    scene.settle();
    const [command] = [...scene.workers.values()].flatMap(opens).slice(-1);
    expect(command?.recovery).toEqual({ type: 'from', recoveryPoint: 77 });
    expect(command?.logStartOffset).toBe(3);
    expect(command?.firstDirtyOffset).toBe(50);
  });

  it('gives a partition up whose worker dies while it opens it; the next who asks has it opened', () => {
    const scene = new SupervisorScene().start();
    scene.prepare = (worker) => worker.held.add('open');
    scene.create('orders');
    const reply = scene.tell(open('orders'));
    scene.settle();
    const [index = 0] = [...scene.workers.keys()];
    scene.prepare = () => {};
    scene.killWorker(index);
    scene.settle();
    expect(reply()).toMatchObject({ type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(scene.ask(open('orders'))).toEqual({ type: 'done' });
    expect(scene.routes.length).toBe(1);
  });

  it.each(['before', 'after'] as const)(
    'does not open a partition again that is being deleted when its worker dies, %s the deletion fails there',
    (asksFail) => {
      const scene = new SupervisorScene().start();
      scene.create('orders', 4);
      for (const worker of scene.workers.values()) worker.held.add('delete');
      const deletion = scene.tell({ type: 'delete-topic', name: 'orders' });
      scene.settle();
      for (const index of [0, 1]) scene.killWorker(index, asksFail);
      scene.settle();
      expect(deletion()).toEqual({ type: 'done' });
      expect(scene.routes).toEqual([]);
      expect(scene.events.filter(({ type }) => type === 'start-worker').length).toBe(2);
      expect(scene.create('orders', 2).type).toBe('topic');
      scene.settle();
      // The slots that the deleted topic had are used again.
      expect(scene.routes.every(({ slot }) => slot < 2)).toBe(true);
    },
  );

  it('gives the broker up when a worker dies more than ten times within a minute', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders');
    const fatal = () => scene.events.filter((event) => event.type === 'fatal');
    for (let death = 1; death <= 10; death++) {
      scene.killWorker(scene.routes[0]?.worker ?? 0);
      scene.settle();
      expect(fatal()).toEqual([]);
      expect(scene.routes.length).toBe(1);
    }
    const [index = 0] = scene.routes.map(({ worker }) => worker);
    // Both may have died in turn: it is the deaths of one that count.
    for (let death = 0; death < 11 && fatal().length === 0; death++) {
      if (scene.workers.has(index)) scene.killWorker(index);
      scene.create(`more-${death}`, 2);
      scene.settle();
    }
    expect(fatal().length).toBe(1);
    expect(fatal()[0]).toMatchObject({
      reason: expect.stringContaining('died 11 times within a minute: killed'),
    });
  });

  it('goes on for ever when a worker dies now and then', () => {
    const scene = new SupervisorScene({ settings: { 'odradek.workers': '1' } }).start();
    scene.create('orders');
    for (let death = 0; death < 40; death++) {
      scene.clock.advance(7000);
      scene.killWorker(0);
      scene.settle();
    }
    expect(scene.events.some(({ type }) => type === 'fatal')).toBe(false);
    expect(scene.routes.length).toBe(1);
  });
});

describe('SupervisorActor: stop', () => {
  it('drains the workers and marks the directory clean', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 2);
    expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
    for (const worker of scene.workers.values()) expect(worker.asked.at(-1)).toEqual({ type: 'drain' });
    expect(scene.disk.files()).toContain('/data/.kafka_cleanshutdown');
    expect(scene.ask(open('orders'))).toMatchObject({ type: 'failed', error: 'THROTTLING_QUOTA_EXCEEDED' });
    const { clusterId } = scene;
    scene.restart('power');
    expect(scene.clean).toBe(true);
    expect(scene.clusterId).toBe(clusterId);
    expect(scene.disk.files()).not.toContain('/data/.kafka_cleanshutdown');
  });

  it('is clean however long the workers flush', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 2);
    for (const worker of scene.workers.values()) worker.held.add('drain');
    const stopped = scene.tell({ type: 'stop' });
    scene.clock.advance(8 * 60_000);
    expect(stopped()).toBeNull();
    for (const worker of scene.workers.values()) worker.answerHeld();
    scene.settle();
    expect(stopped()).toEqual({ type: 'done' });
  });

  it('leaves no mark when a worker could not flush, or dies meanwhile', () => {
    for (const how of ['fails', 'dies'] as const) {
      const scene = new SupervisorScene().start();
      scene.create('orders');
      const [worker] = scene.workers.values();
      if (!worker) throw new Error('no worker');
      if (how === 'fails') worker.fail = ({ type }) => (type === 'drain' ? 'EIO' : null);
      else worker.held.add('drain');
      const reply = scene.tell({ type: 'stop' });
      scene.settle();
      if (how === 'dies') scene.killWorker(worker.index);
      scene.settle();
      expect(reply()).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
      expect(scene.disk.files()).not.toContain('/data/.kafka_cleanshutdown');
    }
  });

  it('opens nothing any more, whatever was under way', () => {
    withSeeds(60, (random) => {
      const scene = new SupervisorScene({ seed: random.uint32() }).start();
      const topic = { name: 'orders', partitions: 1 + random.below(5), replicationFactor: 1, overrides: {} };
      scene.tell({ type: 'create-topic', topic, validateOnly: false });
      for (let steps = random.below(60); steps > 0; steps--) scene.clock.runNext();
      const deletes = chance(random, 1, 2);
      if (deletes) scene.tell({ type: 'delete-topic', name: 'orders' });
      for (let steps = random.below(30); steps > 0; steps--) scene.clock.runNext();
      const reply = scene.tell({ type: 'stop' });
      const asked = () =>
        [...scene.workers.values()].map(
          (worker) => worker.asked.filter(({ type }) => type === 'open').length,
        );
      const before = asked().reduce((sum, count) => sum + count, 0);
      scene.clock.advance(60_000);
      expect(reply()).not.toBeNull();
      expect(asked().reduce((sum, count) => sum + count, 0)).toBe(before);
    });
  });
});

describe('SupervisorActor, whatever happens', () => {
  it('answers every command once, serves what there is, and forgets no topic that it confirmed', () => {
    withSeeds(150, (random) => {
      const scene = new SupervisorScene({ seed: random.uint32() }).start();
      scene.prepare = (worker) => {
        if (chance(random, 1, 3)) worker.held.add(pick(random, ['open', 'delete'] as const));
      };
      const names = ['a', 'b', 'c'];
      const confirmed = new Map<string, string>();
      const unanswered = new Set<() => unknown>();
      const finish = (
        name: string,
        kind: 'create' | 'delete' | 'change',
        reply: ReturnType<SupervisorScene['tell']>,
      ) => {
        const check = () => {
          const result = reply();
          if (!result) return;
          unanswered.delete(check);
          if (kind === 'create' && result.type === 'topic') confirmed.set(name, result.topic.topicId);
          if (kind === 'delete' && result.type === 'done') confirmed.delete(name);
        };
        unanswered.add(check);
      };
      for (let step = 0; step < 60; step++) {
        const name = pick(random, names);
        const action = random.below(13);
        if (action < 3) {
          const topic = { name, partitions: 1 + random.below(3), replicationFactor: 1, overrides: {} };
          finish(name, 'create', scene.tell({ type: 'create-topic', topic, validateOnly: false }));
        } else if (action < 5) finish(name, 'delete', scene.tell({ type: 'delete-topic', name }));
        else if (action < 7) scene.tell(open(name, random.below(3)));
        else if (action === 7 && scene.workers.size > 0 && chance(random, 1, 2)) {
          scene.killWorker(
            pick(random, [...scene.workers.keys()]),
            pick(random, ['before', 'after'] as const),
          );
        } else if (action === 8 && chance(random, 1, 4)) {
          letGo(scene);
          scene.clock.advance(5000);
          for (const check of [...unanswered]) check();
          expect(unanswered.size).toBe(0);
          scene.restart(pick(random, ['crash', 'power']));
        } else if (action === 9 && chance(random, 1, 2)) {
          for (const worker of scene.workers.values()) worker.answerHeld();
        } else if (action > 9) finish(name, 'change', scene.tell(drawChange(random, name)));
        else scene.clock.advance(random.below(20));
        for (const check of [...unanswered]) check();
        if (step % 10 === 9) scene.clock.advance(10_000);
      }
      letGo(scene);
      scene.clock.advance(60_000);
      for (const check of [...unanswered]) check();
      expect(unanswered.size).toBe(0);
      expect(scene.topics).toEqual([...confirmed.keys()].sort());
      for (const [name, id] of confirmed) {
        expect(scene.ask(open(name))).toEqual({ type: 'done' });
        expect(scene.routes.find((route) => route.topic === name && route.partition === 0)?.topicId).toBe(id);
      }
      // No slot is lost or given twice.
      const places = scene.routes.map(({ worker, slot }) => `${worker}/${slot}`);
      expect(new Set(places).size).toBe(places.length);
      checkWorkers(scene);
    });
  });
});

/** A command that changes a topic. */
function drawChange(random: Random, name: string): SupervisorCommand {
  switch (random.below(3)) {
    case 0: {
      const changes = [
        { name: 'retention.ms', operation: 'set', value: String(random.below(100_000)) },
      ] as const;
      return { type: 'alter-topic', name, changes, replaces: chance(random, 1, 2), validateOnly: false };
    }
    case 1:
      return { type: 'add-partitions', name, count: 1 + random.below(6), validateOnly: false };
    default: {
      const partition = toPartitionIndex(random.below(3));
      return { type: 'delete-records', topic: name, partition, beforeOffset: toOffset(random.below(10)) };
    }
  }
}

/** From now on every worker answers. */
function letGo(scene: SupervisorScene): void {
  scene.prepare = () => {};
  for (const worker of scene.workers.values()) {
    worker.held.clear();
    worker.answerHeld();
  }
}

/** Replays what each worker was asked: a slot is opened only when it is free. */
function checkWorkers(scene: SupervisorScene): void {
  for (const worker of scene.workers.values()) {
    const taken = new Set<number>();
    for (const command of worker.asked as readonly PartitionCommand[]) {
      if (command.type === 'open') {
        if (taken.has(command.slot)) throw new Error(`slot ${command.slot} is opened twice`);
        taken.add(command.slot);
      } else if (command.type === 'delete' || command.type === 'close') taken.delete(command.slot);
    }
  }
}
