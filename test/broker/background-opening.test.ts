import { describe, expect, it } from 'vitest';
import { toPartitionIndex } from '../../src/base/ids.js';
import { type ScriptedWorker, SupervisorScene } from './supervisor-scene.js';

/** A broker that crashed with so many partitions, whose folders hold a segment of the given size, and starts again. */
function crashed(
  partitions: number,
  options: {
    readonly prepare?: (worker: ScriptedWorker) => void;
    readonly segmentBytes?: number;
    readonly settings?: Readonly<Record<string, string>>;
  } = {},
): SupervisorScene {
  const { prepare = () => {}, segmentBytes = 0, settings = {} } = options;
  const scene = new SupervisorScene({ settings }).start();
  scene.create('orders', partitions);
  for (let index = 0; index < partitions; index++) {
    const folder = `/data/orders-${index}`;
    scene.disk.makeDirectory(folder);
    if (segmentBytes === 0) continue;
    const file = scene.disk.open(`${folder}/00000000000000000000.log`, 'write');
    scene.disk.write(file, 0, [Buffer.alloc(segmentBytes)]);
    scene.disk.close(file);
  }
  scene.prepare = prepare;
  return scene.restart('crash');
}

const opened = (scene: SupervisorScene) =>
  [...scene.workers.values()].flatMap(({ asked }) =>
    asked.flatMap((command) => (command.type === 'open' ? [command] : [])),
  );
const answerAll = (scene: SupervisorScene) => {
  for (const worker of scene.workers.values()) worker.answerHeld();
  scene.settle();
};

