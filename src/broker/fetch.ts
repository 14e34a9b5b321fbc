// Fetch: the router's thread reads the segment files itself, up to what each partition's owner published. The bytes go from
// the page cache into a run of the read buffer and from there to the socket, never re-encoded. A fetch has two phases:
//
//   look   how much is there for each partition? Not enough: park until an owner publishes, or the wait is over
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
import type { FetchCounters } from './metrics/counters.js';
import { type SeenOffsets, type Sight, seenOffsets, seePartition } from './partition-sight.js';
import { type BatchReadResult, READ_COST_BYTES, readBatches } from './read-batches.js';
import type { ReadBuffer, ReadRun } from './read-buffer.js';
import { sliceBatches } from './slice-batches.js';
import type { PartitionEntry } from './topic-table.js';

export interface FetchTarget {
  /** undefined: there is no such partition. */
  readonly entry: PartitionEntry | undefined;
  /** Any number; outside the log the answer is OFFSET_OUT_OF_RANGE. */
  readonly offset: number;
  /** 0: no bound of its own. */
  readonly maxBytes: number;
}

export interface FetchRequest {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** Over all partitions; the first batch comes whole even if it is larger (KIP-74). */
  readonly maxBytes: number;
  readonly targets: readonly FetchTarget[];
}

export interface Fetched extends SeenOffsets {
  readonly error: ErrorName;
  /** Whole batches, in memory or in their file, to be used until the answer is released; null if there are none. */
  readonly records: Piece | null;
}

/** What a fetch gave, in the order of its targets. `release` must be called once when the records are no longer needed. */
export interface FetchAnswer {
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

interface TargetSight extends Sight {
  readonly target: FetchTarget;
}

/** One fetch request from its arrival to its answer. */
export class Fetch {
  readonly #request: FetchRequest;
  readonly #ports: FetchPorts;
  readonly #done: (answer: FetchAnswer) => void;
  readonly #deadlineMs: number;
  #timer: Timer | null = null;
  #parkedAt: PartitionEntry[] = [];
  #ended = false;
  #reading = false;
  #parked = false;
  readonly #look = (): void => this.#lookAgain();

  constructor(request: FetchRequest, ports: FetchPorts, done: (answer: FetchAnswer) => void) {
    this.#request = request;
    this.#ports = ports;
    this.#done = done;
    this.#deadlineMs = ports.clock.monotonicMs() + request.maxWaitMs;
  }

  start(): void {
    const entries = this.#request.targets.flatMap(({ entry }) => (entry ? [entry] : []));
    this.#ports.withRoutes(entries, () => {
      if (!this.#ended) this.#lookAgain();
    });
  }

