// Fetch: the router's thread reads the segment files itself, up to what each partition's owner published. The bytes go from
// the page cache into a run of the read buffer and from there to the socket, never re-encoded. A fetch has two phases:
//
//   look   how much is there for each partition? Not enough: park until an owner publishes, or the wait is over. Whoever is woken looks
//          only at the partitions that something happened to
//   read   partition by partition; on this thread what comes from the page cache, the rest on a helper thread. Much of one partition
//          is not read at all where the transport can send it from its file: then only how much there is of it is found out
//
// The read phase waits until the peer reads its earlier answers, so that a stalled consumer holds one answer's memory.
import type { Clock, Timer } from '../base/clock.js';
import type { ErrorName } from '../base/errors.js';
import type { Offset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { Piece } from '../base/piece.js';
import type { Disk } from '../io/disk.js';
import { AnswerMemory, type AnswerPart } from './answer-memory.js';
import type { FetchCounters } from './metrics/counters.js';
import { type SeenOffsets, type Sight, seenOffsets, seePartition } from './partition-sight.js';
import { type BatchReadResult, READ_COST_BYTES, readBatches } from './read-batches.js';
import type { ReadBuffer } from './read-buffer.js';
import { type SlicedBatches, sliceBatches } from './slice-batches.js';
import type { PartitionEntry } from './topic-table.js';
import { type Attendant, type FetchTarget, type Watched, WatchList } from './watch-list.js';

interface FetchBounds {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** Over all partitions; the first batch comes whole even if it is larger (KIP-74). */
  readonly maxBytes: number;
}

/** What is to be read: all of some targets, which are opened if need be, or what is ready of a list, whose partitions have been opened. */
export type FetchRequest<Target extends FetchTarget = FetchTarget> = FetchBounds &
  (
    | { readonly targets: readonly Target[] }
    | {
        readonly watch: WatchList<Target>;
        /** The answer may end where it is full: the rest stays ready. */
        readonly mayOmit: boolean;
      }
  );

export interface Fetched extends SeenOffsets {
  readonly error: ErrorName;
  /** Whole batches, in memory or in their file, to be used until the answer is released; null if there are none. */
  readonly records: Piece | null;
  /** There are some, but no room for them in this answer. */
  readonly leavesRecords: boolean;
}

/** What a fetch gave. `release` must be called once when the records are no longer needed. */
export interface FetchAnswer<Target extends FetchTarget = FetchTarget> {
  /** Those of the request, or those that were ready. */
  readonly targets: readonly Target[];
  /** Of the targets, in their order; the last ones may be missing if the request said so. */
  readonly partitions: readonly Fetched[];
  readonly release: () => void;
}

export interface FetchPorts {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly readBuffer: ReadBuffer;
  readonly counters: FetchCounters;
  /** Opens partitions that have no route; calls back when each has one or has failed. May call back at once. */
  readonly withRoutes: (entries: readonly PartitionEntry[], done: () => void) => void;
  /** Reads one after the other per connection, while the peer reads its answers. May call back at once. */
  readonly inTurn: (read: (over: () => void) => void) => void;
  /** Runs a function at the end of the current turn. */
  readonly defer: (run: () => void) => void;
  /** Runs a function in a later turn, after sockets had theirs. */
  readonly later: (run: () => void) => void;
  /** Records of so many bytes may leave as slices of their file. */
  readonly sliceBytesMin: number;
}

/** One answer's records at most, whatever the client allows. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** One read for one partition. */
const READ_BYTES_MAX = 1024 * 1024;
/** After so much has been read others have their turn: producers do not wait for a large answer. */
const TURN_BYTES = 1024 * 1024;

/** Bytes in a sealed segment: more waiting will not increase them. */
const isSealed = ({ found, published }: Sight): boolean =>
  found !== null && found.segmentBaseOffset !== published?.segmentBaseOffset;

/** One fetch request from its arrival to its answer. */
export class Fetch<Target extends FetchTarget = FetchTarget> implements Attendant {
  readonly #request: FetchRequest<Target>;
  readonly #ports: FetchPorts;
  readonly #done: (answer: FetchAnswer<Target>) => void;
  readonly #deadlineMs: number;
  /** The request's, or one of its own. */
  #watch: WatchList<Target> | null = null;
  /** All of the latter. */
  readonly #own: Watched<Target>[] = [];
  #timer: Timer | null = null;
  #ended = false;
  #reading = false;
  #parked = false;
  #looksLater = false;
  readonly #endOfWait = (): void => this.cancel();

  constructor(request: FetchRequest<Target>, ports: FetchPorts, done: (answer: FetchAnswer<Target>) => void) {
    this.#request = request;
    this.#ports = ports;
    this.#done = done;
    this.#deadlineMs = ports.clock.monotonicMs() + request.maxWaitMs;
  }

  start(): void {
    const request = this.#request;
    if ('watch' in request) this.#begin();
    else {
      this.#ports.withRoutes(unrouted(request.targets), () => {
        if (!this.#ended && !this.#reading) this.#begin();
      });
    }
  }

  /** Ends the wait: what is there is the answer. Nothing if it is being read already. */
  cancel(): void {
    if (!this.#ended && !this.#reading) this.#read();
  }

  /** The peer is gone: no answer is wanted. */
  abandon(): void {
    this.#leave();
    this.#ended = true;
  }

  news(): void {
    if (this.#looksLater) return;
    this.#looksLater = true;
    this.#ports.defer(() => {
      this.#looksLater = false;
      if (this.#parked) this.#look();
    });
  }

  dismissed(): void {
    this.cancel();
  }

  #begin(): void {
    const request = this.#request;
    if (request.minBytes === 0 || request.maxWaitMs === 0) {
      this.#read();
      return;
    }
    const watch = 'watch' in request ? request.watch : new WatchList<Target>();
    if ('targets' in request) for (const target of request.targets) this.#own.push(watch.add(target));
    this.#watch = watch;
    watch.attend(this);
    this.#look();
  }

  /** Looks at what nobody looked at since something happened to it, and parks unless that is enough. */
  #look(): void {
    const watch = this.#watch;
    if (!watch) return;
    for (let some = watch.unlooked(); some.length > 0; some = watch.unlooked()) {
      for (const watched of some) {
        if (watched.hasEnded) continue;
        const { entry, offset } = watched.target;
        const sight = seePartition(entry, offset, this.#ports.logger);
        if (sight.error === 'NONE') watch.saw(watched, sight);
        if (sight.error !== 'NONE' || isSealed(sight) || this.#hasEnough(watch)) {
          this.#read();
          return;
        }
      }
      for (const watched of some) watch.watch(watched);
    }
    if (this.#ports.clock.monotonicMs() >= this.#deadlineMs) this.#read();
    else if (!this.#parked) this.#park();
  }

  #hasEnough({ availableBytes }: WatchList<Target>): boolean {
    const { minBytes, maxBytes } = this.#request;
    return availableBytes >= Math.max(1, Math.min(minBytes, maxBytes, ANSWER_BYTES_MAX));
  }

  #park(): void {
    const { counters, clock } = this.#ports;
    this.#parked = true;
    counters.parked++;
    counters.parkings++;
    this.#timer = clock.after(this.#deadlineMs - clock.monotonicMs(), this.#endOfWait);
  }

  #leave(): void {
    if (this.#parked) this.#ports.counters.parked--;
    this.#parked = false;
    if (this.#timer) this.#ports.clock.cancel(this.#timer);
    this.#timer = null;
    const watch = this.#watch;
    this.#watch = null;
    watch?.leave(this);
    if ('targets' in this.#request) watch?.end(this.#own);
  }

  #read(): void {
    this.#leave();
    this.#reading = true;
    const request = this.#request;
    const isWatch = 'watch' in request;
    const targets = isWatch ? request.watch.ready().map(({ target }) => target) : request.targets;
    const mayOmit = isWatch && request.mayOmit;
    this.#ports.inTurn((over) => {
      if (this.#ended) {
        over();
        return;
      }
      const reading = new Reading({ targets, maxBytes: request.maxBytes, mayOmit }, this.#ports, (answer) => {
        if (this.#ended) answer.release();
        else {
          this.#ended = true;
          this.#done(answer);
        }
        over();
      });
      reading.next();
    });
  }
}

