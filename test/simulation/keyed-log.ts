// What is known of a log that is compacted: which record is the newest of its key, and which were found gone. A record may go when
// a newer one has its key, or when it is a deletion that was kept for long enough; and what is gone stays gone.

/** Orders what clients did: a moment is later than another if its number is higher. */
export type Moment = number;

/** What a record of a compacted topic is, besides its bytes. */
export interface KeyedRecord {
  readonly key: string;
  /** It has no value: its key is to be forgotten. */
  readonly isDeletion: boolean;
}

export class KeyedLog {
  readonly #newest = new Map<string, number>();
  /** When a record was first found to be gone. */
  readonly #gone = new Map<number, Moment>();
  /** The offsets of the records that were there when the log was last read whole. */
  present: ReadonlySet<number> = new Set();

  /** A record is known to be at the offset. */
  put(offset: number, { key }: KeyedRecord): void {
    this.#newest.set(key, Math.max(offset, this.#newest.get(key) ?? -1));
  }

  /** Whether a newer record has its key. */
  isSuperseded(offset: number, { key }: KeyedRecord): boolean {
    return (this.#newest.get(key) ?? -1) > offset;
  }

  /** The record was not there; true if that is news. */
  goneAt(offset: number, now: Moment): boolean {
    if (this.#gone.has(offset)) return false;
    this.#gone.set(offset, now);
    return true;
  }

  /** Whether it was known to be gone when something was asked. */
  wasGone(offset: number, asked: Moment): boolean {
    return (this.#gone.get(offset) ?? asked) < asked;
  }

  /** After a loss of power: files that were replaced may be back, and these records are left. */
  restart(records: Iterable<readonly [offset: number, record: KeyedRecord]>): void {
    this.#gone.clear();
    this.#newest.clear();
    for (const [offset, record] of records) this.put(offset, record);
  }
}
