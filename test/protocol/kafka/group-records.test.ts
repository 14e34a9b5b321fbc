import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeAssignment, decodeSubscription } from '../../../src/protocol/kafka/consumer-protocol.js';
import {
  GROUP_METADATA_RECORD,
  groupMetadataKey,
  groupMetadataValue,
  OFFSET_COMMIT_RECORD,
  offsetCommitKey,
  offsetCommitValue,
} from '../../../src/protocol/kafka/group-records.js';
import type { Message } from '../../../src/protocol/kafka/message.js';
import { decodePrefixed, encodePrefixed, readPrefix } from '../../../src/protocol/kafka/prefixed.js';
import type { Fields } from '../../../src/protocol/kafka/schema.js';
import { completed } from './arbitrary-message.js';

interface Vector {
  readonly value: string;
  readonly valueVersion: number;
  readonly keyHex: string;
  readonly valueHex: string;
  readonly key: unknown;
  readonly decoded: unknown;
}

const file = readFileSync(new URL('../../vectors/kafka-group-records.json', import.meta.url), 'utf8');
const vectors = (JSON.parse(file) as { records: Vector[] }).records;
const tables: Readonly<Record<string, { type: number; key: Message<Fields>; value: Message<Fields> }>> = {
  OffsetCommitValue: { type: OFFSET_COMMIT_RECORD, key: offsetCommitKey, value: offsetCommitValue },
  GroupMetadataValue: { type: GROUP_METADATA_RECORD, key: groupMetadataKey, value: groupMetadataValue },
};
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('records of __consumer_offsets', () => {
  it.each(vectors.map((vector) => [vector.value, vector] as const))(
    '%s as Kafka writes it',
    (name, vector) => {
      const table = tables[name];
      if (!table) throw new Error(`no table of ${name}`);
      const key = Buffer.from(vector.keyHex, 'hex');
      expect(readPrefix(key)).toBe(table.type);
      const decodedKey = decodePrefixed(table.key, 0, key);
      expect(decodedKey).toEqual(vector.key);
      expect(hex(encodePrefixed(table.key, 0, decodedKey, table.type))).toBe(vector.keyHex);

      const value = Buffer.from(vector.valueHex, 'hex');
      const version = readPrefix(value);
      expect(version).toBe(vector.valueVersion);
      const decoded = decodePrefixed(table.value, version, value);
      expect(completed(table.value.layout(version), decoded)).toMatchObject(vector.decoded as object);
      expect(hex(encodePrefixed(table.value, version, decoded))).toBe(vector.valueHex);
    },
  );

  it('have subscriptions and assignments of consumers in them', () => {
    const vector = vectors.find(({ value }) => value === 'GroupMetadataValue');
    const group = decodePrefixed(groupMetadataValue, 3, Buffer.from(vector?.valueHex ?? '', 'hex'));
    const [member] = group.members;
    if (!member) throw new Error('the group has no member');
    expect(decodeSubscription(member.subscription)).toEqual({
      topics: ['fz-t'],
      userData: Buffer.alloc(4),
      ownedPartitions: [],
      generationId: -1,
      rackId: null,
    });
    expect(decodeAssignment(member.assignment)).toEqual({
      assignedPartitions: [{ topic: 'fz-t', partitions: [0, 1] }],
      userData: null,
    });
  });
});
