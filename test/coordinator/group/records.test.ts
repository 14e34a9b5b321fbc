import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toTopicId } from '../../../src/base/ids.js';
import {
  decodeRecord,
  groupTombstone,
  offsetRecord,
  offsetTombstone,
} from '../../../src/coordinator/group/records.js';
import { Scene } from './scene.js';

interface Vector {
  readonly value: string;
  readonly keyHex: string;
  readonly valueHex: string;
}

const path = new URL('../../vectors/kafka-group-records.json', import.meta.url);
const vectors = (JSON.parse(readFileSync(path, 'utf8')) as { records: Vector[] }).records;

function recordOf(name: string) {
  const vector = vectors.find(({ value }) => value === name);
  if (!vector) throw new Error(`no vector of ${name}`);
  return { key: Buffer.from(vector.keyHex, 'hex'), value: Buffer.from(vector.valueHex, 'hex') };
}

describe('records of groups', () => {
  it('of an offset are those of Kafka 4.3.1', () => {
    const record = recordOf('OffsetCommitValue');
    const decoded = decodeRecord(record);
    if (decoded.type !== 'offset' || decoded.stored === null) throw new Error('an offset');
    expect(decoded).toMatchObject({
      place: { group: 'fzg', topic: 'fz-t', partition: 1 },
      stored: { offset: 5, leaderEpoch: 0, commitTimestampMs: 1795238507423, expireTimestampMs: null },
    });
    expect(decoded.stored.topicId).toBe(toTopicId('nHFYrRJiQ921bvWs9VkYnA'));
    expect(offsetRecord(decoded.place, decoded.stored)).toEqual(record);
    expect(offsetTombstone(decoded.place)).toEqual({ key: record.key, value: null });
  });

  it('of an offset that expires on its own have version 1', () => {
    const place = { group: 'g', topic: 't', partition: 7 };
    const stored = {
      offset: 3,
      leaderEpoch: -1,
      metadata: 'm',
      commitTimestampMs: 100,
      expireTimestampMs: 200,
      topicId: null,
    };
    const record = offsetRecord(place, stored);
    expect(record.value?.readInt16BE(0)).toBe(1);
    expect(decodeRecord(record)).toEqual({ type: 'offset', place, stored });
  });

  it('of a group are those of Kafka 4.3.1: what it wrote is loaded, and written again byte by byte', () => {
    const record = recordOf('GroupMetadataValue');
    const scene = new Scene();
    scene.host.log.push({ ...record, timestampMs: 0 });
    scene.restart();
    expect(scene.describe('fzg')).toMatchObject({
      state: 'Stable',
      protocol: 'cooperative-sticky',
      members: [{ clientId: 'fz-classic', clientHost: '127.0.0.1', instanceId: null }],
    });
    const [member] = scene.describe('fzg').members;
    const joined = scene.join({
      groupId: 'fzg',
      memberId: member?.memberId ?? '',
      clientId: 'fz-classic',
      sessionTimeoutMs: 45_000,
      protocols: [{ name: 'cooperative-sticky', metadata: member?.metadata ?? new Uint8Array(0) }],
    }).reply;
    const assignments = [
      { memberId: joined.memberId, assignment: Buffer.from(member?.assignment ?? new Uint8Array(0)) },
    ];
    scene.sync(joined, { groupId: 'fzg', assignments });
    const [, written] = scene.host.log;
    expect(written?.key).toEqual(record.key);
    const decoded = decodeRecord({ key: record.key, value: written?.value ?? null });
    const known = decodeRecord(record);
    if (known.type !== 'group' || known.value === null) throw new Error('a group');
    if (decoded.type !== 'group' || decoded.value === null) throw new Error('a group');
    const { currentStateTimestamp } = decoded.value;
    const [recorded] = known.value.members;
    expect(decoded.value).toEqual({
      ...known.value,
      generation: 2,
      currentStateTimestamp,
      members: [{ ...recorded, rebalanceTimeout: 60_000 }],
    });
    expect(groupTombstone('fzg')).toEqual({ key: record.key, value: null });
  });

  it('of other kinds are told apart', () => {
    const key = Buffer.from([0, 3, 0, 1, 0x67]);
    expect(decodeRecord({ key, value: Buffer.from([0, 0]) })).toEqual({ type: 'unknown', recordType: 3 });
  });

  it('that are damaged are an error', () => {
    expect(() => decodeRecord({ key: Buffer.from([0]), value: null })).toThrow('too short');
    expect(() => decodeRecord({ key: Buffer.from([0, 2, 0, 9, 1]), value: null })).toThrow(
      'GroupMetadataKey',
    );
    const { key } = groupTombstone('g');
    expect(() => decodeRecord({ key, value: Buffer.from([0, 99]) })).toThrow('v99 is not served');
  });
});
