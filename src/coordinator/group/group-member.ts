import type { Alarm } from './alarm.js';
import type { GroupProtocol, GroupReply } from './group-messages.js';

export type Answer = (reply: GroupReply) => void;

/** What a member says of itself when it joins. */
export interface MemberProfile {
  readonly clientId: string;
  /** The address, without the slash that Kafka's records have. */
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** The preferred ones first, each once. After a restart only the one that was chosen. */
  readonly protocols: readonly GroupProtocol[];
}

export interface MemberIdentity {
  readonly memberId: string;
  /** null: a dynamic member. */
  readonly instanceId: string | null;
}

export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** A member of a classic group. Its group alone adds it, parks its requests and removes it. */
export class GroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Ends the membership unless the member is heard of. */
  readonly session: Alarm;
  profile: MemberProfile;
  assignment: Uint8Array = NO_BYTES;
  /** It was never told that it is a member, so it cannot send heartbeats. */
  isNew = false;
  /** It comes from the log, and was not heard of since. */
  isRestored = false;
  /** Waits for the end of the join phase. */
  awaitingJoin: Answer | null = null;
  /** Waits for the leader's assignment. */
  awaitingSync: Answer | null = null;

  constructor({ memberId, instanceId }: MemberIdentity, profile: MemberProfile, session: Alarm) {
    this.memberId = memberId;
    this.instanceId = instanceId;
    this.profile = profile;
    this.session = session;
  }

  /** Puts the end of the session off: the member was heard of. */
  heard(): void {
    this.isRestored = false;
    this.beginSession();
  }

  beginSession(): void {
    this.session.set(this.profile.sessionTimeoutMs);
  }

  /** Whether it joins with just what it said before. */
  matches(protocols: readonly GroupProtocol[]): boolean {
    const known = this.profile.protocols;
    return (
      known.length === protocols.length &&
      known.every(({ name, metadata }, index) => {
        const other = protocols[index];
        return other?.name === name && Buffer.compare(metadata, other.metadata) === 0;
      })
    );
  }

  /** What it says for a protocol; empty if it does not support it. */
  metadata(protocol: string | null): Uint8Array {
    return this.profile.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES;
  }
}

export function metadataBytes(protocols: readonly GroupProtocol[]): number {
  return protocols.reduce((bytes, { name, metadata }) => bytes + name.length + metadata.length, 0);
}

/** Roughly what a member takes beside its texts and bytes: objects, timers, places in maps. */
const MEMBER_BYTES = 1024;

/** Roughly what a member takes in memory, but for its assignment. */
export function memberBytes(
  { instanceId }: Pick<MemberIdentity, 'instanceId'>,
  profile: MemberProfile,
): number {
  // The client or the instance is in the member's id once more.
  const ids = 2 * (profile.clientId.length + (instanceId?.length ?? 0));
  return MEMBER_BYTES + ids + metadataBytes(profile.protocols);
}
