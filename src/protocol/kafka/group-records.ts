// Keys and values of the topic __consumer_offsets, as far as offsets and classic groups go. A key begins with the type of
// the record, a value with its version (prefixed.ts); a null value deletes what the key names.
//
//   type  key                      value
//   0, 1  group, topic, partition  an offset that was committed
//   2     group                    the group: generation, members, assignment
import { Message } from './message.js';
import { array, bytes, int32, int64, string, topicId } from './schema.js';

/** Written by Kafka's first versions; as {@link OFFSET_COMMIT_RECORD} otherwise. */
export const LEGACY_OFFSET_COMMIT_RECORD = 0;
export const OFFSET_COMMIT_RECORD = 1;
export const GROUP_METADATA_RECORD = 2;

export const offsetCommitKey = new Message(
  { name: 'OffsetCommitKey', versions: '0', flexible: null },
  {
    group: string('Id of the group.'),
    topic: string('Name of the topic.'),
    partition: int32('Index of the partition.'),
  },
);

/** v1 expiry of its own; v2 none; v3 leader epoch; v4 flexible, topic id. */
export const offsetCommitValue = new Message(
  { name: 'OffsetCommitValue', versions: '0-4', flexible: '4+' },
  {
    offset: int64('Offset of the next record to read.'),
    leaderEpoch: int32('Leader epoch of the last record that was read, or -1.', {
      versions: '3+',
      default: -1,
    }),
    metadata: string('Text of the client.'),
    commitTimestamp: int64('When it was committed (ms since 1970).', { clamp: true }),
    expireTimestamp: int64('When it expires (ms since 1970), or -1.', {
      versions: '1',
      default: -1,
      clamp: true,
    }),
    topicId: topicId('Id of the topic, or zero.', { versions: '4+', tag: 0 }),
  },
);

export const groupMetadataKey = new Message(
  { name: 'GroupMetadataKey', versions: '0', flexible: null },
  { group: string('Id of the group.') },
);

/** v1 rebalance timeout; v2 when the state was entered; v3 static members; v4 flexible. */
export const groupMetadataValue = new Message(
  { name: 'GroupMetadataValue', versions: '0-4', flexible: '4+' },
  {
    protocolType: string('Kind of the group, or empty.'),
    generation: int32('Generation of the group.'),
    protocol: string('Protocol that was chosen, or null.', { nullable: true }),
    leader: string('Id of the leader, or null.', { nullable: true }),
    currentStateTimestamp: int64('When the group entered its state (ms since 1970), or -1.', {
      versions: '2+',
      default: -1,
      clamp: true,
    }),
    members: array('Members.', {
      memberId: string('Id of the member.'),
      groupInstanceId: string('Id of the static member, or null.', {
        versions: '3+',
        nullable: '3+',
        default: null,
      }),
      clientId: string('Client id of its last join.'),
      clientHost: string('Where it joined from: a slash and the address.'),
      rebalanceTimeout: int32('Its rebalance timeout in ms, or -1.', { versions: '1+', default: -1 }),
      sessionTimeout: int32('Its session timeout in ms.'),
      subscription: bytes('What it said for the chosen protocol.'),
      assignment: bytes('Its part of the assignment.'),
    }),
  },
);
