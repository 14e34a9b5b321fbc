// Fetch: the router's thread reads the segment files itself, up to what each partition's owner published. The bytes go from
// the page cache into a run of the read buffer and from there to the socket, never re-encoded. A fetch has two phases:
//
//   look   how much is there for each partition? Not enough: park until an owner publishes, or the wait is over
//   read   partition by partition; the last few MiB of a log synchronously, older data on a helper thread
//
// The read phase waits until the peer reads its earlier answers, so that a stalled consumer holds one answer's memory.
import type { Published } from '../actor/view.js';
import type { Clock, Timer } from '../base/clock.js';
import type { ErrorName } from '../base/errors.js';
import { toOffset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Found } from '../log/log-reader.js';
import { wholeBatches } from '../log/whole-batches.js';
import type { ReadBuffer, ReadRun } from './read-buffer.js';
import type { PartitionEntry, Route } from './topic-table.js';

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

export interface Fetched {
  readonly error: ErrorName;
  /** -1 with an error, but for OFFSET_OUT_OF_RANGE. */
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** Whole batches, to be used until the answer is released; null if there are none. */
  readonly records: Buffer | null;
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
  /** Opens partitions that have no route; calls back when each has one or has failed. May call back at once. */
  readonly withRoutes: (entries: readonly PartitionEntry[], done: () => void) => void;
  /** Reads one after the other per connection, while the peer reads its answers. May call back at once. */
  readonly inTurn: (read: (over: () => void) => void) => void;
}

/** One answer's records at most, whatever the client allows. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** One read for one partition. */
const READ_BYTES_MAX = 1024 * 1024;
/** This close to the end of a log its pages are certainly in the cache. */
const HOT_BYTES = 4 * 1024 * 1024;

const NOTHING = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, records: null };

interface Sight {
  readonly target: FetchTarget;
  readonly route: Route | null;
  readonly published: Published | null;
  readonly found: Found | null;
  readonly error: ErrorName;
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

  #see(target: FetchTarget): Sight {
    const { entry } = target;
    const blind = (error: ErrorName): Sight => ({ target, route: null, published: null, found: null, error });
    if (!entry || entry.topic.deleted) return blind('UNKNOWN_TOPIC_OR_PARTITION');
    const { route } = entry;
    if (!route) return blind(entry.failure?.error ?? 'NOT_LEADER_OR_FOLLOWER');
    const published = route.view.read();
    if (!published) return blind('NOT_LEADER_OR_FOLLOWER');
    const sight = { target, route, published, found: null, error: 'NONE' as const };
    if (target.offset < published.logStartOffset || target.offset > published.logEndOffset) {
      return { ...sight, error: 'OFFSET_OUT_OF_RANGE' };
    }
    if (target.offset >= published.highWatermark) return sight;
    const place = route.reader.locate(toOffset(target.offset), published);
    switch (place.type) {
      case 'found':
        return { ...sight, found: place };
      case 'end':
        return sight;
      case 'out-of-range':
        return { ...sight, error: 'OFFSET_OUT_OF_RANGE' };
      case 'corrupt':
        this.#ports.logger.error('invalid record batch in a segment', {
          file: place.path,
          position: place.position,
          reason: place.reason,
          offset: target.offset,
        });
        return { ...sight, error: 'CORRUPT_MESSAGE' };
      case 'failed':
        return { ...sight, error: this.#diskError(place.error) };
    }
  }

  /** An error, or enough bytes, or bytes in a sealed segment, which more waiting will not increase. */
  #enough(sights: readonly Sight[]): boolean {
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

  #park(sights: readonly Sight[]): void {
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
      // Each partition is looked at again when its turn comes: what was seen before need not be there any more.
      const see = (target: FetchTarget) => this.#see(target);
      const reading = new Reading(this.#request, see, this.#ports, (answer) => {
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

  #diskError(error: DiskError): ErrorName {
    this.#ports.logger.error('a segment cannot be read', { file: error.path, reason: error.message });
    return 'KAFKA_STORAGE_ERROR';
  }
}

/** The read phase: one partition after the other, each into a run of the read buffer. */
class Reading {
  readonly #targets: readonly FetchTarget[];
  readonly #see: (target: FetchTarget) => Sight;
  readonly #ports: FetchPorts;
  readonly #done: (answer: FetchAnswer) => void;
  readonly #partitions: Fetched[] = [];
  readonly #runs: ReadRun[] = [];
  #left: number;
  /** The size of the batch that is to be read next, once it is known to be more than was asked for. */
  #firstBatchBytes = 0;

