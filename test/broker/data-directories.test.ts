import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.js';
import { type TopicId, toOffset, toPartitionIndex, toTopicId } from '../../src/base/ids.js';
import { SimulatedCrash } from '../../src/io/simulated-disk.js';
import { syncPartitionTopicId, writePartitionTopicId } from '../../src/log/partition-metadata.js';
import type { PartitionEvent } from '../../src/partition/messages.js';
import { SupervisorScene } from './supervisor-scene.js';

const OTHER_ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');

const open = (topic: string, partition = 0) =>
  ({ type: 'open-partition', topic, partition: toPartitionIndex(partition) }) as const;

/** A supervisor with two directories, and a topic with partitions in both. */
function sceneWithTwo(partitions = 4, settings: Readonly<Record<string, string>> = {}): SupervisorScene {
  const scene = new SupervisorScene({ settings });
  scene.directories = ['/a', '/b'];
  scene.start();
  scene.create('orders', partitions);
  for (const { directory, topicId } of scene.routes) makeFolder(scene, directory, topicId);
  return scene;
}

/** What a worker would have done. */
function makeFolder(scene: SupervisorScene, directory: string, topicId: TopicId): void {
  scene.disk.makeDirectory(directory);
  writePartitionTopicId(scene.disk, directory, topicId);
  scene.disk.syncDirectory(directory.slice(0, directory.lastIndexOf('/')), () => {});
  scene.settle();
}

const placesOf = (scene: SupervisorScene): string[] => scene.routes.map(({ directory }) => directory).sort();

const failed = (scene: SupervisorScene, partition: number, reason = 'EIO'): PartitionEvent => {
  const route = scene.routes.find((one) => one.partition === partition);
  if (!route) throw new Error('it is not open');
  return {
    type: 'offline',
    topic: route.topic,
    partition: route.partition,
    generation: route.generation,
    reason,
  };
};

