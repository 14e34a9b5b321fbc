// Folders that bear the name of a partition and are another topic's: with real logs, and losses of power that take the marks away.
import { describe, expect, it } from 'vitest';
import { type TopicId, toOffset, toPartitionIndex, toTopicId } from '../../src/base/ids.js';
import { SimulatedCrash } from '../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../src/io/simulated-jobs.js';
import { Log } from '../../src/log/log.js';
import { openLog } from '../../src/log/open-log.js';
import { writePartitionTopicId } from '../../src/log/partition-metadata.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { batches, CONFIG } from '../log/log-fixture.js';
import { SupervisorScene } from './supervisor-scene.js';

const OLD_ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
const OLD_DIGITS = Buffer.from(OLD_ID, 'base64url').toString('hex');
const NO_DIGITS = '0'.repeat(32);
const FIRST_SEGMENT = '00000000000000000000.log';
const SET_ASIDE = 'a folder was set aside: it is not of the topic whose name it bears';

const open = (partition: number) =>
  ({ type: 'open-partition', topic: 'orders', partition: toPartitionIndex(partition) }) as const;

/** Starts without a loss, but for what the process had in mind. */
function startWith(scene: SupervisorScene, ...directories: string[]): SupervisorScene {
  scene.directories = directories;
  return scene.restart('crash');
}

function openReal(scene: SupervisorScene, options: Parameters<typeof openLog>[0]): Log {
  const opened: (Log | Error)[] = [];
  openLog(options, (log) => opened.push(log));
  scene.clock.runUntil(() => opened.length > 0);
  const [log] = opened;
  if (!(log instanceof Log)) throw log;
  return log;
}

const portsOf = ({ disk, clock, random, logger }: SupervisorScene) => ({
  ...{ disk, clock, random, logger, config: CONFIG },
  jobs: new SimulatedJobs({ random, scheduler: clock, disk, functions: jobFunctions }),
});

/** The log that the worker was told to open last, as it would open it. */
function openAsTold(scene: SupervisorScene, partition: number): Log {
  const asked = [...scene.workers.values()].flatMap((worker) => worker.asked);
  const command = asked.findLast((one) => one.type === 'open' && one.partition === partition);
  if (command?.type !== 'open') throw new Error('it was not opened');
  return openReal(scene, { ...command, ...portsOf(scene) });
}

/** A folder with three batches of a topic that the broker does not know, all of it on the disk; null: it says no topic's id. */
function plantFolder(scene: SupervisorScene, directory: string, topicId: TopicId | null): void {
  const log = openReal(scene, {
    ...{ directory, topicId: topicId ?? OLD_ID, topic: 'orders', partition: toPartitionIndex(0) },
    ...{ recovery: { type: 'clean' }, logStartOffset: toOffset(0), firstDirtyOffset: toOffset(0) },
    ...portsOf(scene),
  });
  log.append(batches(0, 3));
  log.close(() => {});
  scene.clock.advance(5000);
  if (topicId === null) scene.disk.remove(`${directory}/partition.metadata`, () => {});
  scene.settle();
  scene.disk.syncDirectory(directory, () => {});
  scene.settle();
}

const wholeSegment = Buffer.concat(batches(0, 3).map(({ bytes }) => bytes));

/** The folders with all that was planted. */
const foldersWithBatches = ({ disk }: SupervisorScene): string[] =>
  disk
    .files()
    .filter((path) => path.endsWith(FIRST_SEGMENT) && disk.contents(path).equals(wholeSegment))
    .map((path) => path.slice(0, -FIRST_SEGMENT.length - 1));

const folders = ({ disk }: SupervisorScene, directory: string): string[] =>
  disk.list(directory).filter((name) => name.startsWith('orders'));

const warnings = (scene: SupervisorScene, message = SET_ASIDE) =>
  scene.logger.lines.filter((line) => line.message === message);

/** Two directories and a topic of two partitions with batches in each, and then a loss of power. */
function cutOff(seed: number): SupervisorScene {
  const scene = new SupervisorScene({ seed });
  scene.directories = ['/a', '/b'];
  scene.start();
  scene.create('orders', 2);
  for (const partition of [0, 1]) openAsTold(scene, partition).append(batches(0, 3));
  for (const directory of scene.directories) scene.disk.syncDirectory(directory, () => {});
  scene.settle();
  scene.disk.losePower();
  return scene;
}

