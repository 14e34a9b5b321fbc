import { describe, expect, it } from 'vitest';
import { toBrokerId, toLeaderEpoch, toTopicId } from '../../src/base/ids.js';
import type { TopicImage } from '../../src/broker/messages.js';
import { TopicTable } from '../../src/broker/topic-table.js';
import { resolveTopicConfig } from '../../src/config/topic-config.js';

const { config } = resolveTopicConfig({ topicDefaults: {} }, []);

function imageOf(name: string, id: string, partitions: number): TopicImage {
  const broker = toBrokerId(1);
  const partition = {
    leader: broker,
    leaderEpoch: toLeaderEpoch(0),
    replicas: [broker],
    inSyncReplicas: [broker],
  };
  const topicId = toTopicId(id.padEnd(22, 'A'));
  return { name, topicId, internal: false, overrides: {}, partitions: new Array(partitions).fill(partition) };
}

describe('TopicTable', () => {
  it('finds topics by name and id, and partitions by index', () => {
    const table = new TopicTable();
    expect(table.set(imageOf('orders', 'x', 2), config)).toBeNull();
    expect(table.topic('orders')?.image.name).toBe('orders');
    expect(table.topicById(toTopicId('x'.padEnd(22, 'A')))).toBe(table.topic('orders'));
    expect(table.partition('orders', 1)?.index).toBe(1);
    expect(table.partition('orders', 2)).toBeUndefined();
    expect(table.partition('orders', -1)).toBeUndefined();
    expect(table.partition('none', 0)).toBeUndefined();
    expect(table.size).toBe(1);
  });

  it('lists topics by name', () => {
    const table = new TopicTable();
    for (const name of ['b', 'a', 'c']) table.set(imageOf(name, name, 1), config);
    expect(table.all().map(({ image }) => image.name)).toEqual(['a', 'b', 'c']);
  });

  it('keeps the partitions of a topic that changes, and adds new ones', () => {
    const table = new TopicTable();
    table.set(imageOf('orders', 'x', 2), config);
    const before = table.partition('orders', 1);
    const changed = { ...config, maxMessageBytes: 5 };
    expect(table.set(imageOf('orders', 'x', 3), changed)).toBeNull();
    expect(table.partition('orders', 1)).toBe(before);
    expect(table.partition('orders', 2)?.index).toBe(2);
    expect(table.topic('orders')?.config.maxMessageBytes).toBe(5);
  });

  it('replaces a topic that was made anew under its name, and says so to whoever holds the old one', () => {
    const table = new TopicTable();
    table.set(imageOf('orders', 'x', 2), config);
    const old = table.topic('orders');
    expect(table.set(imageOf('orders', 'y', 1), config)).toBe(old);
    expect(old?.deleted).toBe(true);
    expect(table.topic('orders')?.deleted).toBe(false);
    expect(table.topicById(toTopicId('x'.padEnd(22, 'A')))).toBeUndefined();
    expect(table.partition('orders', 1)).toBeUndefined();
  });

  it('deletes a topic once', () => {
    const table = new TopicTable();
    table.set(imageOf('orders', 'x', 2), config);
    const old = table.topic('orders');
    expect(table.delete('orders')).toBe(old);
    expect(old?.deleted).toBe(true);
    expect(table.delete('orders')).toBeNull();
    expect(table.size).toBe(0);
  });
});

describe('PartitionEntry', () => {
  it('wakes each waiter once, also those that wait again at once', () => {
    const table = new TopicTable();
    table.set(imageOf('orders', 'x', 1), config);
    const entry = table.partition('orders', 0);
    if (!entry) throw new Error('no partition');
    const looks: string[] = [];
    const again = () => {
      looks.push('again');
      entry.waiting.add(again);
    };
    entry.waiting.add(again);
    entry.waiting.add(() => looks.push('once'));
    entry.wake();
    expect(looks).toEqual(['again', 'once']);
    entry.wake();
    expect(looks).toEqual(['again', 'once', 'again']);
  });
});