describe('DataDirectories', () => {
  it('give a new partition to the directory with the fewest, and find those that exist', () => {
    const scene = sceneWithTwo(3);
    expect(placesOf(scene)).toEqual(['/a/orders-0', '/a/orders-2', '/b/orders-1']);
    scene.create('more', 1);
    expect(placesOf(scene)).toContain('/b/more-0');
    expect(scene.supervisor.directories.map(({ path, partitions }) => [path, partitions])).toEqual([
      ['/a', 2],
      ['/b', 2],
    ]);
    scene.directories = ['/a', '/c', '/b'];
    scene.restart('power');
    scene.ask(open('orders', 1));
    expect(placesOf(scene)).toContain('/b/orders-1');
    scene.create('last', 1);
    expect(placesOf(scene)).toContain('/c/last-0');
  });

  it('have internal topics in the first, however many there are in it', () => {
    const scene = sceneWithTwo(1);
    const topic = { name: '__inner', partitions: 3, replicationFactor: 1, overrides: {}, internal: true };
    scene.ask({ type: 'create-topic', topic, validateOnly: false });
    scene.tell(open('__inner', 2));
    scene.settle();
    expect(scene.supervisor.directories.map(({ partitions }) => partitions)).toEqual([2, 0]);
  });

  it('are marked as clean one by one', () => {
    const scene = sceneWithTwo();
    const [away] = scene.routes.filter(({ directory }) => directory.startsWith('/b'));
    scene.supervisor.workerTold(failed(scene, away?.partition ?? -1));
    scene.settle();
    expect(scene.ask({ type: 'stop' })).toMatchObject({ type: 'failed' });
    const marks = scene.disk.files().filter((path) => path.endsWith('.kafka_cleanshutdown'));
    expect(marks).toEqual(['/a/.kafka_cleanshutdown']);
  });

  it('do not make a partition anew, and empty, whose directory is not there', () => {
    const scene = sceneWithTwo(2);
    scene.directories = ['/a'];
    scene.restart('crash');
    const reply = scene.ask(open('orders', 1));
    expect(reply).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    expect(reply.type === 'failed' && reply.detail).toMatch(/is not among those of this broker/);
    for (let again = 0; again < 3; again++) scene.ask(open('orders', 1));
    const said = scene.logger.lines.filter(({ message }) => message === 'partition cannot be opened');
    expect(said).toHaveLength(1);
    expect(scene.ask(open('orders', 0))).toEqual({ type: 'done' });
    scene.directories = ['/a', '/b'];
    scene.restart('crash');
    expect(scene.ask(open('orders', 1))).toEqual({ type: 'done' });
    expect(placesOf(scene)).toContain('/b/orders-1');
  });

  it('are missed if partitions lie in one that is not named, or whose disk is not mounted', () => {
    const scene = sceneWithTwo(4);
    scene.disk.rename('/b', '/elsewhere', () => {});
    scene.settle();
    scene.restart('crash'); // With a new directory in its place.
    const [first, second, lost] = scene.supervisor.directories;
    expect([first, second]).toMatchObject([
      { path: '/a', offline: null },
      { path: '/b', offline: null },
    ]);
    expect(lost?.offline).toMatch(/is not among those of this broker/);
    const lines = scene.logger.lines.filter(({ message }) => message.startsWith('a data directory cannot'));
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'error',
        fields: expect.objectContaining({ directory: lost?.path, partitions: 2 }),
      }),
    ]);
    const reply = scene.ask(open('orders', 1));
    expect(reply.type === 'failed' && reply.detail).toContain(lost?.path);
    scene.directories = ['/a', '/elsewhere'];
    scene.restart('crash');
    expect(scene.supervisor.directories.map(({ offline }) => offline)).toEqual([null, null]);
    scene.disk.rename('/elsewhere/orders-1', '/a/orders-1', () => {});
    scene.disk.rename('/elsewhere/orders-3', '/a/orders-3', () => {});
    scene.settle();
    scene.directories = ['/a'];
    scene.restart('crash');
    expect(scene.supervisor.directories.map(({ offline }) => offline)).toEqual([null]);
  });

  it('are left out at the start if they cannot be read, but for the first', () => {
    const scene = sceneWithTwo(2);
    scene.disk.failNext({ operation: 'readFile', path: /^\/b\/meta/ });
    scene.restart('crash');
    expect(scene.logger.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        message: 'a data directory cannot be used, its partitions are offline',
        fields: expect.objectContaining({ directory: '/b' }),
      }),
    );
    expect(scene.supervisor.directories).toMatchObject([
      { path: '/a', offline: null },
      { path: '/b', offline: expect.stringContaining('EIO') },
    ]);
    expect(scene.ask(open('orders', 1))).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    scene.create('new', 2);
    expect(placesOf(scene).filter((path) => path.includes('new'))).toEqual(['/a/new-0', '/a/new-1']);
    scene.disk.failNext({ operation: 'readFile', path: /^\/a\/meta/ });
    expect(() => scene.restart('crash')).toThrow('EIO');
  });

  it('pass over the folder of a topic that was deleted while its directory was away', () => {
    const scene = sceneWithTwo(2);
    scene.directories = ['/a'];
    scene.restart('crash');
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    scene.directories = ['/a', '/b'];
    scene.restart('crash');
    scene.create('orders', 2);
    expect(placesOf(scene)).toEqual(['/a/orders-0', '/a/orders-1']);
  });
});