/** Whether batches lie in the folder, which does not say whose it is. */
function isUnmarked({ disk }: SupervisorScene, folder: string): boolean {
  const log = `${folder}/${FIRST_SEGMENT}`;
  if (!disk.files().includes(log) || disk.contents(log).every((byte) => byte === 0)) return false;
  return !/topic_id: \S{22}$/.test(String(disk.readFile(`${folder}/partition.metadata`)));
}

const checkpointOf = (topic: string, partition: number) => ({
  ...{ topic, partition: toPartitionIndex(partition) },
  ...{ recoveryPoint: toOffset(100), logStartOffset: toOffset(50), firstDirtyOffset: toOffset(0) },
});

describe('A folder that a loss of power left without a mark', () => {
  /** Its topic is deleted while its directory is away. */
  function deletedWhileAway(seed: number): SupervisorScene {
    const scene = startWith(cutOff(seed), '/a');
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    return scene;
  }

  it('is not taken over by another topic of its name, whenever that is created', () => {
    let unmarked = 0;
    for (let seed = 1; seed <= 8; seed++) {
      for (const order of ['before', 'opened before', 'after'] as const) {
        const scene = deletedWhileAway(seed);
        if (isUnmarked(scene, '/b/orders-1')) unmarked++;
        if (order !== 'after') scene.create('orders', 2);
        if (order === 'opened before') openAsTold(scene, 1).append(batches(0, 1));
        startWith(scene, '/a', '/b');
        if (order === 'after') scene.create('orders', 2);
        expect(scene.ask(open(1)), `seed ${seed}, created ${order}`).toEqual({ type: 'done' });
        const expected = order === 'opened before' ? 1 : 0;
        expect(openAsTold(scene, 1).logEndOffset, `seed ${seed}, created ${order}`).toBe(expected);
        scene.settle();
        expect(folders(scene, '/b').filter((name) => !name.endsWith('-stray'))).toEqual([]);
      }
    }
    expect(unmarked).toBeGreaterThan(0);
  });

  it('is kept, with what it holds, by the topic that it was opened for', () => {
    let unmarked = 0;
    for (let seed = 1; seed <= 16; seed++) {
      const scene = cutOff(seed);
      const isKept = isUnmarked(scene, '/b/orders-1');
      startWith(scene, '/a', '/b');
      expect(scene.ask(open(1))).toEqual({ type: 'done' });
      const { logEndOffset } = openAsTold(scene, 1);
      if (isKept && logEndOffset > 0) unmarked++;
      expect(warnings(scene)).toEqual([]);
      expect(folders(scene, '/b')).toEqual(['orders-1']);
    }
    expect(unmarked).toBeGreaterThan(0);
  });
});

describe('A folder without a mark where its topic was opened', () => {
  it('is not set aside for another one that says the same id: somebody has to choose', () => {
    const scene = new SupervisorScene();
    scene.directories = ['/a', '/b'];
    scene.start();
    scene.create('orders', 2);
    const topicId = scene.routes[0]?.topicId;
    plantFolder(scene, '/b/orders-1', null);
    plantFolder(scene, '/a/orders-1', topicId ?? OLD_ID);
    startWith(scene, '/a', '/b');
    const reply = scene.ask(open(1));
    expect(reply.type === 'failed' && reply.detail).toContain('several data directories, /a and /b');
    expect(foldersWithBatches(scene)).toEqual(['/a/orders-1', '/b/orders-1']);
  });
});