  constructor(
    { targets, maxBytes }: FetchRequest,
    see: (target: FetchTarget) => Sight,
    ports: FetchPorts,
    done: (answer: FetchAnswer) => void,
  ) {
    this.#targets = targets;
    this.#see = see;
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
      const sight = this.#see(target);
      const { found } = sight;
      const bound = target.maxBytes === 0 ? READ_BYTES_MAX : Math.min(target.maxBytes, READ_BYTES_MAX);
      const wanted = found ? Math.min(found.endPosition - found.position, bound, this.#left) : 0;
      if (!found || (wanted <= 0 && this.#runs.length > 0)) {
        this.#add(sight, null);
        continue;
      }
      const run = this.#ports.readBuffer.acquire(Math.max(1, wanted), this.#firstBatchBytes);
      if (!run) {
        // What was read already goes first; with nothing in hand there is something to wait for.
        if (this.#runs.length > 0) this.#add(sight, null);
        else {
          this.#ports.readBuffer.whenFree(() => this.next());
          return;
        }
        continue;
      }
      if (!this.#readInto(sight, found, run, Math.max(wanted, this.#firstBatchBytes))) return;
    }
  }

  /** Fills a run from the segment; false if that goes on later. */
  #readInto(sight: Sight, found: Found, run: ReadRun, wanted: number): boolean {
    const target = run.bytes.subarray(0, Math.min(run.bytes.length, Math.max(wanted, MINIMUM_READ_BYTES)));
    const length = Math.min(target.length, found.endPosition - found.position);
    const into = target.subarray(0, length);
    const { published } = sight;
    const hot =
      published !== null &&
      found.segmentBaseOffset === published.segmentBaseOffset &&
      found.endPosition - found.position <= HOT_BYTES;
    if (hot) {
      let bytes: number;
      try {
        bytes = this.#ports.disk.read(found.file, found.position, into);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        this.#failed(sight, run, error);
        return true;
      }
      return this.#arrived(sight, found, run, into, bytes);
    }
    this.#ports.disk.readLater(found.file, found.position, into, (error, bytes) => {
      if (error) this.#failed(sight, run, error);
      else if (!this.#arrived(sight, found, run, into, bytes)) return;
      this.next();
    });
    return false;
  }

  #arrived(sight: Sight, found: Found, run: ReadRun, into: Buffer, bytes: number): boolean {
    const { route, published, target } = sight;
    if (!route || !published) return true;
    const whole = wholeBatches(into, bytes, published.highWatermark);
    if (whole.bytes > 0) {
      this.#runs.push(run);
      this.#left -= whole.bytes;
      route.reader.remember(whole.nextOffset, found.segmentBaseOffset, found.position + whole.bytes);
      this.#add(sight, into.subarray(0, whole.bytes));
      return true;
    }
    run.release();
    const { firstBatchBytes } = whole;
    if (firstBatchBytes === null || firstBatchBytes > found.endPosition - found.position) {
      this.#ports.logger.error('invalid record batch in a segment', {
        file: found.file.path,
        position: found.position,
        reason: whole.reason ?? 'the segment ends inside a batch',
        offset: target.offset,
      });
      this.#add(sight, null, 'CORRUPT_MESSAGE');
      return true;
    }
    // The first batch is larger than what was asked for: it comes whole, but only as the answer's first.
    if (this.#runs.length > 0) {
      this.#add(sight, null);
      return true;
    }
    if (firstBatchBytes > this.#ports.readBuffer.bytes) {
      this.#ports.logger.error('a record batch is larger than the read buffer', {
        file: found.file.path,
        bytes: firstBatchBytes,
      });
      this.#add(sight, null, 'MESSAGE_TOO_LARGE');
      return true;
    }
    // Another look first: the reader may have closed the file while it was read.
    this.#firstBatchBytes = firstBatchBytes;
    return true;
  }

  #failed(sight: Sight, run: ReadRun, error: DiskError): void {
    run.release();
    this.#ports.logger.error('a segment cannot be read', { file: error.path, reason: error.message });
    this.#add(sight, null, 'KAFKA_STORAGE_ERROR');
  }

  #offsets({ published }: Sight) {
    return published
      ? {
          highWatermark: published.highWatermark as number,
          lastStableOffset: published.lastStableOffset as number,
          logStartOffset: published.logStartOffset as number,
        }
      : NOTHING;
  }

  #add(sight: Sight, records: Buffer | null, error = sight.error): void {
    this.#firstBatchBytes = 0;
    this.#partitions.push({ ...this.#offsets(sight), error, records });
  }

  #finish(): void {
    const runs = this.#runs;
    this.#done({
      partitions: this.#partitions,
      release: () => {
        for (const run of runs.splice(0)) run.release();
      },
    });
  }
}

/** A read is never smaller: it must hold a batch header to tell how large the first batch is. */
const MINIMUM_READ_BYTES = 64;
