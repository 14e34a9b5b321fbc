// The judge of what is read from topics that are compacted and deleted while records come and the broker is killed.
//
//   offsets         ascend; the log start never goes back, and nothing is read below it
//   a record        stays at its offset as it was sent, as long as it is there, and is there once
//   of each key     the newest record that was acknowledged, or was once read, can be read, or a newer one; unless it is a
//                   tombstone or lies below the log start, and then no older record of the key is there
//   whatever went   never comes back
//   not compacted   without gaps, from the log start on
//
// Readings take time, and compaction goes on meanwhile: what a reading did not meet is gone for the readings that begin later.
import type { CleanedRecord, CleanedTopic } from './cleaning-records.js';

export interface PlacedRecord extends CleanedRecord {
  readonly offset: number;
}

/** What one reading found in a partition. */
export interface Reading {
  /** The log starts before and after. */
  readonly logStartBefore: number;
  readonly logStartAfter: number;
  /** In the order in which they came. */
  readonly records: readonly PlacedRecord[];
}

/** What was known when a reading began. */
export interface Snapshot {
  readonly number: number;
  readonly newest: ReadonlyMap<string, PlacedRecord>;
  /** One behind the last record that was known. */
  readonly endOffset: number;
}

export interface Departures {
  superseded: number;
  tombstones: number;
  belowLogStart: number;
}

const nameOf = ({ key, sequence, isTombstone }: CleanedRecord) =>
  `${key}/${sequence}${isTombstone ? ' (tombstone)' : ''}`;

/** One partition. */
export class PartitionLedger {
  readonly #topic: CleanedTopic;
  readonly #name: string;
  /** Records that are known and were not missed yet, by offset. */
  readonly #present = new Map<number, PlacedRecord>();
  /** Offsets of what went, with the number of the reading that missed it. */
  readonly #gone = new Map<number, number>();
  /** Of each key, the offsets of its records by sequence. */
  readonly #offsets = new Map<string, number[]>();
  readonly #newest = new Map<string, PlacedRecord>();
  #logStart = 0;
  #endOffset = 0;
  #readings = 0;
  readonly departures: Departures = { superseded: 0, tombstones: 0, belowLogStart: 0 };

  constructor(topic: CleanedTopic, partition: number) {
    this.#topic = topic;
    this.#name = `${topic.name}-${partition}`;
  }

  get logStart(): number {
    return this.#logStart;
  }

  get endOffset(): number {
    return this.#endOffset;
  }

  /** The broker said that the record is at its offset. Throws if another is, or if the record is elsewhere. */
  acknowledge(record: PlacedRecord): void {
    this.#learn(record);
  }