  /** Ends the wait: what is there is the answer. Nothing if it is being read already. */
  cancel(): void {
    if (!this.#ended && !this.#reading) this.#read();
  }

  /** The peer is gone: no answer is wanted. */
  abandon(): void {
    this.#unpark();
    this.#ended = true;
  }

  #lookAgain(): void {
    if (this.#ended || this.#reading) return;
    this.#unpark();
    const sights = this.#request.targets.map((target) => this.#see(target));
    if (this.#enough(sights) || this.#ports.clock.monotonicMs() >= this.#deadlineMs) this.#read();
    else this.#park(sights);
  }

  #see(target: FetchTarget): TargetSight {
    return { target, ...seePartition(target.entry, target.offset, this.#ports.logger) };
  }

  /** An error, or enough bytes, or bytes in a sealed segment, which more waiting will not increase. */
  #enough(sights: readonly TargetSight[]): boolean {
    const { minBytes, maxBytes } = this.#request;
    let available = 0;
    for (const { error, found, published } of sights) {
      if (error !== 'NONE') return true;
      if (!found || !published) continue;
      if (found.segmentBaseOffset !== published.segmentBaseOffset) return true;
      available += found.endPosition - found.position;
    }
    return minBytes === 0 || available >= Math.max(1, Math.min(minBytes, maxBytes, ANSWER_BYTES_MAX));
  }

  #park(sights: readonly TargetSight[]): void {
    this.#parked = true;
    this.#ports.counters.parked++;
    this.#ports.counters.parkings++;
    for (const { target } of sights) {
      if (!target.entry) continue;
      target.entry.waiting.add(this.#look);
      this.#parkedAt.push(target.entry);
      target.entry.route?.view.want();
    }
    this.#timer = this.#ports.clock.after(this.#deadlineMs - this.#ports.clock.monotonicMs(), this.#look);
    // An owner may have published between the look and the wish.
    const missed = sights.some(({ route, published }) => {
      const now = route?.view.read();
      return (
        now?.highWatermark !== published?.highWatermark || now?.logStartOffset !== published?.logStartOffset
      );
    });
    if (missed) this.#lookAgain();
  }

  #unpark(): void {
    if (this.#parked) this.#ports.counters.parked--;
    this.#parked = false;
    for (const entry of this.#parkedAt) entry.waiting.delete(this.#look);
    this.#parkedAt = [];
    if (this.#timer) this.#ports.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #read(): void {
    this.#unpark();
    this.#reading = true;
    this.#ports.inTurn((over) => {
      if (this.#ended) {
        over();
        return;
      }
      const reading = new Reading(this.#request, this.#ports, (answer) => {
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

/** What was read of a partition, or is to be sent from its file. */
interface FoundRecords {
  readonly release: () => void;
  readonly records: Piece;
  readonly nextOffset: Offset;
}

/**
 * The read phase: one partition after the other, each into a run of the read buffer. Batches without records are passed over as
 * long as others follow: some clients do not come further with an answer that has nothing else.
 */
class Reading {
  readonly #targets: readonly FetchTarget[];
  readonly #ports: FetchPorts;
  readonly #done: (answer: FetchAnswer) => void;
  readonly #partitions: Fetched[] = [];
  /** Of the partitions that have records. */
  readonly #releases: (() => void)[] = [];
  #left: number;
  /** The size of the batch that is to be read next, once it is known to be more than was asked for. */
  #firstBatchBytes = 0;
  #turnBytes = 0;
  /** Of the partition whose turn it is. While it is not its answer yet, it is only batches without records. */
  #read: FoundRecords | null = null;

  constructor({ targets, maxBytes }: FetchRequest, ports: FetchPorts, done: (answer: FetchAnswer) => void) {
    this.#targets = targets;
    this.#left = Math.min(maxBytes, ANSWER_BYTES_MAX);
    this.#ports = ports;
    this.#done = done;
  }

  next(): void {
    for (;;) {
      const target = this.#targets[this.#partitions.length];
      if (!target) {
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
      if (!found || !route || !published || (wanted <= 0 && this.#releases.length > 0)) {
        this.#add(sight);
        continue;
      }
      const look = { route, published, found, wantedBytes: wanted };
      const sliced = sliceBatches(look, this.#ports.sliceBytesMin, this.#ports);
      if (sliced) {
        const { slice, nextOffset, release } = sliced;
        this.#read?.release();
        this.#read = { records: slice, nextOffset, release };
        this.#turnBytes += READ_COST_BYTES;
        this.#ports.readBuffer.counts.slices++;
        this.#add(sight);
        continue;
      }
      const run = this.#ports.readBuffer.acquire(Math.max(1, wanted), this.#firstBatchBytes);
      if (!run) {
        // What was read already goes first; with nothing in hand there is something to wait for.
        if (this.#releases.length > 0 || this.#read) this.#add(sight);
        else {
          this.#ports.readBuffer.whenFree(() => this.next());
          return;
        }
        continue;
      }
      const wantedBytes = Math.max(wanted, this.#firstBatchBytes);
      const read = { route, published, found, run, wantedBytes, offset };
      let arrivedLater = false;
      const isOver = readBatches(read, this.#ports, (result) => {
        this.#arrived(sight, run, result);
        if (arrivedLater) this.next();
      });
      arrivedLater = true;
      if (!isOver) return;
    }
  }

  #arrived(sight: Sight, run: ReadRun, result: BatchReadResult): void {
    switch (result.type) {
      case 'read': {
        const { records, nextOffset, isEmptied } = result;
        this.#read?.release();
        this.#read = { release: run.release, records, nextOffset };
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
        if (this.#releases.length > 0) this.#add(sight);
        else this.#firstBatchBytes = result.batchBytes;
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
      this.#releases.push(read.release);
      this.#left -= read.records.length;
      records = read.records;
    }
    this.#partitions.push({ ...seenOffsets(sight), error, records });
  }

  #finish(): void {
    const releases = this.#releases;
    this.#done({
      partitions: this.#partitions,
      release: () => {
        for (const release of releases.splice(0)) release();
      },
    });
  }
}
