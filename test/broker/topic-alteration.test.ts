import { describe, expect, it } from 'vitest';
import { toPartitionIndex } from '../../src/base/ids.js';
import type { SupervisorReply, TopicImage } from '../../src/broker/messages.js';
import type { ConfigChange } from '../../src/config/config-changes.js';
import type { PartitionCommand } from '../../src/partition/messages.js';
import { type ScriptedWorker, SupervisorScene } from './supervisor-scene.js';

const set = (name: string, value: string): ConfigChange => ({ name, operation: 'set', value });

const alter = (name: string, changes: readonly ConfigChange[], replaces = false, validateOnly = false) =>
  ({ type: 'alter-topic', name, changes, replaces, validateOnly }) as const;

const add = (name: string, count: number, validateOnly = false) =>
  ({ type: 'add-partitions', name, count, validateOnly }) as const;

const open = (topic: string, partition: number) =>
  ({ type: 'open-partition', topic, partition: toPartitionIndex(partition) }) as const;

function topicOf(reply: SupervisorReply): TopicImage {
  if (reply.type !== 'topic') throw new Error(`no topic: ${JSON.stringify(reply)}`);
  return reply.topic;
}

const configures = (worker: ScriptedWorker) =>
  worker.asked.filter(
    (command): command is Extract<PartitionCommand, { type: 'configure' }> => command.type === 'configure',
  );

/** What the router was last told of the topic. */
function told(scene: SupervisorScene, name: string): TopicImage | undefined {
  return scene.events
    .flatMap((event) => (event.type === 'topics' ? event.updated : []))
    .findLast((topic) => topic.name === name);
}

describe('SupervisorActor: altering a topic', () => {
  it('tells the open partitions and the router, and knows the configs after a loss of power', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 2, { 'segment.bytes': '2000000', 'flush.ms': '5' });
    const changes = [
      set('retention.ms', '77'),
      { name: 'flush.ms', operation: 'delete', value: '' },
    ] as const;
    const overrides = { 'segment.bytes': '2000000', 'retention.ms': '77' };
    expect(topicOf(scene.ask(alter('orders', changes))).overrides).toEqual(overrides);
    expect(told(scene, 'orders')?.overrides).toEqual(overrides);
    const configured = [0, 1].flatMap((index) => configures(scene.worker(index)));
    expect(configured.map(({ config }) => config.retentionMs)).toEqual([77, 77]);
    scene.restart('power');
    expect(told(scene, 'orders')?.overrides).toEqual(overrides);
    scene.ask(open('orders', 0));
    const opened = [...scene.workers.values()].flatMap(({ asked }) => asked);
    expect(opened).toContainEqual(
      expect.objectContaining({
        type: 'open',
        config: expect.objectContaining({ retentionMs: 77, segmentBytes: 2_000_000 }),
      }),
    );
  });

  it('answers when the configs are in force', () => {
    const scene = new SupervisorScene();
    scene.prepare = (worker) => worker.held.add('configure');
    scene.start();
    scene.create('orders', 2);
    const reply = scene.tell(alter('orders', [set('retention.ms', '1')]));
    scene.settle();
    expect(reply()).toBeNull();
    scene.worker(0).answerHeld();
    scene.settle();
    expect(reply()).toBeNull();
    scene.worker(1).answerHeld();
    scene.settle();
    expect(reply()?.type).toBe('topic');
  });

  it('reaches a partition that is being opened just now', () => {
    const scene = new SupervisorScene();
    scene.prepare = (worker) => worker.held.add('open');
    scene.start();
    scene.create('orders', 1);
    scene.ask(alter('orders', [set('retention.ms', '5')]));
    const [worker] = scene.workers.values();
    const said = worker?.asked.filter(({ type }) => type === 'open' || type === 'configure');
    expect(said?.map(({ type }) => type)).toEqual(['open', 'configure']);
  });

  it('replaces all configs when it is asked to', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1, { 'segment.bytes': '2000000' });
    const altered = topicOf(scene.ask(alter('orders', [set('retention.ms', '1')], true)));
    expect(altered.overrides).toEqual({ 'retention.ms': '1' });
  });

  it('changes nothing when it only checks, or when something is wrong', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1, { 'segment.bytes': '2000000' });
    const checked = topicOf(scene.ask(alter('orders', [set('retention.ms', '1')], false, true)));
    expect(checked.overrides).toEqual({ 'segment.bytes': '2000000', 'retention.ms': '1' });
    const wrong = [set('retention.ms', '1'), set('flush.ms', 'soon')];
    expect(scene.ask(alter('orders', wrong))).toMatchObject({ type: 'failed', error: 'INVALID_CONFIG' });
    expect(scene.ask(alter('orders', [set('a', '1')]))).toMatchObject({ error: 'INVALID_CONFIG' });
    expect(scene.ask(alter('nothing', []))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
    expect(told(scene, 'orders')?.overrides).toEqual({ 'segment.bytes': '2000000' });
    expect([...scene.workers.values()].flatMap(configures)).toEqual([]);
  });

  it('makes several changes at the same time one after the other, a deletion too', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1);
    const replies = ['retention.ms', 'flush.ms', 'segment.bytes'].map((name) =>
      scene.tell(alter('orders', [set(name, '10000')])),
    );
    const more = scene.tell(add('orders', 3));
    const deleted = scene.tell({ type: 'delete-topic', name: 'orders' });
    const late = scene.tell(alter('orders', [set('retention.ms', '1')]));
    scene.settle();
    expect(replies.map((reply) => reply()?.type)).toEqual(['topic', 'topic', 'topic']);
    const last = replies.at(-1)?.();
    expect(last?.type === 'topic' && Object.keys(last.topic.overrides).sort()).toEqual([
      'flush.ms',
      'retention.ms',
      'segment.bytes',
    ]);
    expect(more()?.type).toBe('topic');
    expect(deleted()).toEqual({ type: 'done' });
    expect(late()).toMatchObject({ type: 'failed', error: 'UNKNOWN_TOPIC_OR_PARTITION' });
    expect(scene.topics).toEqual([]);
  });

  it('does not keep a partition from being opened meanwhile', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1);
    scene.restart('power');
    const altered = scene.tell(alter('orders', [set('retention.ms', '1')]));
    const opened = scene.tell(open('orders', 0));
    scene.settle();
    expect(altered()?.type).toBe('topic');
    expect(opened()).toEqual({ type: 'done' });
  });

  it('fails a change that cannot be written, and goes on', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1);
    scene.disk.failNext({ operation: 'write', path: /__odradek_metadata/, code: 'ENOSPC', times: 100 });
    expect(scene.ask(alter('orders', [set('retention.ms', '1')]))).toMatchObject({
      error: 'KAFKA_STORAGE_ERROR',
    });
    scene.disk.stopFailing();
    expect(topicOf(scene.ask(alter('orders', [set('retention.ms', '2')]))).overrides).toEqual({
      'retention.ms': '2',
    });
  });
});