/** The partitions that have to be opened. */
export function unrouted(targets: readonly FetchTarget[]): PartitionEntry[] {
  const entries: PartitionEntry[] = [];
  for (const { entry } of targets) if (entry && !entry.route) entries.push(entry);
  return entries;
}

/** What was read of a partition, or is to be sent from its file. */
interface FoundRecords {
  readonly release: () => void;
  readonly records: Piece;
  readonly nextOffset: Offset;
}

interface ReadingRequest<Target extends FetchTarget> {
  readonly targets: readonly Target[];
  readonly maxBytes: number;
  readonly mayOmit: boolean;
}

/**
 * The read phase: one partition after the other into memory of the answer. Batches without records are passed over as
 * long as others follow: some clients do not come further with an answer that has nothing else.
 */
class Reading<Target extends FetchTarget> {
  readonly #targets: readonly Target[];
  readonly #mayOmit: boolean;
  readonly #ports: FetchPorts;
  readonly #done: (answer: FetchAnswer<Target>) => void;
  readonly #partitions: Fetched[] = [];
  readonly #memory: AnswerMemory;
  /** Of the slices. */
  readonly #releases: (() => void)[] = [];
  #hasRecords = false;
  /** Nothing more is read: there is no memory, or no room for the batch whose turn it was. */
  #isFull = false;
  #left: number;
  /** The size of the batch that is to be read next, once it is known to be more than was asked for. */
  #firstBatchBytes = 0;
  #turnBytes = 0;
  /** Of the partition whose turn it is. While it is not its answer yet, it is only batches without records. */
  #read: FoundRecords | null = null;