describe('A folder in the place of a new topic', () => {
  it.each([
    ['says the id of another one', OLD_ID, OLD_DIGITS],
    ['says none', null, NO_DIGITS],
  ])('is set aside if it %s, as it is, and that is said', (_what, topicId, digits) => {
    const scene = new SupervisorScene().start();
    plantFolder(scene, '/data/orders-0', topicId);
    startWith(scene, '/data');
    expect(scene.create('orders').type).toBe('topic');
    expect(scene.ask(open(0))).toEqual({ type: 'done' });
    expect(openAsTold(scene, 0).logEndOffset).toBe(0);
    const folder = `orders-0.${digits}-stray`;
    expect(folders(scene, '/data')).toEqual(['orders-0', folder]);
    expect(foldersWithBatches(scene)).toEqual([`/data/${folder}`]);
    expect(warnings(scene)).toMatchObject([
      { level: 'warn', fields: { topic: 'orders', partition: 0, directory: '/data', folder } },
    ]);
    expect(scene.supervisor.directories).toMatchObject([{ partitions: 1 }]);
    // Neither another start nor the deletion of the topic touches it, and a second one finds a name.
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    plantFolder(scene, '/data/orders-0', topicId);
    startWith(scene, '/data');
    expect(scene.create('orders').type).toBe('topic');
    expect(foldersWithBatches(scene)).toHaveLength(2);
    expect(folders(scene, '/data').filter((name) => name.endsWith('-stray'))).toHaveLength(2);
  });

  it('keeps it closed until it could be set aside, and is not taken over meanwhile', () => {
    const scene = new SupervisorScene().start();
    plantFolder(scene, '/data/orders-0', null);
    startWith(scene, '/data');
    scene.disk.failNext({ operation: 'rename', path: /orders-0$/, times: 2 });
    expect(scene.create('orders').type).toBe('topic');
    expect(scene.ask(open(0))).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    expect(warnings(scene, 'a folder cannot be set aside')).toHaveLength(2);
    expect(scene.ask(open(0))).toEqual({ type: 'done' });
    expect(openAsTold(scene, 0).logEndOffset).toBe(0);
    expect(foldersWithBatches(scene)).toEqual([`/data/orders-0.${NO_DIGITS}-stray`]);
  });

  it('is out of the way before anything says that the topic lies there, wherever the power goes', () => {
    let survived = 0;
    for (let seed = 1; seed <= 32; seed++) {
      const scene = new SupervisorScene({ seed }).start();
      plantFolder(scene, '/data/orders-0', null);
      startWith(scene, '/data');
      scene.create('other');
      // So that the checkpoints are written already, and are not written again.
      scene.supervisor.workerTold({ type: 'checkpoint', checkpoint: checkpointOf('other', 0) });
      scene.clock.advance(5000);
      scene.disk.crashIn(2 * seed);
      try {
        scene.create('orders');
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error;
      }
      if (!scene.disk.crashed) survived++;
      scene.restart('power');
      if (!scene.topics.includes('orders')) scene.create('orders');
      expect(scene.ask(open(0)), `seed ${seed}`).toEqual({ type: 'done' });
      expect(openAsTold(scene, 0).logEndOffset, `seed ${seed}`).toBe(0);
      expect(foldersWithBatches(scene), `seed ${seed}`).toEqual([`/data/orders-0.${NO_DIGITS}-stray`]);
    }
    expect(survived).toBeGreaterThan(0);
  });

  it('is refused where the topic was opened before: somebody put it there', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders');
    openAsTold(scene, 0);
    writePartitionTopicId(scene.disk, '/data/orders-0', OLD_ID);
    startWith(scene, '/data');
    scene.ask(open(0));
    expect(() => openAsTold(scene, 0)).toThrow(`belongs to topic id ${OLD_ID}`);
    expect(warnings(scene)).toEqual([]);
  });
});

describe('What a directory remembers of a deleted topic', () => {
  /** The topic is deleted, and its folder removed by somebody, while the directory that remembers it is away. */
  function forgottenAway(seed: number): SupervisorScene {
    const scene = new SupervisorScene({ seed });
    scene.directories = ['/a', '/b'];
    scene.start();
    scene.create('orders', 2);
    scene.supervisor.workerTold({ type: 'checkpoint', checkpoint: checkpointOf('orders', 1) });
    scene.clock.advance(5000);
    startWith(scene, '/a');
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    return scene;
  }

  it('is forgotten, for good, before another one of its name lies there', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = startWith(forgottenAway(seed), '/a', '/b');
      scene.create('orders', 2);
      const placed = scene.routes.find(({ partition }) => partition === 1)?.directory;
      expect(placed).toBe('/b/orders-1');
      const log = openAsTold(scene, 1);
      expect(log.logStartOffset).toBe(0);
      log.append(batches(0, 3));
      scene.restart('crash');
      expect(scene.ask(open(1))).toEqual({ type: 'done' });
      const again = openAsTold(scene, 1);
      expect([again.logStartOffset, again.logEndOffset], `seed ${seed}`).toEqual([0, 3]);
    }
  });

  it('is not taken for what it remembers of the next one, that lies elsewhere', () => {
    const scene = forgottenAway(1);
    scene.create('orders', 2);
    openAsTold(scene, 1).append(batches(0, 3));
    startWith(scene, '/a', '/b'); // Before the first checkpoint of the new one.
    expect(scene.ask(open(1))).toEqual({ type: 'done' });
    const log = openAsTold(scene, 1);
    expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 3]);
  });
});