describe('A partition whose folder was moved to another directory', () => {
  const moved = { topic: 'orders', partition: toPartitionIndex(0) };
  const checkpointAt = (start: number) => ({
    ...moved,
    recoveryPoint: toOffset(100),
    logStartOffset: toOffset(start),
    firstDirtyOffset: toOffset(80),
  });

  /** What the folder's new place makes of it; then the log begins at the given offset. */
  function openMoved(scene: SupervisorScene, from: string, to: string, nextStart: number) {
    scene.disk.rename(`${from}/orders-0`, `${to}/orders-0`, () => {});
    scene.settle();
    scene.restart('crash');
    expect(scene.ask(open('orders', 0))).toEqual({ type: 'done' });
    const asked = [...scene.workers.values()].flatMap((worker) => worker.asked);
    const opened = asked.find((command) => command.type === 'open' && command.directory === `${to}/orders-0`);
    scene.supervisor.workerTold({ type: 'checkpoint', checkpoint: checkpointAt(nextStart) });
    scene.clock.advance(5000);
    return opened;
  }

  it('keeps its start and its recovery point, there and back', () => {
    const scene = sceneWithTwo(2);
    scene.supervisor.workerTold({ type: 'checkpoint', checkpoint: checkpointAt(50) });
    scene.clock.advance(5000);
    expect(openMoved(scene, '/a', '/b', 60)).toMatchObject({
      ...{ logStartOffset: 50, firstDirtyOffset: 80 },
      recovery: { type: 'from', recoveryPoint: 100 },
    });
    expect(openMoved(scene, '/b', '/a', 70)).toMatchObject({ logStartOffset: 60 });
  });

  it('keeps its start, wherever a crash comes', () => {
    const soon = { 'log.flush.offset.checkpoint.interval.ms': '10' };
    let operations = 1;
    for (let isOver = false; !isOver; operations += 2) {
      const scene = sceneWithTwo(2, soon);
      scene.supervisor.workerTold({ type: 'checkpoint', checkpoint: checkpointAt(50) });
      const topicId = present(scene.routes[0], 'a route').topicId;
      syncPartitionTopicId(scene.disk, '/a/orders-0', topicId, () => {});
      scene.settle();
      scene.disk.rename('/a/orders-0', '/b/orders-0', () => {});
      scene.settle();
      for (const path of ['/a', '/b', '/b/orders-0']) scene.disk.syncDirectory(path, () => {});
      scene.settle();
      scene.disk.crashProcess();
      scene.disk.crashIn(operations);
      scene.prepare = (worker) => worker.held.add('open');
      try {
        scene.start().tell(open('orders', 0));
        scene.settle();
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error;
      }
      isOver = !scene.disk.crashed;
      scene.restart('power');
      scene.tell(open('orders', 0));
      scene.settle();
      const asked = [...scene.workers.values()].flatMap((worker) => worker.asked);
      const opened = asked.find((command) => command.type === 'open' && command.directory === '/b/orders-0');
      expect(opened, `crash in operation ${operations}`).toMatchObject({ logStartOffset: 50 });
    }
    expect(operations).toBeGreaterThan(60);
  });

  it('is recovered if the stop of the old directory was not clean, whatever the new one says', () => {
    const scene = sceneWithTwo(2);
    scene.supervisor.workerTold({ type: 'checkpoint', checkpoint: checkpointAt(50) });
    scene.supervisor.workerTold(failed(scene, 0));
    scene.clock.advance(5000);
    scene.ask({ type: 'stop' });
    expect(openMoved(scene, '/a', '/b', 60)).toMatchObject({
      recovery: { type: 'from', recoveryPoint: 100 },
    });
  });
});

describe('A log that fails', () => {
  it('is offline for producers and readers until the next start, and alone', () => {
    const scene = sceneWithTwo();
    scene.supervisor.workerTold(failed(scene, 1, 'cannot write (EIO)'));
    scene.settle();
    expect(scene.events).toContainEqual(
      expect.objectContaining({ type: 'unrouted', partition: 1, error: 'KAFKA_STORAGE_ERROR' }),
    );
    expect(scene.routes.map(({ partition }) => partition).sort()).toEqual([0, 2, 3]);
    expect(scene.ask(open('orders', 1))).toMatchObject({
      type: 'failed',
      error: 'KAFKA_STORAGE_ERROR',
      detail: expect.stringContaining('stays closed until the broker is restarted: cannot write (EIO)'),
    });
    scene.clock.advance(60_000);
    expect(scene.supervisor.directories.every(({ offline }) => offline === null)).toBe(true);
    scene.restart('crash');
    expect(scene.ask(open('orders', 1))).toEqual({ type: 'done' });
  });

  it('stays offline when its worker dies, and goes when its topic is deleted', () => {
    const scene = sceneWithTwo();
    const worker = scene.routes.find(({ partition }) => partition === 1)?.worker ?? -1;
    scene.supervisor.workerTold(failed(scene, 1));
    scene.killWorker(worker);
    scene.settle();
    expect(scene.ask(open('orders', 1))).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' });
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    scene.create('orders', 4);
    expect(scene.ask(open('orders', 1))).toEqual({ type: 'done' });
  });

  it('that failed before it was wholly open is offline too', () => {
    const scene = sceneWithTwo(1);
    scene.prepare = (worker) => worker.held.add('open');
    scene.restart('crash');
    const reply = scene.tell(open('orders', 0));
    scene.settle();
    const [worker] = scene.workers.values();
    const asked = worker?.asked.find((command) => command.type === 'open');
    if (asked?.type !== 'open') throw new Error('nothing is opened');
    scene.supervisor.workerTold({
      ...{ type: 'offline', topic: 'orders', partition: asked.partition, reason: 'EIO' },
      generation: asked.generation,
    });
    worker?.answerHeld();
    scene.settle();
    expect(reply()).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    expect(scene.routes).toEqual([]);
  });
});

