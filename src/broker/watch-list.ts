// The partitions that one reader reads together, a fetch or a fetch session, and which of them may have something for it. Each is either
//
//   ready     it has records, or an error, or something the reader was not told, or nobody has looked since something happened to it
//   resting   a look would find no records, and what the reader was told last. It is registered with the partition, which makes it
//             ready at the next publication, and when its route or its topic is gone
//
// so that an answer costs as much as has changed, and not as much as is watched. What is registered is woken: its view is wanted from
// then on, or a wake-up is on its way. It is compared with what was seen before it was registered: what was published in between
// would be missed otherwise.
import { assert } from '../base/assert.js';
import type { Sight } from './partition-sight.js';
import type { PartitionEntry } from './topic-table.js';

export interface FetchTarget {
  /** undefined: there is no such partition. */
  readonly entry: PartitionEntry | undefined;
  /** Any number; outside the log the answer is OFFSET_OUT_OF_RANGE. */
  readonly offset: number;
  /** 0: no bound of its own. */
  readonly maxBytes: number;
}

/** Who waits for news of a list; one at a time. */
export interface Attendant {
  /** There is something that {@link WatchList.unlooked} gives. Others are woken in the same turn: looking at once is too early. */
  news(): void;
  /** Someone else attends to the list, or there is none any more: this wait is over. */
  dismissed(): void;
}

/** What a reader is told of a partition. */
export interface Telling {
  /** -1 with an error. */
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly hasRecords: boolean;
  /** There is more to say of it: an error, which is repeated, or records that the answer has no room for. */
  readonly isUnfinished: boolean;
}

/** A partition in a list, which alone changes it. */
export class Watched<Target extends FetchTarget> {
  target: Target;
  /** The lower, the earlier it is read. */
  place: number;
  isReady = true;
  /** It stands in the list's line, though it may rest by now. */
  isInLine = true;
  hasEnded = false;
  /** Where it is registered. */
  registeredAt: PartitionEntry | null = null;
  /** What it is registered with. */
  wake: (() => void) | null = null;
  /** Bytes to be read, as of the last look in the wait of this number: they count in no other. */
  availableBytes = 0;
  waitNumber = 0;
  seenHighWatermark = -1;
  seenLogStartOffset = -1;
  /** -1: nothing yet, or an error. */
  toldHighWatermark = -1;
  toldLogStartOffset = -1;

  constructor(target: Target, place: number) {
    this.target = target;
    this.place = place;
  }
}

export class WatchList<Target extends FetchTarget> {
  /** All that are ready, and some that rest or have ended since {@link ready} was called. */
  #line: Watched<Target>[] = [];
  /** Ready ones that were not looked at in this wait, or were woken since. */
  #unlooked: Watched<Target>[] = [];
  #availableBytes = 0;
  #waitNumber = 0;
  #nextPlace = 0;
  #attendant: Attendant | null = null;
  #hasEnded = false;

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What those that were looked at in this wait have to be read. */
  get availableBytes(): number {
    return this.#availableBytes;
  }

