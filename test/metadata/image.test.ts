import { describe, expect, it } from 'vitest';
import { toBrokerId, toLeaderEpoch, toTopicId } from '../../src/base/ids.js';
import { MetadataImage } from '../../src/metadata/image.js';
import { CLUSTER_KEY, deletingKey, encodeRecord, partitionKey, topicKey } from '../../src/metadata/schema.js';

const ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
const BROKER = toBrokerId(1);
const TOPIC = {
  topicId: ID,
  internal: false,
  overrides: { 'retention.ms': '5' },
  replicas: [[BROKER], [BROKER]],
};
const PARTITION = {
  leader: BROKER,
  leaderEpoch: toLeaderEpoch(7),
  inSyncReplicas: [BROKER],
  directoryId: 'directory',
};
const DELETING = { topicId: ID, name: 'orders', partitions: 2 };

describe('MetadataImage', () => {
  it('holds what the entries say, with the revisions for comparisons', () => {
    const image = new MetadataImage([
      { key: CLUSTER_KEY, value: encodeRecord({ clusterId: 'c' }), modRevision: 1 },
      { key: topicKey('orders'), value: encodeRecord(TOPIC), modRevision: 2 },
      { key: partitionKey(ID, 1), value: encodeRecord(PARTITION), modRevision: 3 },
      { key: deletingKey(ID), value: encodeRecord(DELETING), modRevision: 4 },
    ]);
    expect(image.clusterId).toBe('c');
    expect(image.topics.get('orders')).toEqual(TOPIC);
    expect(image.topicRevision('orders')).toBe(2);
    expect(image.partition(ID, 1)).toEqual({ ...PARTITION, modRevision: 3 });
    expect(image.partition(ID, 0)).toBeUndefined();
    expect(image.deleting.get(ID)).toEqual(DELETING);
    expect(image.topicRevision('none')).toBe(0);
  });

  it('follows changes, and forgets what was deleted', () => {
    const image = new MetadataImage([]);
    const keys = [CLUSTER_KEY, topicKey('orders'), partitionKey(ID, 0), deletingKey(ID)];
    const values = [{ clusterId: 'c' }, TOPIC, PARTITION, DELETING].map(encodeRecord);
    keys.forEach((key, index) => {
      image.apply({ key, value: values[index] ?? null, modRevision: 5 });
    });
    image.apply({
      key: partitionKey(ID, 0),
      value: encodeRecord({ ...PARTITION, leader: null }),
      modRevision: 6,
    });
    expect(image.partition(ID, 0)).toMatchObject({ leader: null, modRevision: 6 });
    for (const key of keys) image.apply({ key, value: null, modRevision: 7 });
    expect(image.clusterId).toBeNull();
    expect(image.topics.size).toBe(0);
    expect(image.topicRevision('orders')).toBe(0);
    expect(image.partition(ID, 0)).toBeUndefined();
    expect(image.deleting.size).toBe(0);
  });

  it('passes over keys that it does not know', () => {
    const image = new MetadataImage([{ key: 'later/thing', value: 'not even JSON', modRevision: 1 }]);
    expect(image.topics.size).toBe(0);
  });

  it('refuses entries of a newer version, and names the key', () => {
    const value = JSON.stringify({ ...TOPIC, version: 2 });
    const apply = () => new MetadataImage([{ key: topicKey('orders'), value, modRevision: 1 }]);
    expect(apply).toThrow('topics/orders was written by a newer version');
  });
});