describe('A data directory that dies', () => {
  it('takes its partitions with it, after several checkpoints that it refused', () => {
    const scene = sceneWithTwo();
    scene.disk.failNext({ operation: 'write', path: /^\/b\/recovery/, times: 4 });
    scene.supervisor.workerTold(failed(scene, 1));
    scene.clock.advance(20_000);
    expect(scene.supervisor.directories).toMatchObject([{ offline: null }, { offline: null }]);
    scene.disk.failNext({ operation: 'write', path: /^\/b\//, times: 1000 });
    scene.supervisor.workerTold(failed(scene, 3));
    scene.clock.advance(20_000);
    expect(scene.supervisor.directories).toMatchObject([
      { offline: null },
      { offline: expect.stringContaining('EIO') },
    ]);
    expect(placesOf(scene)).toEqual(['/a/orders-0', '/a/orders-2']);
    expect(scene.ask(open('orders', 3))).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' });
    scene.create('new', 1);
    expect(placesOf(scene)).toContain('/a/new-0');
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
  });

  describe('with a folder of the name of a partition', () => {
    const dies = (scene: SupervisorScene, partition: number): void => {
      scene.disk.failNext({ operation: 'open', path: /^\/b\//, code: 'EROFS', times: 1000 });
      scene.supervisor.workerTold(failed(scene, partition));
      scene.settle();
      expect(scene.supervisor.directories[1]?.offline).toContain('EROFS');
    };
    const foldersIn = (scene: SupervisorScene, directory: string): string[] =>
      scene.disk.list(directory).filter((entry) => entry.startsWith('orders'));

    it('does not keep a new topic closed that has the name of one that was deleted since', () => {
      const scene = sceneWithTwo(2);
      scene.restart('crash');
      expect(scene.ask(open('orders', 1))).toEqual({ type: 'done' });
      dies(scene, 1);
      expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
      scene.create('orders', 2);
      expect(placesOf(scene)).toEqual(['/a/orders-0', '/a/orders-1']);
      expect(foldersIn(scene, '/b')).toEqual(['orders-1']);
      expect(scene.logger.lines.filter(({ message }) => message.includes('set aside'))).toEqual([]);
      for (const { directory, topicId } of scene.routes) makeFolder(scene, directory, topicId);
      // Once its disk is mended the folder is out of the way as any other.
      scene.disk.stopFailing();
      scene.restart('crash');
      expect(scene.ask(open('orders', 1))).toEqual({ type: 'done' });
      expect(placesOf(scene)).toContain('/a/orders-1');
      expect(foldersIn(scene, '/b')).toEqual([expect.stringMatching(/^orders-1\.[0-9a-f]{32}-stray$/)]);
    });

    /** Only the partitions of another topic are open when the directory dies. */
    const diesBefore = (prepare: (scene: SupervisorScene) => void, partitions: number): SupervisorScene => {
      const scene = sceneWithTwo(partitions);
      scene.create('open', 2);
      prepare(scene);
      scene.settle();
      // After a clean stop nothing is opened that nobody asks for.
      scene.ask({ type: 'stop' });
      scene.restart('crash');
      expect(scene.ask(open('open', 1))).toEqual({ type: 'done' });
      expect(placesOf(scene)).toEqual(['/a/open-0', '/b/open-1']);
      dies(scene, 1);
      return scene;
    };

    it('does not keep a partition closed that is where the metadata say', () => {
      const scene = diesBefore((before) => makeFolder(before, '/b/orders-0', OTHER_ID), 2);
      expect(scene.ask(open('orders', 0))).toEqual({ type: 'done' });
      expect(placesOf(scene)).toContain('/a/orders-0');
    });

    it('keeps one closed that may be there: it is not made anew, and empty', () => {
      // One was moved while the broker was stopped.
      const move = ({ disk }: SupervisorScene) => disk.rename('/a/orders-0', '/b/orders-0', () => {});
      const scene = diesBefore(move, 4);
      for (const partition of [0, 1, 3]) {
        expect(scene.ask(open('orders', partition))).toMatchObject({
          error: 'KAFKA_STORAGE_ERROR',
          detail: expect.stringContaining('/b is offline'),
        });
      }
      expect(scene.ask(open('orders', 2))).toEqual({ type: 'done' });
      expect(placesOf(scene)).toEqual(['/a/open-0', '/a/orders-2']);
    });
  });

  it('is dead at once where the file system turned read-only', () => {
    const scene = sceneWithTwo();
    scene.disk.failNext({ operation: 'open', path: /^\/b\/recovery/, code: 'EROFS' });
    scene.supervisor.workerTold(failed(scene, 1));
    scene.settle();
    expect(placesOf(scene)).toEqual(['/a/orders-0', '/a/orders-2']);
  });

  it('ends the broker if it is the first', () => {
    const scene = sceneWithTwo();
    scene.disk.failNext({ operation: 'write', path: /^\/a\/recovery/, times: 1000 });
    scene.supervisor.workerTold(failed(scene, 0));
    scene.clock.advance(20_000);
    expect(scene.events).toContainEqual({
      type: 'fatal',
      reason: expect.stringMatching(/The first data directory cannot be written: .*\/a.*mend the disk/),
    });
  });

  it('is noticed when it was taken away, before its folders are made anew', () => {
    const scene = sceneWithTwo();
    scene.create('later', 1);
    scene.disk.rename('/b', '/gone', () => {});
    scene.settle();
    const reply = scene.ask(open('orders', 1));
    expect(reply).toEqual({ type: 'done' }); // It is open already.
    scene.create('many', 3);
    expect(scene.disk.files().filter((path) => path.startsWith('/b/'))).toEqual([]);
    expect(scene.supervisor.directories).toMatchObject([
      { offline: null },
      { offline: expect.stringContaining('gone') },
    ]);
  });
});

describe('A full disk', () => {
  const isFull = (scene: SupervisorScene): boolean[] => scene.supervisor.directories.map(({ full }) => full);
  const lines = (scene: SupervisorScene): string[] =>
    scene.logger.lines.flatMap(({ message }) =>
      message.includes('disk of a data directory') ? [message] : [],
    );

  it('is told once when it begins and once when it ends', () => {
    const scene = sceneWithTwo();
    scene.disk.capacityBytes = 0;
    for (let i = 0; i < 3; i++)
      scene.supervisor.workerTold({ type: 'disk-full', directory: '/b', path: '/b/x', reason: 'full' });
    expect(isFull(scene)).toEqual([false, true]);
    scene.clock.advance(10_000);
    expect(scene.events).toContainEqual({ type: 'disk-room', directory: '/b', full: true });
    expect(lines(scene)).toEqual(['the disk of a data directory is full']);
    scene.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    scene.clock.advance(1000);
    expect(isFull(scene)).toEqual([false, false]);
    expect(scene.events).toContainEqual({ type: 'disk-room', directory: '/b', full: false });
    expect(lines(scene)).toEqual([
      'the disk of a data directory is full',
      'the disk of a data directory has room again',
    ]);
  });

  it('lets topics be deleted and logs begin later, by the reserve', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1);
    scene.create('old', 1);
    scene.clock.advance(5000);
    expect(scene.disk.contents('/data/.odradek-reserve').length).toBe(4 * 1024 * 1024);
    scene.disk.capacityBytes = scene.disk.usedBytes;
    expect(scene.ask({ type: 'delete-topic', name: 'old' })).toEqual({ type: 'done' });
    const beforeOffset = null;
    const partition = toPartitionIndex(0);
    expect(scene.ask({ type: 'delete-records', topic: 'orders', partition, beforeOffset })).toMatchObject({
      type: 'records-deleted',
    });
    scene.restart('power');
    expect(scene.topics).toEqual(['orders']);
    expect(scene.ask(open('orders', 0))).toEqual({ type: 'done' });
    scene.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    scene.clock.advance(31_000);
    expect(scene.disk.contents('/data/.odradek-reserve').length).toBe(4 * 1024 * 1024);
  });

  it('refuses a change that finds no room at all, and leaves nothing of it', () => {
    const scene = new SupervisorScene().start();
    scene.disk.capacityBytes = 0;
    expect(scene.create('orders')).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    expect(scene.topics).toEqual([]);
    scene.clock.advance(10_000);
    scene.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    expect(scene.create('orders').type).toBe('topic');
    scene.restart('power');
    expect(scene.topics).toEqual(['orders']);
  });
});
