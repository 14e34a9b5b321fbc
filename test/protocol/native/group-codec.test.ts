import { describe, expect, it } from 'vitest';
import type {
  GroupOffset,
  GroupRequest,
  GroupResponse,
} from '../../../src/protocol/native/group-messages.js';
import { decodeRequestHeader, encodeRequestHeader } from '../../../src/protocol/native/request-header.js';
import { decodeResponseHeader, encodeResponseHeader } from '../../../src/protocol/native/response-header.js';

const OFFSET: GroupOffset = {
  ...{ topic: 'orders', partition: 3, offset: Number.MAX_SAFE_INTEGER, leaderEpoch: -1, metadata: 'text' },
};
const NOTHING: GroupOffset = { topic: '', partition: 0, offset: 0, leaderEpoch: 0, metadata: '' };

const REQUESTS: readonly GroupRequest[] = [
  { type: 'listGroups', states: [] },
  { type: 'listGroups', states: ['Stable', 'Empty'] },
  { type: 'describeGroup', groupId: 'a-group' },
  { type: 'describeGroup', groupId: '' },
  { type: 'fetchGroupOffsets', groupId: 'a-group' },
  { type: 'commitGroupOffsets', groupId: 'a-group', offsets: [OFFSET, NOTHING] },
  { type: 'commitGroupOffsets', groupId: '', offsets: [] },
  { type: 'deleteGroup', groupId: 'a-group' },
  {
    type: 'deleteGroupOffsets',
    groupId: 'a-group',
    partitions: [{ topic: 'orders', partition: 2 ** 31 - 1 }],
  },
];

const RESULTS = [
  { topic: 'orders', partition: 0, error: null },
  { topic: 'orders', partition: 1, error: { error: 'NON_EMPTY_GROUP' as const, detail: 'It has members.' } },
];

const RESPONSES: readonly GroupResponse[] = [
  { type: 'listGroups', groups: [] },
  { type: 'listGroups', groups: [{ groupId: 'a', protocolType: 'consumer', state: 'Stable' }] },
  {
    type: 'describeGroup',
    ...{ groupId: 'a', state: 'Stable', protocolType: 'consumer', protocol: 'range' },
    members: [
      {
        ...{ memberId: 'm', instanceId: 'i', clientId: 'c', clientHost: '127.0.0.1', topics: ['orders'] },
        assignment: [{ topic: 'orders', partitions: [0, 2] }],
      },
      { memberId: 'n', instanceId: null, clientId: '', clientHost: '', topics: [], assignment: [] },
      { memberId: 'o', instanceId: '', clientId: '', clientHost: '', topics: [], assignment: [] },
    ],
  },
  { type: 'describeGroup', groupId: '', state: 'Empty', protocolType: '', protocol: '', members: [] },
  { type: 'fetchGroupOffsets', offsets: [OFFSET, NOTHING] },
  { type: 'commitGroupOffsets', partitions: RESULTS },
  { type: 'deleteGroup' },
  { type: 'deleteGroupOffsets', partitions: RESULTS },
];

describe('the messages about groups', () => {
  it.each(REQUESTS)('carry requests as they are: $type', (body) => {
    const header = { correlationId: 7, timeoutMs: 0, body };
    expect(decodeRequestHeader(encodeRequestHeader(header))).toEqual(header);
  });

  it.each(RESPONSES)('carry responses as they are: $type', (body) => {
    const header = { correlationId: 7, error: null, body };
    expect(decodeResponseHeader(encodeResponseHeader(header))).toEqual(header);
  });

  it('refuse what is out of range', () => {
    const partition = 2 ** 31;
    const body: GroupRequest = {
      type: 'deleteGroupOffsets',
      groupId: 'a',
      partitions: [{ topic: 'a', partition }],
    };
    const bytes = encodeRequestHeader({ correlationId: 7, timeoutMs: 0, body });
    expect(() => decodeRequestHeader(bytes)).toThrow('partition is out of range');
  });
});
