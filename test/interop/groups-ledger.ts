// What must hold of the records that a group processed: nothing is lost, each member reads each partition in order while
// it owns it, and a record is processed twice only if a member was killed before it could commit.

/** What a member said, in its own order. */
export type MemberEvent =
  | { readonly type: 'assigned' | 'revoked' | 'lost'; readonly partitions: readonly number[] }
  | {
      readonly type: 'record';
      readonly partition: number;
      readonly offset: number;
      readonly key: string;
      readonly value: string;
    }
  /** By partition the offset of the record that comes next. */
  | { readonly type: 'committed'; readonly ends: ReadonlyMap<number, number> }
  | { readonly type: 'commit-failed' | 'problem'; readonly text: string }
  | { readonly type: 'left' };

export interface MemberHistory {
  readonly name: string;
  readonly wasKilled: boolean;
  readonly events: readonly MemberEvent[];
}

/** The records of a topic: key and value follow from the place. */
export interface NumberedTopic {
  /** The records of each partition. */
  readonly ends: readonly number[];
  readonly recordAt: (partition: number, offset: number) => { readonly key: string; readonly value: string };
}

export interface Ledger {
  readonly records: number;
  /** `partition:offset` of records that nobody processed. */
  readonly lost: readonly string[];
  /** How many times records were processed again. */
  readonly duplicates: number;
  /** Those of them that no kill explains, as `partition:offset first → second`. */
  readonly unexplained: readonly string[];
  /** Gaps, steps back, foreign records: what a member should not have seen while it owned a partition. */
  readonly disorder: readonly string[];
  /** Partitions given to a member, all together. */
  readonly assignments: number;
  readonly commitsFailed: readonly string[];
}

interface Processed {
  readonly by: string;
  /** Killed before this was committed. */
  readonly wasInDoubt: boolean;
}

/** Checks what the members of one group did with a topic, when all is processed and all members have ended. */
export function checkGroup(topic: NumberedTopic, members: readonly MemberHistory[]): Ledger {
  const processed = new Map<string, Processed[]>();
  const disorder: string[] = [];
  for (const member of members) {
    for (const { place, isCommitted } of recordsOf(topic, member, disorder)) {
      const all = processed.get(place) ?? [];
      all.push({ by: member.name, wasInDoubt: member.wasKilled && !isCommitted });
      processed.set(place, all);
    }
  }
  const lost = topic.ends.flatMap((end, partition) =>
    Array.from({ length: end }, (_, offset) => `${partition}:${offset}`).filter(
      (place) => !processed.has(place),
    ),
  );
  let duplicates = 0;
  const unexplained: string[] = [];
  for (const [place, all] of processed) {
    duplicates += all.length - 1;
    const certain = all.filter(({ wasInDoubt }) => !wasInDoubt);
    if (certain.length > 1) unexplained.push(`${place} ${certain.map(({ by }) => by).join(' → ')}`);
  }
  const events = members.flatMap((member) => member.events);
  return {
    records: topic.ends.reduce((sum, end) => sum + end, 0),
    lost,
    duplicates,
    unexplained,
    disorder,
    assignments: events.reduce(
      (sum, event) => sum + (event.type === 'assigned' ? event.partitions.length : 0),
      0,
    ),
    commitsFailed: events.flatMap((event) => (event.type === 'commit-failed' ? [event.text] : [])),
  };
}

/** What a member processed; what it did out of order goes to `disorder`. */
function recordsOf(topic: NumberedTopic, { name, events }: MemberHistory, disorder: string[]) {
  const records: { readonly place: string; isCommitted: boolean }[] = [];
  /** By partition that it owns the next offset; null before the first record. */
  const owned = new Map<number, number | null>();
  const pending = new Map<number, { readonly offset: number; readonly record: { isCommitted: boolean } }[]>();
  for (const event of events) {
    if (event.type === 'assigned') for (const partition of event.partitions) owned.set(partition, null);
    else if (event.type === 'revoked' || event.type === 'lost') {
      for (const partition of event.partitions) {
        owned.delete(partition);
        pending.delete(partition);
      }
    } else if (event.type === 'committed') {
      for (const [partition, end] of event.ends) {
        for (const { offset, record } of pending.get(partition) ?? []) record.isCommitted ||= offset < end;
      }
    } else if (event.type === 'record') {
      const { partition, offset } = event;
      const next = owned.get(partition);
      const at = `${name}: ${partition}:${offset}`;
      if (next === undefined) disorder.push(`${at} is not its partition`);
      else if (next !== null && next !== offset) disorder.push(`${at} comes where ${next} should`);
      owned.set(partition, offset + 1);
      const wanted = topic.recordAt(partition, offset);
      if (event.key !== wanted.key || event.value !== wanted.value) {
        disorder.push(`${at} has ${event.key} ${event.value}, not ${wanted.key} ${wanted.value}`);
      }
      const record = { place: `${partition}:${offset}`, isCommitted: false };
      records.push(record);
      const uncommitted = (pending.get(partition) ?? []).filter((one) => !one.record.isCommitted);
      pending.set(partition, [...uncommitted, { offset, record }]);
    } else if (event.type === 'problem') disorder.push(`${name}: ${event.text}`);
  }
  return records;
}