describe('BackgroundOpening', () => {
  it('has many openings under way that take little, and no more than 32', () => {
    let underWay = 0;
    let most = 0;
    const scene = crashed(300, {
      prepare: (worker) => {
        const ask = worker.ask.bind(worker);
        worker.ask = (command, deadlineMs, reply) => {
          if (command.type === 'open') most = Math.max(most, ++underWay);
          ask(command, deadlineMs, (result) => {
            if (command.type === 'open') underWay--;
            reply(result);
          });
        };
      },
    });
    scene.clock.advance(5000);
    expect(opened(scene)).toHaveLength(300);
    expect(scene.supervisor.recovering).toBe(0);
    expect(most).toBeGreaterThan(8);
    expect(most).toBeLessThanOrEqual(32);
  });

  it('has as many under way as there are threads to scan when they take long', () => {
    const perWorker = { 'num.recovery.threads.per.data.dir': '6' };
    for (const [settings, atATime] of [[{}, 2] as const, [perWorker, 6] as const]) {
      const scene = crashed(50, { settings, prepare: (worker) => worker.held.add('open') });
      let expected = atATime;
      for (let round = 0; round < 4; round++) {
        expect(opened(scene)).toHaveLength(expected);
        answerAll(scene);
        expected += atATime;
      }
    }
  });

  it('opens what a client asks for at once, whatever is under way', () => {
    const scene = crashed(50, { prepare: (worker) => worker.held.add('open') });
    expect(opened(scene)).toHaveLength(2);
    const reply = scene.tell({ type: 'open-partition', topic: 'orders', partition: toPartitionIndex(40) });
    scene.settle();
    expect(
      opened(scene)
        .map(({ partition }) => partition as number)
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 40]);
    answerAll(scene);
    expect(reply()).toEqual({ type: 'done' });
  });

  it('tells every five seconds how far it is, and when it is done', () => {
    const scene = crashed(5, { segmentBytes: 1000, prepare: (worker) => worker.held.add('open') });
    const lines = () =>
      scene.logger.lines.flatMap(({ message, fields }) =>
        /recover/.test(message) ? [{ message, ...fields }] : [],
      );
    scene.clock.advance(5000);
    expect(scene.supervisor.recovering).toBe(5);
    expect(scene.supervisor.recoveringBytes).toBe(5000);
    answerAll(scene);
    scene.clock.advance(4500);
    for (let round = 0; round < 2; round++) answerAll(scene);
    const bytes = { bytesDone: 0, bytesLeft: 5000 };
    expect(lines()).toMatchObject([
      { message: 'recovering logs', done: 0, left: 5, ...bytes, seconds: 5 },
      { message: 'recovering logs', done: 2, left: 3, bytesDone: 2000, bytesLeft: 3000, seconds: 10 },
      { message: 'logs recovered', logs: 5, bytes: 5000 },
    ]);
    expect(scene.supervisor.recovering).toBe(0);
    scene.clock.advance(60_000);
    expect(lines()).toHaveLength(3);
  });

  it('says nothing after a clean stop', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 5);
    expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
    scene.restart('crash');
    scene.clock.advance(60_000);
    expect(scene.logger.lines.filter(({ message }) => /recover/.test(message))).toEqual([]);
  });

  it('opens nothing more when the broker stops, and the next start recovers all that are left', () => {
    const scene = crashed(50, { prepare: (worker) => worker.held.add('open') });
    const stopped = scene.tell({ type: 'stop' });
    answerAll(scene);
    scene.clock.advance(60_000);
    expect(opened(scene)).toHaveLength(2);
    expect(stopped()).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    scene.prepare = () => {};
    scene.restart('power');
    scene.clock.advance(5000);
    expect(opened(scene)).toHaveLength(50);
    expect(opened(scene).every(({ recovery }) => recovery.type === 'from')).toBe(true);
    expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
  });

  it('goes on when logs cannot be opened, and tries them again with the next retention check', () => {
    let broken = true;
    const scene = crashed(200, {
      settings: { 'log.retention.check.interval.ms': '10000' },
      prepare: (worker) => {
        worker.fail = (command) =>
          broken && command.type === 'open' && command.partition % 2 === 0 ? 'the disk refuses' : null;
      },
    });
    scene.clock.advance(5000);
    expect(scene.routes).toHaveLength(100);
    expect(scene.supervisor.recovering).toBe(0);
    expect(scene.logger.lines.find(({ message }) => message === 'logs recovered')?.fields).toMatchObject({
      logs: 100,
      failed: 100,
    });
    broken = false;
    scene.clock.advance(15_000);
    expect(scene.routes).toHaveLength(200);
    expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
  });

  describe('when a worker dies', () => {
    /** 1,000 open partitions, the half of which a worker takes with it; the new one answers when it is told to. */
    const bereft = (): { scene: SupervisorScene; lost: readonly number[] } => {
      const scene = new SupervisorScene().start();
      scene.create('orders', 1000);
      scene.clock.advance(5000);
      expect(scene.routes).toHaveLength(1000);
      const lost = scene.routes.flatMap(({ worker, partition }) => (worker === 0 ? [partition] : []));
      expect(lost.length).toBe(500);
      scene.prepare = (worker) => worker.held.add('open');
      scene.killWorker(0);
      scene.settle();
      return { scene, lost };
    };
    const openedAgain = (scene: SupervisorScene): number[] =>
      scene.worker(0).asked.flatMap((command) => (command.type === 'open' ? [command.partition] : []));

    it('opens its partitions in groups, and what a client asks for before the groups that wait', () => {
      const { scene, lost } = bereft();
      expect(openedAgain(scene)).toHaveLength(64);
      expect(scene.supervisor.recovering).toBe(500);
      const asked = lost.at(-1);
      if (asked === undefined) throw new Error('no partition was lost');
      const reply = scene.tell({
        type: 'open-partition',
        topic: 'orders',
        partition: toPartitionIndex(asked),
      });
      scene.settle();
      expect(openedAgain(scene)[64]).toBe(asked);
      expect(openedAgain(scene)).toHaveLength(129);
      answerAll(scene);
      expect(reply()).toEqual({ type: 'done' });
      let rounds = 0;
      for (; scene.routes.length < 1000 && rounds < 10; rounds++) {
        expect(scene.worker(0).waiting.length).toBeLessThanOrEqual(128);
        answerAll(scene);
      }
      expect(rounds).toBeLessThan(10);
      expect([...openedAgain(scene)].sort((a, b) => a - b)).toEqual([...lost].sort((a, b) => a - b));
      expect(scene.supervisor.recovering).toBe(0);
      expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
    });

    it('opens what it was opening at once, and then what else is wanted soon', () => {
      const scene = new SupervisorScene({ settings: { 'odradek.workers': '1' } });
      scene.prepare = (worker) => worker.held.add('open');
      scene.start();
      scene.create('orders', 200);
      const underWay = openedAgain(scene);
      expect(underWay).toHaveLength(64);
      scene.killWorker(0, 'after');
      scene.settle();
      expect(openedAgain(scene)).toHaveLength(128);
      expect(openedAgain(scene).slice(0, 64)).toEqual(underWay);
      for (let round = 0; round < 4; round++) answerAll(scene);
      expect(openedAgain(scene)).toHaveLength(200);
      expect(scene.routes).toHaveLength(200);
    });

    it('is no clean stop before all are open again, and the next start recovers them', () => {
      const { scene } = bereft();
      const stopped = scene.tell({ type: 'stop' });
      answerAll(scene);
      expect(stopped()).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
      expect(openedAgain(scene)).toHaveLength(64);
    });
  });
});
