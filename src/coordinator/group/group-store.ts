import { assert } from '../../base/assert.js';
import type { ErrorName } from '../../base/errors.js';
import type { CoordinatorRecord, ShardPorts } from '../shard.js';
import { Group, type GroupUsage } from './group.js';
import type { GroupConfig } from './group-config.js';
import type { Answer } from './group-member.js';
import type { GroupReply } from './group-messages.js';
import { GROUPS_MAX, TOMBSTONES_BYTES } from './limits.js';
import { groupRecord, groupTombstone, offsetTombstone } from './records.js';

/** Things that happened since the shard began. */
export interface GroupEvents {
  rebalances: number;
  expiredMembers: number;
  expiredOffsets: number;
  committedOffsets: number;
}

/**
 * The groups of a shard and their way to the log. Who changes durable state changes it here in memory and appends the records of
 * it in the same turn; answers that depend on them wait for the log.
 */
export class GroupStore {
  readonly config: GroupConfig;
  readonly ports: ShardPorts;
  readonly groups = new Map<string, Group>();
  readonly events: GroupEvents = { rebalances: 0, expiredMembers: 0, expiredOffsets: 0, committedOffsets: 0 };
  readonly usage: GroupUsage = { memberBytes: 0 };
  /** Ids that were given out, of all groups. */
  pendingMembers = 0;
  /** Whoever waits for the log. */
  readonly #waiting = new Set<Answer>();
  #isClosed = false;

  constructor(config: GroupConfig, ports: ShardPorts) {
    this.config = config;
    this.ports = ports;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The group of this id, made if there is none; null: there are too many. */
  findOrMake(id: string): Group | null {
    const known = this.groups.get(id);
    if (known !== undefined) return known;
    if (this.groups.size >= GROUPS_MAX) return null;
    return this.make(id);
  }

  make(id: string): Group {
    assert(!this.groups.has(id), 'a group is made once');
    const group = new Group(id, this.usage);
    this.groups.set(id, group);
    return group;
  }

  /** Forgets a group that nobody is in and nothing is known of. */
  dropIfUnused(group: Group): void {
    if (group.state !== 'Empty' || group.isRecorded) return;
    if (group.pendingMembers.size > 0 || group.offsets.count > 0) return;
    this.groups.delete(group.id);
  }

  // ------------------------------------------------------------------------------------------------------- the log

  /** Appends records, and answers when they are committed. */
  append(records: readonly CoordinatorRecord[], answer: Answer, reply: () => GroupReply): void {
    this.#waiting.add(answer);
    this.ports.append(records, (error) => this.#answer(answer, error, reply));
  }

  /** Appends records that nobody waits for: if they are lost, the shard is loaded anew and decides again. */
  note(records: readonly CoordinatorRecord[]): void {
    this.ports.append(records, () => {});
  }

  /** As {@link note}, for however many tombstones. They need not be written together: each stands for itself. */
  noteTombstones(tombstones: readonly CoordinatorRecord[]): void {
    for (const piece of inPieces(tombstones)) this.#noteFitting(piece);
  }

  /** A setting may have made the largest batch smaller than a piece. */
  #noteFitting(piece: readonly CoordinatorRecord[]): void {
    if (piece.length === 1 || this.ports.fits(piece)) {
      this.note(piece);
      return;
    }
    const middle = piece.length >> 1;
    this.#noteFitting(piece.slice(0, middle));
    this.#noteFitting(piece.slice(middle));
  }

  /** Answers when all that was appended so far is committed: what is told then cannot be lost any more. */
  answerAfterAppends(answer: Answer, reply: GroupReply): void {
    this.#waiting.add(answer);
    this.ports.afterAppends((error) => this.#answer(answer, error, () => reply));
  }

  #answer(answer: Answer, error: ErrorName | null, reply: () => GroupReply): void {
    // Whoever waited when the shard was closed has been answered then.
    if (!this.#waiting.delete(answer)) return;
    answer(error === null ? reply() : { type: 'refused', error });
  }

  /** The record of the group as it is now. */
  recorded(group: Group): CoordinatorRecord {
    group.isRecorded = true;
    return groupRecord(group);
  }

  /** Takes offsets from the group and returns their tombstones. */
  removeOffsets(
    group: Group,
    places: Iterable<{ readonly topic: string; readonly partition: number }>,
  ): CoordinatorRecord[] {
    const tombstones: CoordinatorRecord[] = [];
    for (const { topic, partition } of places) {
      group.offsets.delete(topic, partition);
      tombstones.push(offsetTombstone({ group: group.id, topic, partition }));
    }
    return tombstones;
  }

  /** Takes an empty group away, with its offsets, and returns the tombstones. */
  removeGroup(group: Group): CoordinatorRecord[] {
    assert(group.state === 'Empty', 'only empty groups are removed');
    for (const timer of group.pendingMembers.values()) this.ports.clock.cancel(timer);
    this.pendingMembers -= group.pendingMembers.size;
    const tombstones = this.removeOffsets(group, placesOf(group));
    tombstones.push(groupTombstone(group.id));
    this.groups.delete(group.id);
    return tombstones;
  }

  // --------------------------------------------------------------------------------------------------------- the end

  /** Nothing is appended or answered from here on; whoever waits for the log is refused. */
  close(error: ErrorName): void {
    this.#isClosed = true;
    for (const answer of this.#waiting) {
      this.#waiting.delete(answer);
      answer({ type: 'refused', error });
    }
  }
}

/** Every place of which the group has an offset. */
export function placesOf(group: Group): { readonly topic: string; readonly partition: number }[] {
  return [...group.offsets.topics()].flatMap(({ topic, partitions }) =>
    [...partitions.keys()].map((partition) => ({ topic, partition })),
  );
}

/** Pieces that the log usually takes. */
function* inPieces(records: readonly CoordinatorRecord[]): Generator<readonly CoordinatorRecord[]> {
  let piece: CoordinatorRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    piece.push(record);
    bytes += record.key.length;
    if (bytes < TOMBSTONES_BYTES) continue;
    yield piece;
    piece = [];
    bytes = 0;
  }
  if (piece.length > 0) yield piece;
}
