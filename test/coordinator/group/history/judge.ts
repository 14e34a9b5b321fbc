// Knows what a group coordinator may do, and says when it does something else.
import type {
  GroupReply,
  JoinedGroup,
  SyncGroupCommand,
} from '../../../../src/coordinator/group/group-messages.js';
import { decodeRecord } from '../../../../src/coordinator/group/records.js';
import type { CoordinatorRecord } from '../../../../src/coordinator/shard.js';

/** What the coordinator did wrong. */
export class Verdict extends Error {
  override readonly name = 'Verdict';
}

/** A partition as `topic-index`. */
export type PartitionName = string;

export interface TrackedRequest {
  readonly what: string;
  answers: number;
  /** Its coordinator crashed, and took it along. */
  isForgiven: boolean;
}

export class Judge {
  /** `generation/partition` → who was told that it owns the partition. */
  readonly #owners = new Map<string, string>();
  /** What leaders decided, by generation: for each member all that was sent for it. */
  readonly #decided = new Map<number, Map<string, Set<string>>>();
  readonly #acknowledged = new Map<PartitionName, number>();
  readonly #highest = new Map<PartitionName, number>();
  readonly #requests: TrackedRequest[] = [];
  readonly #contested = new Set<string>();
  readonly #generations = new Set<number>();
  commits = 0;
  fetches = 0;

  /** Generations in which somebody was told an assignment. */
  get generations(): number {
    return this.#generations.size;
  }

  get requests(): number {
    return this.#requests.length;
  }

  // ------------------------------------------------------------------------------------------------------ requests

  asked(what: string): TrackedRequest {
    const request = { what, answers: 0, isForgiven: false };
    this.#requests.push(request);
    return request;
  }

  answered(request: TrackedRequest, reply: GroupReply): void {
    if (++request.answers > 1) throw new Verdict(`${request.what} is answered twice, now with ${reply.type}`);
  }

  /** The coordinator crashed: what was asked is never answered. */
  forgive(): void {
    for (const request of this.#requests) if (request.answers === 0) request.isForgiven = true;
  }

  /** The coordinator was closed: everybody must have an answer. */
  allAnswered(): void {
    const silent = this.#requests.find(({ answers, isForgiven }) => answers === 0 && !isForgiven);
    if (silent) throw new Verdict(`${silent.what} was never answered`);
  }

  // --------------------------------------------------------------------------------------------------- assignments

  /** A leader sends its decision. A static member goes by its instance, which stays when it is replaced. */
  decided({ generation, assignments }: SyncGroupCommand, { members }: JoinedGroup): void {
    const instances = new Map(members.map(({ memberId, instanceId }) => [memberId, instanceId]));
    const decided = this.#decided.get(generation) ?? new Map<string, Set<string>>();
    this.#decided.set(generation, decided);
    for (const { memberId, assignment } of assignments) {
      const owner = instances.get(memberId) ?? memberId;
      const texts = decided.get(owner) ?? new Set();
      decided.set(owner, texts.add(Buffer.from(assignment).toString('hex')));
    }
  }

  assigned(
    generation: number,
    owner: string,
    assignment: Uint8Array,
    partitions: Iterable<PartitionName>,
  ): void {
    this.#generations.add(generation);
    const text = Buffer.from(assignment).toString('hex');
    const decided = this.#decided.get(generation)?.get(owner);
    if (text !== '' && !decided?.has(text))
      throw new Verdict(`${owner} got an assignment that nobody decided for it in generation ${generation}`);
    for (const partition of partitions) {
      const place = `${generation}/${partition}`;
      const other = this.#owners.get(place);
      if (other !== undefined && other !== owner)
        throw new Verdict(`${partition} belongs to ${other} and to ${owner} in generation ${generation}`);
      this.#owners.set(place, owner);
    }
  }

  /** Two processes run in the name of this instance. */
  contested(instanceId: string): void {
    this.#contested.add(instanceId);
  }

  fenced(instanceId: string | null, memberId: string): void {
    if (instanceId === null || !this.#contested.has(instanceId))
      throw new Verdict(`${memberId} is fenced, but nobody else is ${instanceId}`);
  }

  // -------------------------------------------------------------------------------------------------------- offsets

  committing(offsets: ReadonlyMap<PartitionName, number>): void {
    for (const [partition, offset] of offsets)
      this.#highest.set(partition, Math.max(offset, this.#highest.get(partition) ?? -1));
  }

  committed(offsets: ReadonlyMap<PartitionName, number>): void {
    this.commits++;
    for (const [partition, offset] of offsets)
      this.#acknowledged.set(partition, Math.max(offset, this.#acknowledged.get(partition) ?? -1));
  }

  /** What must be found by who asks from now on. */
  get acknowledged(): ReadonlyMap<PartitionName, number> {
    return new Map(this.#acknowledged);
  }

  fetched(partition: PartitionName, offset: number, asked: ReadonlyMap<PartitionName, number>): void {
    this.fetches++;
    const least = asked.get(partition) ?? -1;
    if (offset < least) throw new Verdict(`${partition} was committed at ${least} and is at ${offset} now`);
    const most = this.#highest.get(partition) ?? -1;
    if (offset > most)
      throw new Verdict(`${partition} is at ${offset}, but nobody committed more than ${most}`);
  }

  /** What is in the log: offsets that only grow. */
  readLog(log: readonly CoordinatorRecord[]): void {
    const last = new Map<PartitionName, number>();
    for (const record of log) {
      const decoded = decodeRecord(record);
      if (decoded.type !== 'offset') continue;
      const { place, stored } = decoded;
      const partition = `${place.topic}-${place.partition}`;
      if (stored === null) throw new Verdict(`the offset of ${partition} was deleted`);
      const before = last.get(partition) ?? -1;
      if (stored.offset < before)
        throw new Verdict(`${partition} went back from ${before} to ${stored.offset} in the log`);
      last.set(partition, stored.offset);
    }
    for (const [partition, offset] of this.#acknowledged) {
      if ((last.get(partition) ?? -1) < offset)
        throw new Verdict(`the log has ${last.get(partition)} for ${partition}, acknowledged was ${offset}`);
    }
  }
}