  /** Behind all others. */
  add(target: Target): Watched<Target> {
    const watched = new Watched(target, this.#nextPlace++);
    this.#line.push(watched);
    return watched;
  }

  /** The reader asks for it anew. */
  change(watched: Watched<Target>, target: Target): void {
    watched.target = target;
    this.#makeReady(watched);
  }

  remove(watched: Watched<Target>): void {
    this.#unregister(watched);
    this.#available(watched, 0);
    watched.hasEnded = true;
    watched.isReady = false;
  }

  /** Ends the wait, and lets go of all: `all` are those that were added and not removed. Whoever still reads may {@link tell}. */
  end(all: Iterable<Watched<Target>>): void {
    this.dismiss();
    this.#hasEnded = true;
    for (const watched of all) this.remove(watched);
    this.#line = [];
  }

  /** Those that are ready, in the order in which they are to be read. O(n log n) of them, O(n) if none moved. */
  ready(): Watched<Target>[] {
    const ready: Watched<Target>[] = [];
    let last = -1;
    let isInOrder = true;
    for (const watched of this.#line) {
      watched.isInLine = watched.isReady;
      if (!watched.isReady) continue;
      if (watched.place < last) isInOrder = false;
      last = watched.place;
      ready.push(watched);
    }
    if (!isInOrder) ready.sort((a, b) => a.place - b.place);
    this.#line = ready;
    return [...ready];
  }

  // -------------------------------------------------------------------------------------------------------- a wait

  /** Begins a wait: all that are ready are to be looked at. Whoever waited before is dismissed. */
  attend(attendant: Attendant): void {
    this.dismiss();
    this.#attendant = attendant;
    this.#unlooked = this.ready();
    this.#availableBytes = 0;
    this.#waitNumber++;
  }

  /** The wait is over; what is ready stays so. */
  leave(attendant: Attendant): void {
    if (this.#attendant !== attendant) return;
    this.#attendant = null;
    this.#unlooked = [];
  }

  /** Ends the wait of whoever attends. */
  dismiss(): void {
    const attendant = this.#attendant;
    this.#attendant = null;
    this.#unlooked = [];
    attendant?.dismissed();
  }

  /** Those to be looked at now; each is given once, until it is woken again. */
  unlooked(): readonly Watched<Target>[] {
    const unlooked = this.#unlooked;
    this.#unlooked = [];
    return unlooked;
  }

  /** A look found no error. */
  saw(watched: Watched<Target>, { found, published }: Sight): void {
    if (watched.hasEnded) return;
    this.#available(watched, found ? found.endPosition - found.position : 0);
    watched.seenHighWatermark = published?.highWatermark ?? -1;
    watched.seenLogStartOffset = published?.logStartOffset ?? -1;
  }

  /** Whoever waits is told from now on of what happens to one that was looked at. It rests if there is nothing to be said of it. */
  watch(watched: Watched<Target>): void {
    if (watched.hasEnded) return;
    const { seenHighWatermark, seenLogStartOffset } = watched;
    if (!this.#register(watched, seenHighWatermark, seenLogStartOffset)) {
      if (this.#attendant) this.#unlooked.push(watched);
      return;
    }
    const { availableBytes, toldHighWatermark, toldLogStartOffset } = watched;
    const isTold = toldHighWatermark === seenHighWatermark && toldLogStartOffset === seenLogStartOffset;
    if (availableBytes === 0 && isTold) watched.isReady = false;
  }

  // ----------------------------------------------------------------------------------------------------- an answer

  /**
   * Takes note of what the reader is told in answer to `target`; true if it is news. One that gives records is read after the others
   * the next time, and is ready until the reader asks for what follows. One of which there is nothing more to say rests.
   */
  tell(watched: Watched<Target>, target: Target, telling: Telling): boolean {
    const { highWatermark, logStartOffset, hasRecords, isUnfinished } = telling;
    const isChanged =
      watched.toldHighWatermark !== highWatermark || watched.toldLogStartOffset !== logStartOffset;
    watched.toldHighWatermark = highWatermark;
    watched.toldLogStartOffset = logStartOffset;
    if (hasRecords) watched.place = this.#nextPlace++;
    if (watched.hasEnded) return true;
    // Another request may have asked for something else meanwhile.
    const mayRest = !hasRecords && !isUnfinished && watched.target === target;
    if (mayRest && this.#register(watched, highWatermark, logStartOffset)) watched.isReady = false;
    else this.#makeReady(watched);
    return isChanged || hasRecords;
  }

  #makeReady(watched: Watched<Target>): void {
    assert(!watched.hasEnded, 'what has ended is not watched');
    watched.isReady = true;
    if (watched.isInLine) return;
    watched.isInLine = true;
    this.#line.push(watched);
  }

  #available(watched: Watched<Target>, bytes: number): void {
    const before = watched.waitNumber === this.#waitNumber ? watched.availableBytes : 0;
    this.#availableBytes += bytes - before;
    watched.availableBytes = bytes;
    watched.waitNumber = this.#waitNumber;
  }

  /** Registers with the partition; false if the log is not as it was seen before: another look is needed. */
  #register(watched: Watched<Target>, seenHighWatermark: number, seenLogStartOffset: number): boolean {
    const { entry } = watched.target;
    if (!entry?.route) return false;
    const { view } = entry.route;
    if (watched.registeredAt !== entry) {
      this.#unregister(watched);
      watched.wake ??= () => this.#woken(watched);
      entry.waiting.add(watched.wake);
      watched.registeredAt = entry;
      view.want();
    }
    // The owner may have published between the look and the wish.
    const now = view.read();
    return now?.highWatermark === seenHighWatermark && now.logStartOffset === seenLogStartOffset;
  }

  #unregister(watched: Watched<Target>): void {
    if (watched.wake) watched.registeredAt?.waiting.delete(watched.wake);
    watched.registeredAt = null;
  }

  #woken(watched: Watched<Target>): void {
    watched.registeredAt = null;
    if (watched.hasEnded) return;
    this.#makeReady(watched);
    if (!this.#attendant) return;
    this.#unlooked.push(watched);
    this.#attendant.news();
  }
}