describe('SupervisorActor: adding partitions', () => {
  it('opens them, tells the router, and knows them after a loss of power', () => {
    const scene = new SupervisorScene().start();
    const before = topicOf(scene.create('orders', 1));
    const grown = topicOf(scene.ask(add('orders', 3)));
    expect(grown.topicId).toBe(before.topicId);
    expect(grown.partitions.map(({ leader, replicas }) => [leader, replicas])).toEqual([
      [1, [1]],
      [1, [1]],
      [1, [1]],
    ]);
    expect(told(scene, 'orders')?.partitions.length).toBe(3);
    expect(scene.routes.map(({ partition }) => partition as number).sort()).toEqual([0, 1, 2]);
    scene.restart('power');
    expect(scene.ask(open('orders', 2))).toEqual({ type: 'done' });
    expect(scene.ask(open('orders', 3))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
  });

  it('are all deleted with the topic', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 1);
    scene.ask(add('orders', 4));
    expect(scene.ask({ type: 'delete-topic', name: 'orders' })).toEqual({ type: 'done' });
    const deleted = [...scene.workers.values()].flatMap(({ asked }) =>
      asked.filter(({ type }) => type === 'delete'),
    );
    expect(deleted.length).toBe(4);
    expect(scene.routes).toEqual([]);
  });

  it('refuses what is no increase or has no room, and only checks when it is asked to', () => {
    const scene = new SupervisorScene().start();
    scene.create('orders', 2);
    for (const count of [0, 1, 2, 40_000]) {
      expect(scene.ask(add('orders', count))).toMatchObject({ type: 'failed', error: 'INVALID_PARTITIONS' });
    }
    expect(scene.ask(add('nothing', 3))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
    expect(topicOf(scene.ask(add('orders', 5, true))).partitions.length).toBe(5);
    expect(told(scene, 'orders')?.partitions.length).toBe(2);
  });
});
