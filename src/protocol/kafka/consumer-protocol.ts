// What the members of a classic group with the protocol type "consumer" say to each other inside JoinGroup and SyncGroup: a
// version (prefixed.ts), then the message. Later versions only append fields, so one that is not known is read as the
// last that is.
import { OdradekError } from '../../base/errors.js';
import { type Decoded, Message } from './message.js';
import { decodePrefixed, readPrefix } from './prefixed.js';
import { array, bytes, type Fields, int32, list, string } from './schema.js';

const TOPIC_PARTITIONS = {
  topic: string('Name of the topic.'),
  partitions: list(int32('Partitions of the topic.')),
};

/** v1 owned partitions (KIP-429); v2 generation (KIP-792); v3 rack (KIP-881). */
export const consumerProtocolSubscription = new Message(
  { name: 'ConsumerProtocolSubscription', versions: '0-3', flexible: null },
  {
    topics: list(string('Topics that the member subscribes to.')),
    userData: bytes('What its assignor adds, or null.', { nullable: true, default: null }),
    ownedPartitions: array('Partitions that it has.', TOPIC_PARTITIONS, { versions: '1+', default: [] }),
    generationId: int32('Generation in which it got them, or -1.', { versions: '2+', default: -1 }),
    rackId: string('Rack of the member, or null.', { versions: '3+', nullable: '3+', default: null }),
  },
);

export const consumerProtocolAssignment = new Message(
  { name: 'ConsumerProtocolAssignment', versions: '0-3', flexible: null },
  {
    assignedPartitions: array('Partitions of the member.', TOPIC_PARTITIONS),
    userData: bytes('What the assignor adds, or null.', { nullable: true, default: null }),
  },
);

export type ConsumerSubscription = Decoded<typeof consumerProtocolSubscription>;
export type ConsumerAssignment = Decoded<typeof consumerProtocolAssignment>;

/** @throws OdradekError ODR_PROTOCOL if the bytes are none */
export function decodeSubscription(blob: Buffer): ConsumerSubscription {
  return decodePrefixed(consumerProtocolSubscription, versionOf(consumerProtocolSubscription, blob), blob);
}

/** @throws OdradekError ODR_PROTOCOL if the bytes are none */
export function decodeAssignment(blob: Buffer): ConsumerAssignment {
  return decodePrefixed(consumerProtocolAssignment, versionOf(consumerProtocolAssignment, blob), blob);
}

function versionOf({ name, versions }: Message<Fields>, blob: Buffer): number {
  const version = readPrefix(blob);
  if (version < 0) throw new OdradekError('ODR_PROTOCOL', `${name} has the version ${version}.`);
  return Math.min(version, versions.last);
}