  /** To be called before a reading begins; all that is known by then is what the reading must find. */
  begin(): Snapshot {
    return {
      number: ++this.#readings,
      newest: new Map(this.#newest),
      endOffset: this.#endOffset,
    };
  }

  /** Throws, with the place, if what was read cannot be. */
  judge(snapshot: Snapshot, reading: Reading): void {
    this.#raiseLogStart(reading.logStartBefore);
    const newestRead = this.#takeIn(snapshot, reading);
    this.#raiseLogStart(reading.logStartAfter);
    for (const newest of snapshot.newest.values())
      this.#judgeKey(snapshot, newest, newestRead.get(newest.key));
    const read = new Set(reading.records.map(({ offset }) => offset));
    if (!this.#topic.isCompacted) this.#judgeDensity(snapshot, reading, read);
    this.#dismiss(snapshot, read);
  }

  /** Looks at each record that was read; returns the newest one of each key. */
  #takeIn(snapshot: Snapshot, { logStartBefore, records }: Reading): Map<string, PlacedRecord> {
    const newest = new Map<string, PlacedRecord>();
    let last = logStartBefore - 1;
    for (const record of records) {
      const { offset, key, sequence } = record;
      if (offset <= last) this.#fail(`offset ${offset} comes after ${last}`);
      last = offset;
      const missedBy = this.#gone.get(offset);
      if (missedBy !== undefined && missedBy < snapshot.number) {
        this.#fail(`${nameOf(record)} at offset ${offset} was gone, and came back`);
      }
      const older = newest.get(key);
      if (older && older.sequence >= sequence) this.#fail(`${nameOf(record)} comes after ${nameOf(older)}`);
      newest.set(key, record);
      if (missedBy === undefined) this.#learn(record);
    }
    return newest;
  }

  #judgeKey({ number }: Snapshot, newest: PlacedRecord, read: PlacedRecord | undefined): void {
    if (read && read.offset >= newest.offset) return;
    if (newest.offset < this.#logStart) return;
    if (this.#topic.isCompacted) {
      // A newer record may have come behind the reading's end, and compaction have taken this one away; or the reading met a value
      // before that was compacted away, and then missed its tombstone. What is really wrong is so for the next reading, too.
      const missedBy = this.#gone.get(newest.offset);
      if (missedBy === undefined || missedBy >= number) return;
      if (newest.isTombstone && !read) return;
      if (newest.isTombstone && read) {
        this.#fail(`${nameOf(read)} is there without its tombstone, ${nameOf(newest)}`);
      }
    }
    const found = read ? `only ${nameOf(read)}` : 'nothing';
    this.#fail(`${nameOf(newest)} at offset ${newest.offset} is lost: there is ${found}`);
  }

  #judgeDensity({ endOffset }: Snapshot, { records }: Reading, read: ReadonlySet<number>): void {
    const first = Math.max(records[0]?.offset ?? endOffset, this.#logStart);
    for (let offset = first; offset < endOffset; offset++) {
      if (!read.has(offset)) this.#fail(`there is nothing at offset ${offset}`);
    }
    if (first > this.#logStart) this.#fail(`it begins at ${first}, and the log at ${this.#logStart}`);
  }

  /** What was there when the reading began and was not met is gone. */
  #dismiss({ number, endOffset }: Snapshot, read: ReadonlySet<number>): void {
    for (const [offset, record] of this.#present) {
      if (offset >= endOffset || read.has(offset)) continue;
      this.#present.delete(offset);
      this.#gone.set(offset, number);
      if (offset < this.#logStart) this.departures.belowLogStart++;
      else if (this.#newest.get(record.key)?.offset === offset) this.departures.tombstones++;
      else this.departures.superseded++;
    }
  }

  #learn(record: PlacedRecord): void {
    const { offset, key, sequence } = record;
    const offsets = this.#offsets.get(key) ?? [];
    this.#offsets.set(key, offsets);
    const before = offsets[sequence];
    if (before !== undefined) {
      if (before !== offset) this.#fail(`${nameOf(record)} is at offsets ${before} and ${offset}`);
      const known = this.#present.get(offset);
      if (known && known.isTombstone !== record.isTombstone) {
        this.#fail(`${nameOf(known)} is at offset ${offset} as ${nameOf(record)}`);
      }
      return;
    }
    const other = this.#present.get(offset);
    if (other) this.#fail(`${nameOf(record)} is at offset ${offset}, where ${nameOf(other)} was`);
    if (this.#gone.has(offset)) this.#fail(`${nameOf(record)} is at offset ${offset}, where another was`);
    offsets[sequence] = offset;
    this.#present.set(offset, record);
    this.#endOffset = Math.max(this.#endOffset, offset + 1);
    const newest = this.#newest.get(key);
    if (!newest) this.#newest.set(key, record);
    else {
      const isNewer = sequence > newest.sequence;
      if (isNewer !== offset > newest.offset) {
        this.#fail(`${nameOf(record)} is at offset ${offset}, and ${nameOf(newest)} at ${newest.offset}`);
      }
      if (isNewer) this.#newest.set(key, record);
    }
  }

  #raiseLogStart(offset: number): void {
    if (offset < this.#logStart) this.#fail(`the log start went back from ${this.#logStart} to ${offset}`);
    if (offset > 0 && !this.#topic.isDeleted)
      this.#fail(`it begins at ${offset}, and nothing deletes from it`);
    this.#logStart = offset;
  }

  #fail(what: string): never {
    throw new Error(`${this.#name}: ${what}`);
  }
}
