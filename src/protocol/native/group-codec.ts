// The bodies of requests and responses about groups: fields of the header <-> plain objects.
import { decodeFailure, encodeFailure, index, int64, safe } from './fields.js';
import type { odradek } from './generated/odradek.js';
import type {
  GroupListing,
  GroupMember,
  GroupOffset,
  GroupPartition,
  GroupPartitionResult,
  GroupRequest,
  GroupResponse,
} from './group-messages.js';

/** The fields of the request's header that say the request. */
export function encodeGroupRequest(body: GroupRequest): odradek.RequestHeader.$Properties {
  switch (body.type) {
    case 'listGroups':
      return { listGroups: { states: [...body.states] } };
    case 'describeGroup':
      return { describeGroup: { groupId: body.groupId } };
    case 'fetchGroupOffsets':
      return { fetchGroupOffsets: { groupId: body.groupId } };
    case 'commitGroupOffsets':
      return { commitGroupOffsets: { groupId: body.groupId, offsets: body.offsets.map(encodeOffset) } };
    case 'deleteGroup':
      return { deleteGroup: { groupId: body.groupId } };
    case 'deleteGroupOffsets':
      return { deleteGroupOffsets: { groupId: body.groupId, partitions: [...body.partitions] } };
  }
}

/** null: the request is about something else. */
export function decodeGroupRequest(message: odradek.RequestHeader.$Properties): GroupRequest | null {
  if (message.listGroups) return { type: 'listGroups', states: message.listGroups.states ?? [] };
  if (message.describeGroup) return { type: 'describeGroup', groupId: message.describeGroup.groupId ?? '' };
  if (message.fetchGroupOffsets)
    return { type: 'fetchGroupOffsets', groupId: message.fetchGroupOffsets.groupId ?? '' };
  if (message.commitGroupOffsets) {
    const { groupId, offsets } = message.commitGroupOffsets;
    return { type: 'commitGroupOffsets', groupId: groupId ?? '', offsets: (offsets ?? []).map(decodeOffset) };
  }
  if (message.deleteGroup) return { type: 'deleteGroup', groupId: message.deleteGroup.groupId ?? '' };
  if (message.deleteGroupOffsets) {
    const { groupId, partitions } = message.deleteGroupOffsets;
    return {
      type: 'deleteGroupOffsets',
      groupId: groupId ?? '',
      partitions: (partitions ?? []).map(decodePartition),
    };
  }
  return null;
}

/** The fields of the response's header that say the response. */
export function encodeGroupResponse(body: GroupResponse): odradek.ResponseHeader.$Properties {
  switch (body.type) {
    case 'listGroups':
      return { listGroups: { groups: [...body.groups] } };
    case 'describeGroup':
      return { describeGroup: { ...body, members: body.members.map(encodeMember) } };
    case 'fetchGroupOffsets':
      return { fetchGroupOffsets: { offsets: body.offsets.map(encodeOffset) } };
    case 'commitGroupOffsets':
      return { commitGroupOffsets: { partitions: body.partitions.map(encodeResult) } };
    case 'deleteGroup':
      return { deleteGroup: {} };
    case 'deleteGroupOffsets':
      return { deleteGroupOffsets: { partitions: body.partitions.map(encodeResult) } };
  }
}

/** null: the response is about something else. */
export function decodeGroupResponse(message: odradek.ResponseHeader.$Properties): GroupResponse | null {
  if (message.listGroups)
    return { type: 'listGroups', groups: (message.listGroups.groups ?? []).map(decodeListing) };
  if (message.describeGroup) {
    const { groupId, state, protocolType, protocol, members } = message.describeGroup;
    return {
      type: 'describeGroup',
      groupId: groupId ?? '',
      state: state ?? '',
      protocolType: protocolType ?? '',
      protocol: protocol ?? '',
      members: (members ?? []).map(decodeMember),
    };
  }
  if (message.fetchGroupOffsets) {
    return {
      type: 'fetchGroupOffsets',
      offsets: (message.fetchGroupOffsets.offsets ?? []).map(decodeOffset),
    };
  }
  if (message.commitGroupOffsets) {
    const { partitions } = message.commitGroupOffsets;
    return { type: 'commitGroupOffsets', partitions: (partitions ?? []).map(decodeResult) };
  }
  if (message.deleteGroup) return { type: 'deleteGroup' };
  if (message.deleteGroupOffsets) {
    const { partitions } = message.deleteGroupOffsets;
    return { type: 'deleteGroupOffsets', partitions: (partitions ?? []).map(decodeResult) };
  }
  return null;
}

const encodeOffset = (offset: GroupOffset): odradek.GroupOffset.$Properties => ({
  ...offset,
  offset: safe(offset.offset),
});

const decodeOffset = (found: odradek.GroupOffset.$Properties): GroupOffset => ({
  topic: found.topic ?? '',
  partition: index(found.partition, 'partition'),
  offset: int64(found.offset, 'offset'),
  leaderEpoch: found.leaderEpoch ?? 0,
  metadata: found.metadata ?? '',
});

const decodePartition = ({ topic, partition }: odradek.GroupPartition.$Properties): GroupPartition => ({
  topic: topic ?? '',
  partition: index(partition, 'partition'),
});

const encodeResult = ({ topic, partition, error }: GroupPartitionResult) => ({
  topic,
  partition,
  error: encodeFailure(error),
});

const decodeResult = (result: odradek.GroupPartitionResult.$Properties): GroupPartitionResult => ({
  ...decodePartition(result),
  error: decodeFailure(result.error),
});

const decodeListing = ({ groupId, protocolType, state }: odradek.GroupListing.$Properties): GroupListing => ({
  groupId: groupId ?? '',
  protocolType: protocolType ?? '',
  state: state ?? '',
});

const encodeMember = (member: GroupMember): odradek.GroupMember.$Properties => ({
  ...member,
  topics: [...member.topics],
  assignment: member.assignment.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] })),
});

const decodeMember = (member: odradek.GroupMember.$Properties): GroupMember => ({
  memberId: member.memberId ?? '',
  instanceId: member.instanceId ?? null,
  clientId: member.clientId ?? '',
  clientHost: member.clientHost ?? '',
  topics: member.topics ?? [],
  assignment: (member.assignment ?? []).map(({ topic, partitions }) => ({
    topic: topic ?? '',
    partitions: (partitions ?? []).map((partition) => index(partition, 'partition')),
  })),
});
