// A group of four members over twelve partitions while records flow: members join, leave, are killed and start again, as a
// seed says.
import type { Random } from '../../src/base/random.js';
import { type Assignor, type GroupClient, startMember } from './groups-clients.js';
import { checkGroup, type Ledger } from './groups-ledger.js';
import { type Member, type MemberPlan, until } from './groups-member.js';
import { committedOffsets, NumberedRecords } from './groups-records.js';

export const PARTITIONS = 12;
/** The least that brokers allow. */
const SESSION_TIMEOUT_MS = 6_000;
/** How much a group processes between two things that happen to it. */
const RECORDS_BETWEEN = 240;

export interface GroupOptions {
  readonly bootstrap: string;
  readonly group: string;
  readonly assignor: Assignor;
  /** Each new member is one of the next client, in turns. */
  readonly clients: readonly GroupClient[];
  readonly plan?: Partial<MemberPlan>;
}

/** The members of one group. */
export class Group {
  readonly records: NumberedRecords;
  /** All that there ever were. */
  readonly members: Member[] = [];
  readonly #options: GroupOptions;
  /** By partition, the offset after the last one that a member processed. */
  readonly #nexts: number[] = [];
  /** How many events of each member are in them. */
  readonly #seen = new Map<Member, number>();
  #joined = 0;

  static async create(options: GroupOptions): Promise<Group> {
    const topic = `${options.group}-records`;
    return new Group(options, await NumberedRecords.create(options.bootstrap, topic, PARTITIONS));
  }

  private constructor(options: GroupOptions, records: NumberedRecords) {
    this.#options = options;
    this.records = records;
  }

  get name(): string {
    return this.#options.group;
  }

  get clients(): readonly GroupClient[] {
    return this.#options.clients;
  }

  get living(): readonly Member[] {
    return this.members.filter(({ events, wasKilled }) => !wasKilled && events.at(-1)?.type !== 'left');
  }

  get processed(): number {
    return this.members.reduce((sum, member) => sum + member.records, 0);
  }

  async join(instanceId: string | null = null): Promise<Member> {
    const { bootstrap, group, assignor, clients, plan } = this.#options;
    const number = this.#joined++;
    const client = clients[number % clients.length];
    if (!client) throw new Error('a group without clients');
    const member = await startMember(client, {
      bootstrap,
      group,
      topic: this.records.topic,
      assignor,
      clientId: `${client.name}-${number}`,
      instanceId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      heartbeatIntervalMs: 500,
      commitIntervalMs: 300,
      ...plan,
    });
    this.members.push(member);
    return member;
  }

  /** Waits until each partition has one owner and each member something. */
  async settled(): Promise<void> {
    await until(`${this.#options.group} is settled`, this.living, () => {
      const owned = this.living.flatMap((member) => [...member.owned]);
      const isShared = this.living.every((member) => member.owned.size > 0);
      return isShared && owned.length === PARTITIONS && new Set(owned).size === PARTITIONS;
    });
  }

  /** Waits until the group has processed some more records. */
  async progressed(count = RECORDS_BETWEEN): Promise<void> {
    const wanted = this.processed + count;
    await until(`${this.#options.group} has processed ${wanted}`, this.living, () => {
      this.records.check();
      return this.processed >= wanted;
    });
  }

  /** Waits until all is processed that is there now. */
  async caughtUp(): Promise<void> {
    const { ends } = this.records;
    await until(`${this.#options.group} has caught up`, this.living, () => {
      this.records.check();
      this.#look();
      return ends.every((end, partition) => (this.#nexts[partition] ?? 0) >= end);
    });
  }

  /** Stops the flow, waits until all is processed, and has all members leave. */
  async finish(): Promise<Ledger> {
    await this.records.stop();
    await this.caughtUp();
    await this.settled();
    for (const member of this.living) await member.leave();
    return checkGroup(this.records, this.members);
  }

  async committed(): Promise<readonly number[]> {
    const { bootstrap, group } = this.#options;
    const offsets = await committedOffsets(bootstrap, group, this.records.topic);
    return Array.from({ length: PARTITIONS }, (_, partition) => offsets.get(partition) ?? -1);
  }

  /** Reads on in what the members said. */
  #look(): void {
    for (const member of this.members) {
      const { events } = member;
      for (let at = this.#seen.get(member) ?? 0; at < events.length; at++) {
        const event = events[at];
        if (event?.type !== 'record') continue;
        this.#nexts[event.partition] = Math.max(this.#nexts[event.partition] ?? 0, event.offset + 1);
      }
      this.#seen.set(member, events.length);
    }
  }

  /** Ends what still runs. */
  async end(): Promise<void> {
    await Promise.allSettled([this.records.stop(), ...this.living.map((member) => member.kill())]);
  }
}

const CHANGES = ['join', 'leave', 'kill', 'restart', 'kill-restart'] as const;

/** Brings a group of four through all changes, in an order that the seed gives, and says what came of it. */
export async function churn(group: Group, random: Random): Promise<Ledger> {
  group.records.start();
  await group.join();
  await group.settled();
  await Promise.all([group.join(), group.join(), group.join()]);
  await group.settled();
  await group.caughtUp();
  await group.progressed();
  const changes = [...CHANGES];
  while (changes.length > 0) {
    const [change = 'join'] = changes.splice(random.below(changes.length), 1);
    const victim = group.living[random.below(group.living.length)];
    if (!victim) throw new Error('nobody is left');
    if (change === 'kill' || change === 'kill-restart') await victim.kill();
    else if (change !== 'join') await victim.leave();
    if (change !== 'kill' && change !== 'leave') await group.join();
    await group.settled();
    await group.caughtUp();
    await group.progressed();
  }
  return group.finish();
}
