// Between the state of groups and the records of __consumer_offsets. What is written is what Kafka 4.3 writes: keys of the types
// 1 and 2, offsets in version 4 (in version 1 if they expire on their own), groups in version 3. All versions are read.
import type { TopicId } from '../../base/ids.js';
import {
  GROUP_METADATA_RECORD,
  groupMetadataKey,
  groupMetadataValue,
  LEGACY_OFFSET_COMMIT_RECORD,
  OFFSET_COMMIT_RECORD,
  offsetCommitKey,
  offsetCommitValue,
} from '../../protocol/kafka/group-records.js';
import type { Decoded } from '../../protocol/kafka/message.js';
import { decodePrefixed, encodePrefixed, readPrefix } from '../../protocol/kafka/prefixed.js';
import { ZERO_UUID } from '../../protocol/kafka/schema.js';
import type { CoordinatorRecord } from '../shard.js';
import type { Group } from './group.js';
import { NO_BYTES } from './group-member.js';
import type { StoredOffset } from './group-offsets.js';

const OFFSET_VERSION = 4;
const EXPIRING_OFFSET_VERSION = 1;
const GROUP_VERSION = 3;

const asBuffer = ({ buffer, byteOffset, length }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, length);

export interface OffsetPlace {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

const offsetKey = (place: OffsetPlace): Buffer =>
  asBuffer(encodePrefixed(offsetCommitKey, 0, place, OFFSET_COMMIT_RECORD));

const groupKey = (group: string): Buffer =>
  asBuffer(encodePrefixed(groupMetadataKey, 0, { group }, GROUP_METADATA_RECORD));

export function offsetRecord(place: OffsetPlace, stored: StoredOffset): CoordinatorRecord {
  const version = stored.expireTimestampMs === null ? OFFSET_VERSION : EXPIRING_OFFSET_VERSION;
  const value = encodePrefixed(offsetCommitValue, version, {
    offset: stored.offset,
    leaderEpoch: stored.leaderEpoch,
    metadata: stored.metadata,
    commitTimestamp: stored.commitTimestampMs,
    expireTimestamp: stored.expireTimestampMs ?? -1,
    topicId: stored.topicId ?? ZERO_UUID,
  });
  return { key: offsetKey(place), value: asBuffer(value) };
}

export const offsetTombstone = (place: OffsetPlace): CoordinatorRecord => ({
  key: offsetKey(place),
  value: null,
});

/** The group with the assignment that its members have, or are to have. */
export function groupRecord(
  group: Group,
  assignments: ReadonlyMap<string, Uint8Array> | null = null,
): CoordinatorRecord {
  const value = encodePrefixed(groupMetadataValue, GROUP_VERSION, {
    protocolType: group.protocolType ?? '',
    generation: group.generation,
    protocol: group.protocol,
    leader: group.leaderId,
    currentStateTimestamp: group.stateSinceMs ?? -1,
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.profile.clientId,
      clientHost: `/${member.profile.clientHost}`,
      rebalanceTimeout: member.profile.rebalanceTimeoutMs,
      sessionTimeout: member.profile.sessionTimeoutMs,
      subscription: member.metadata(group.protocol),
      assignment: assignments === null ? member.assignment : (assignments.get(member.memberId) ?? NO_BYTES),
    })),
  });
  return { key: groupKey(group.id), value: asBuffer(value) };
}

export const groupTombstone = (group: string): CoordinatorRecord => ({ key: groupKey(group), value: null });

export type DecodedRecord =
  | { readonly type: 'offset'; readonly place: OffsetPlace; readonly stored: StoredOffset | null }
  | { readonly type: 'group'; readonly group: string; readonly value: RecordedGroup | null }
  /** Of a kind that is not served, as those of KIP-848. */
  | { readonly type: 'unknown'; readonly recordType: number };

export type RecordedGroup = Decoded<typeof groupMetadataValue>;

/** @throws OdradekError ODR_PROTOCOL if key or value are not what their prefixes say */
export function decodeRecord({ key, value }: CoordinatorRecord): DecodedRecord {
  const recordType = readPrefix(key);
  switch (recordType) {
    case LEGACY_OFFSET_COMMIT_RECORD:
    case OFFSET_COMMIT_RECORD:
      return {
        type: 'offset',
        place: decodePrefixed(offsetCommitKey, 0, key),
        stored: value === null ? null : storedOffset(value),
      };
    case GROUP_METADATA_RECORD: {
      const { group } = decodePrefixed(groupMetadataKey, 0, key);
      const decoded = value === null ? null : decodePrefixed(groupMetadataValue, readPrefix(value), value);
      return { type: 'group', group, value: decoded };
    }
    default:
      return { type: 'unknown', recordType };
  }
}

function storedOffset(bytes: Buffer): StoredOffset {
  const value = decodePrefixed(offsetCommitValue, readPrefix(bytes), bytes);
  return {
    offset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp < 0 ? null : value.expireTimestamp,
    topicId: known(value.topicId),
  };
}

const known = (topicId: TopicId): TopicId | null => (topicId === ZERO_UUID ? null : topicId);