  constructor(
    { targets, maxBytes, mayOmit }: ReadingRequest<Target>,
    ports: FetchPorts,
    done: (answer: FetchAnswer<Target>) => void,
  ) {
    this.#targets = targets;
    this.#mayOmit = mayOmit;
    this.#left = Math.min(maxBytes, ANSWER_BYTES_MAX);
    this.#ports = ports;
    this.#done = done;
    this.#memory = new AnswerMemory(ports.readBuffer);
  }

  next(): void {
    for (;;) {
      const target = this.#targets[this.#partitions.length];
      if (!target || (this.#isFull && this.#mayOmit)) {
        this.#finish();
        return;
      }
      if (this.#turnBytes >= TURN_BYTES) {
        this.#turnBytes = 0;
        this.#ports.later(() => this.next());
        return;
      }
      // Each partition is looked at again when its turn comes: what was seen before need not be there any more.
      const offset = this.#read?.nextOffset ?? target.offset;
      const sight = seePartition(target.entry, offset, this.#ports.logger);
      const { found, route, published } = sight;
      const bound = target.maxBytes === 0 ? READ_BYTES_MAX : Math.min(target.maxBytes, READ_BYTES_MAX);
      const wanted = found ? Math.min(found.endPosition - found.position, bound, this.#left) : 0;
      if (!found || !route || !published || (wanted <= 0 && this.#hasRecords)) {
        if (found) this.#isFull = true;
        this.#add(sight);
        continue;
      }
      const look = { route, published, found, wantedBytes: wanted };
      const sliced = sliceBatches(look, this.#ports.sliceBytesMin, this.#ports);
      if (sliced) {
        this.#addSlice(sight, sliced);
        continue;
      }
      const part = this.#memory.part(wanted, this.#firstBatchBytes);
      if (!part) {
        // What was read already goes first; with nothing in hand there is something to wait for.
        if (!this.#hasRecords && !this.#read) {
          this.#ports.readBuffer.whenFree(() => this.next());
          return;
        }
        this.#isFull = true;
        this.#add(sight);
        continue;
      }
      const wantedBytes = Math.max(wanted, this.#firstBatchBytes);
      const read = { route, published, found, run: part, wantedBytes, offset };
      let arrivedLater = false;
      const isOver = readBatches(read, this.#ports, (result) => {
        this.#arrived(sight, part, result);
        if (arrivedLater) this.next();
      });
      arrivedLater = true;
      if (!isOver) return;
    }
  }

  #addSlice(sight: Sight, { slice, nextOffset, release }: SlicedBatches): void {
    this.#read?.release();
    this.#read = { records: slice, nextOffset, release };
    this.#releases.push(release);
    this.#turnBytes += READ_COST_BYTES;
    this.#ports.readBuffer.counts.slices++;
    this.#add(sight);
  }

  #arrived(sight: Sight, part: AnswerPart, result: BatchReadResult): void {
    switch (result.type) {
      case 'read': {
        const { records, nextOffset, isEmptied } = result;
        part.keep(records.length);
        this.#read?.release();
        this.#read = { release: part.release, records, nextOffset };
        this.#firstBatchBytes = 0;
        this.#turnBytes += Math.max(records.length, READ_COST_BYTES);
        if (!isEmptied) this.#add(sight);
        return;
      }
      case 'failed':
        this.#add(sight, result.error);
        return;
      case 'larger':
        // It comes whole, but only as the answer's first. Another look first: the reader may have closed the file meanwhile.
        if (!this.#hasRecords) this.#firstBatchBytes = result.batchBytes;
        else {
          if (result.batchBytes > this.#left) this.#isFull = true;
          this.#add(sight);
        }
        return;
    }
  }

  /** The answer of the partition is what was read of it, if anything was, or an error. */
  #add(sight: Sight, error = sight.error): void {
    const read = this.#read;
    this.#firstBatchBytes = 0;
    this.#read = null;
    let records: Piece | null = null;
    if (read && error !== 'NONE') read.release();
    else if (read) {
      this.#hasRecords = true;
      this.#left -= read.records.length;
      records = read.records;
    }
    const { highWatermark, lastStableOffset, logStartOffset } = seenOffsets(sight);
    const leavesRecords = records === null && sight.found !== null;
    this.#partitions.push({ error, highWatermark, lastStableOffset, logStartOffset, records, leavesRecords });
  }

  #finish(): void {
    const releases = this.#releases;
    this.#done({
      targets: this.#targets,
      partitions: this.#partitions,
      release: () => {
        this.#memory.release();
        for (const release of releases.splice(0)) release();
      },
    });
  }
}
