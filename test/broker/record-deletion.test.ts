import { describe, expect, it } from 'vitest';
import { toOffset, toPartitionIndex } from '../../src/base/ids.js';
import type { OpenPartition } from '../../src/partition/messages.js';
import { SupervisorScene } from './supervisor-scene.js';

const remove = (topic: string, partition: number, beforeOffset: number | null) =>
  ({
    type: 'delete-records',
    topic,
    partition: toPartitionIndex(partition),
    beforeOffset: beforeOffset === null ? null : toOffset(beforeOffset),
  }) as const;

const open = (topic: string, partition: number) =>
  ({ type: 'open-partition', topic, partition: toPartitionIndex(partition) }) as const;

const starts = (scene: SupervisorScene) =>
  [...scene.workers.values()]
    .flatMap(({ asked }) => asked.filter((command): command is OpenPartition => command.type === 'open'))
    .map(({ logStartOffset }) => logStartOffset as number);

describe('SupervisorActor: deleting records', () => {
  it('opens the partition for it; no crash and no loss of power brings the records back', () => {
    for (const how of ['crash', 'power'] as const) {
      const scene = new SupervisorScene().start();
      scene.create('orders', 1);
      scene.restart('power');
      expect(scene.ask(remove('orders', 0, 7))).toEqual({ type: 'records-deleted', logStartOffset: 7 });
      scene.restart(how);
      scene.ask(open('orders', 0));
      expect(starts(scene)).toEqual([7]);
    }
  });

  it('answers when the checkpoint is written, however long the disk takes', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1);
    scene.clock.advance(5000);
    for (let i = 0; i < 3; i++) {
      scene.disk.failNext({ operation: 'rename', path: /log-start-offset-checkpoint/, code: 'EIO' });
    }
    const reply = scene.tell(remove('orders', 0, null));
    scene.settle();
    expect(reply()).toBeNull();
    scene.clock.advance(10_000);
    expect(reply()).toEqual({ type: 'records-deleted', logStartOffset: 100 });
    scene.restart('power');
    scene.ask(open('orders', 0));
    expect(starts(scene)).toEqual([100]);
  });

  it('writes down what a stop overtakes', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1);
    scene.clock.advance(5000);
    const reply = scene.tell(remove('orders', 0, 3));
    expect(scene.ask({ type: 'stop' })).toEqual({ type: 'done' });
    expect(reply()).toEqual({ type: 'records-deleted', logStartOffset: 3 });
    scene.restart('power');
    scene.ask(open('orders', 0));
    expect(starts(scene)).toEqual([3]);
  });

  it('hands on what the worker refuses, and knows no partitions that are not there', () => {
    const scene = new SupervisorScene();
    scene.prepare = (worker) => {
      worker.fail = ({ type }) => (type === 'delete-records' ? 'no' : null);
    };
    scene.start();
    scene.create('orders', 1);
    expect(scene.ask(remove('orders', 0, 7))).toMatchObject({ type: 'failed', detail: 'no' });
    expect(scene.ask(remove('orders', 1, 7))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
    expect(scene.ask(remove('nothing', 0, 7))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
  });

  it('leaves no checkpoint of a topic behind that is deleted meanwhile', () => {
    const scene = new SupervisorScene();
    scene.prepare = (worker) => worker.held.add('delete-records');
    scene.start();
    scene.create('orders', 1);
    const reply = scene.tell(remove('orders', 0, 7));
    scene.settle();
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    for (const worker of scene.workers.values()) worker.answerHeld();
    scene.settle();
    expect(reply()).toMatchObject({ type: 'failed', error: 'UNKNOWN_TOPIC_OR_PARTITION' });
    scene.create('orders', 1);
    expect(starts(scene).at(-1)).toBe(0);
  });
});
