// What is kept of groups does not stay for ever. KIP-211: a group that has members, or had some until lately, keeps its offsets; an
// empty one loses them offsets.retention.minutes after its last member has left, a simple one each so long after it was committed.
// Offsets of topics that the consumers of a stable group no longer read go like those of a simple one. A group that is
// empty and has no offsets goes too. Unlike Kafka's, an empty group keeps what was committed for it from outside as long as a
// simple one does, so that offsets that were reset before the members come back are there when they do.
import type { Timer } from '../../base/clock.js';
import type { Group } from './group.js';
import type { StoredOffset } from './group-offsets.js';
import type { GroupStore } from './group-store.js';
import { EXPIRY_OFFSETS_PER_TURN, EXPIRY_PAUSE_MS } from './limits.js';

interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** The offsets of the group that have expired. */
export function expiredOffsets(group: Group, nowMs: number, retentionMs: number): Place[] {
  const sinceMs = retentionBegin(group);
  if (sinceMs === null) return [];
  const expired: Place[] = [];
  for (const { topic, partitions } of group.offsets.topics()) {
    if (group.state !== 'Empty' && group.isSubscribed(topic)) continue;
    for (const [partition, stored] of partitions) {
      const endMs = stored.expireTimestampMs ?? sinceMs(stored) + retentionMs;
      if (nowMs >= endMs) expired.push({ topic, partition });
    }
  }
  return expired;
}

/** From when on an offset counts as out of use; null: none of the group does. */
function retentionBegin(group: Group): ((stored: StoredOffset) => number) | null {
  const { state, protocolType, stateSinceMs, subscribedTopics } = group;
  const sinceCommit = ({ commitTimestampMs }: StoredOffset) => commitTimestampMs;
  if (protocolType === null) return sinceCommit;
  if (state === 'Empty')
    return stateSinceMs === null ? sinceCommit : (stored) => Math.max(stateSinceMs, sinceCommit(stored));
  return state === 'Stable' && subscribedTopics !== null ? sinceCommit : null;
}

/** Looks through the groups of a shard from time to time, so many at a time that others do not have to wait. */
export class OffsetExpiry {
  readonly #store: GroupStore;
  #timer: Timer | null = null;

  constructor(store: GroupStore) {
    this.#store = store;
  }

  start(): void {
    this.#after(this.#store.config.offsetsRetentionCheckIntervalMs, () =>
      this.#sweep([...this.#store.groups.keys()]),
    );
  }

  close(): void {
    if (this.#timer !== null) this.#store.ports.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #after(delayMs: number, next: () => void): void {
    this.#timer = this.#store.ports.clock.after(delayMs, next);
  }

  #sweep(groupIds: readonly string[]): void {
    let seen = 0;
    let looked = 0;
    for (const groupId of groupIds) {
      if (looked >= EXPIRY_OFFSETS_PER_TURN) break;
      seen++;
      const group = this.#store.groups.get(groupId);
      if (group === undefined) continue;
      looked += group.offsets.count + 1;
      this.#expire(group);
    }
    const left = groupIds.slice(seen);
    if (left.length > 0) this.#after(EXPIRY_PAUSE_MS, () => this.#sweep(left));
    else this.start();
  }

  #expire(group: Group): void {
    const { config, events, ports } = this.#store;
    const places = expiredOffsets(group, ports.clock.wallMs(), config.offsetsRetentionMs);
    events.expiredOffsets += places.length;
    const tombstones = this.#store.removeOffsets(group, places);
    const isUseless = group.state === 'Empty' && group.offsets.count === 0 && group.pendingMembers.size === 0;
    if (isUseless && group.isRecorded) tombstones.push(...this.#store.removeGroup(group));
    else this.#store.dropIfUnused(group);
    this.#store.noteTombstones(tombstones);
  }
}
