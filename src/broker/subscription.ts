// A subscription: streams of records that the broker sends on its own, as far as the client granted credit. A stream reads one
// partition from an offset on. It is either
//
//   opening   its partition is being opened
//   ready     it stands in the line of streams that may have something to send
//   parked    there was nothing: its partition's next publication, or the loss of its route, makes it ready
//
// Streams in the line are served in turns of the connection, as fetches are, while there is credit. A turn ends after so many
// bytes, and the next one comes after other connections had theirs. Bytes go from the page cache into a run of the read
// buffer and on to the socket. Nothing is read ahead: what a subscription holds is its streams' places, and the runs that the
// kernel has not taken yet.
import { assert } from '../base/assert.js';
import type { ErrorName } from '../base/errors.js';
import { type SeenOffsets, type Sight, seenOffsets, seePartition } from './partition-sight.js';
import { type BatchReadPorts, type BatchReadResult, READ_COST_BYTES, readBatches } from './read-batches.js';
import type { ReadRun } from './read-buffer.js';
import type { PartitionEntry } from './topic-table.js';

export interface StreamBegin {
  readonly streamId: number;
  /** undefined: there is no such partition. */
  readonly entry: PartitionEntry | undefined;
  /** Any number; outside the log the stream ends with OFFSET_OUT_OF_RANGE. */
  readonly offset: number;
  /** Empty: whichever topic has the name. */
  readonly topicId: string;
}

/** What is sent for a stream. `release` must be called once when the records are no longer needed. */
export interface StreamPush extends SeenOffsets {
  readonly streamId: number;
  /** If it is not NONE, the stream has ended. */
  readonly error: ErrorName;
  readonly records: Buffer | null;
  readonly release: () => void;
}

export interface SubscriptionOptions {
  readonly creditBytes: number;
  /** 0: as much as one push may have. */
  readonly pushBytesMax: number;
}

export interface SubscriptionPorts extends BatchReadPorts {
  /** Opens partitions that have no route; calls back when each has one or has failed. May call back at once. */
  readonly withRoutes: (entries: readonly PartitionEntry[], done: () => void) => void;
  /** Reads one after the other per connection, while the peer reads what it gets. May call back at once. */
  readonly inTurn: (read: (over: () => void) => void) => void;
  /** Runs a function in a later turn, after sockets had theirs. */
  readonly later: (run: () => void) => void;
  readonly push: (push: StreamPush) => void;
  /** So many streams have ended. */
  readonly ended: (streams: number) => void;
}

/** The credit of a subscription is never higher. */
export const CREDIT_BYTES_MAX = 2 ** 30;
/** One push, but for a single batch that is larger. */
const PUSH_BYTES_MAX = 1024 * 1024;
/**
 * The rest of the credit that waits for the next grant: a part of what there was after the last one, within a bound. Pushing to the
 * last byte would end each grant with a push that is not worth its while.
 */
const REST_SHARE = 16;
const REST_BYTES_MAX = 128 * 1024;
/** What one turn of a subscription sends, or a little more. */
const TURN_BYTES = 1024 * 1024;

/** So many streams that ended may stand in the line, besides as many as there are others. */
const ENDED_IN_LINE_MAX = 64;

const restOf = (creditBytes: number): number =>
  Math.min(Math.floor(Math.max(0, creditBytes) / REST_SHARE), REST_BYTES_MAX);

const nothingToRelease = (): void => {};

class Stream {
  readonly id: number;
  readonly entry: PartitionEntry | undefined;
  readonly topicId: string;
  readonly look: () => void;
  /** What is to be sent next. */
  offset: number;
  isReady = false;
  hasEnded = false;
  /** The client heard of it. */
  hasSpoken = false;
  /** The size of the next batch, once it is known to be more than was asked for. */
  nextBatchBytes = 0;

  constructor({ streamId, entry, offset, topicId }: StreamBegin, look: (stream: Stream) => void) {
    this.id = streamId;
    this.entry = entry;
    this.offset = offset;
    this.topicId = topicId;
    this.look = () => look(this);
  }
}

export class Subscription {
  readonly #ports: SubscriptionPorts;
  readonly #pushBytesMax: number;
  readonly #streams = new Map<number, Stream>();
  /** The line: who is served next stands first. Those that ended are passed over, or taken out when they are many. */
  #ready: Stream[] = [];
  #creditBytes: number;
  /** Nothing is sent unless there is more credit than this. */
  #restBytes: number;
  /** What is left of the turn; null: it has none, and none is coming. */
  #turn: { leftBytes: number; over: () => void } | null = null;
  #asksForTurn = false;
  #hasEnded = false;

  constructor({ creditBytes, pushBytesMax }: SubscriptionOptions, ports: SubscriptionPorts) {
    this.#ports = ports;
    this.#creditBytes = Math.min(creditBytes, CREDIT_BYTES_MAX);
    this.#restBytes = restOf(this.#creditBytes);
    this.#pushBytesMax = pushBytesMax === 0 ? PUSH_BYTES_MAX : Math.min(pushBytesMax, PUSH_BYTES_MAX);
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Below zero after a batch that was larger than it. */
  get creditBytes(): number {
    return this.#creditBytes;
  }

  hasStream(streamId: number): boolean {
    return this.#streams.has(streamId);
  }

  /** Begins streams with numbers that are not in use; `opened` is called when their partitions are open or could not be opened. */
  begin(starts: readonly StreamBegin[], opened: () => void): void {
    assert(!this.#hasEnded, 'a subscription that has ended begins nothing');
    const streams = starts.map((start) => new Stream(start, (stream) => this.#wake(stream)));
    for (const stream of streams) {
      assert(!this.#streams.has(stream.id), 'a stream has a number of its own');
      this.#streams.set(stream.id, stream);
    }
    // Each waits for its own partition: one that takes its time, as after a crash, does not hold up the others.
    let opening = streams.length + 1;
    let isBeginning = true;
    const ended = () => {
      if (--opening === 0) opened();
    };
    for (const stream of streams) {
      this.#ports.withRoutes(stream.entry ? [stream.entry] : [], () => {
        this.#line(stream);
        if (!isBeginning) this.#askForTurn();
        ended();
      });
    }
    isBeginning = false;
    this.#askForTurn();
    ended();
  }

  /** Ends streams without a word; numbers that are not in use do no harm. */
  endStreams(streamIds: readonly number[]): void {
    for (const id of streamIds) {
      const stream = this.#streams.get(id);
      if (stream) this.#forget(stream);
    }
    // Without credit nobody passes them over, while others begin.
    if (this.#ready.length > 2 * this.#streams.size + ENDED_IN_LINE_MAX)
      this.#ready = this.#ready.filter(({ hasEnded }) => !hasEnded);
  }

  /** More may be sent. */
  grant(bytes: number): void {
    this.#creditBytes = Math.min(this.#creditBytes + bytes, CREDIT_BYTES_MAX);
    this.#restBytes = restOf(this.#creditBytes);
    this.#askForTurn();
  }

  /** Ends all streams: nothing is pushed from here on. */
  end(): void {
    this.#hasEnded = true;
    for (const stream of this.#streams.values()) this.#forget(stream);
    this.#ready.length = 0;
  }

  #forget(stream: Stream): void {
    stream.hasEnded = true;
    stream.entry?.waiting.delete(stream.look);
    this.#streams.delete(stream.id);
    this.#ports.ended(1);
  }

  #wake(stream: Stream): void {
    this.#line(stream);
    this.#askForTurn();
  }

  #line(stream: Stream): void {
    if (stream.isReady || stream.hasEnded) return;
    stream.isReady = true;
    this.#ready.push(stream);
  }

  get #wantsTurn(): boolean {
    return !this.#hasEnded && this.#ready.length > 0 && this.#creditBytes > this.#restBytes;
  }

  #askForTurn(): void {
    if (!this.#wantsTurn || this.#asksForTurn || this.#turn) return;
    this.#asksForTurn = true;
    this.#ports.inTurn((over) => {
      this.#asksForTurn = false;
      this.#turn = { leftBytes: TURN_BYTES, over };
      this.#serve();
    });
  }

  /** Serves streams until the turn is over, or one of them has to wait: then it goes on later. */
  #serve(): void {
    while (this.#wantsTurn && this.#turn && this.#turn.leftBytes > 0) {
      const stream = this.#ready.shift();
      if (!stream || stream.hasEnded) continue;
      stream.isReady = false;
      if (!this.#serveStream(stream)) return;
    }
    const turn = this.#turn;
    this.#turn = null;
    turn?.over();
    if (this.#wantsTurn) this.#ports.later(() => this.#askForTurn());
  }

  /** False: it takes longer. */
  #serveStream(stream: Stream): boolean {
    const sight = this.#see(stream);
    const { found, route, published } = sight;
    if (sight.error !== 'NONE') {
      this.#endWith(stream, sight, sight.error);
      return true;
    }
    if (!found || !route || !published) {
      this.#park(stream, sight);
      return true;
    }
    const { readBuffer } = this.#ports;
    const boundBytes = Math.min(this.#pushBytesMax, this.#creditBytes);
    const wantedBytes = Math.max(
      Math.min(found.endPosition - found.position, boundBytes),
      stream.nextBatchBytes,
    );
    const run = readBuffer.acquire(wantedBytes, stream.nextBatchBytes);
    if (!run) {
      stream.isReady = true;
      this.#ready.unshift(stream);
      readBuffer.whenFree(() => this.#memoryIsFree());
      return false;
    }
    let arrivesLater = false;
    const read = { route, published, found, run, wantedBytes, offset: stream.offset };
    const isOver = readBatches(read, this.#ports, (result) => {
      this.#arrived(stream, sight, run, result);
      if (arrivesLater) this.#serve();
    });
    arrivesLater = true;
    return isOver;
  }

  #memoryIsFree(): void {
    // Whoever was told of free memory and takes none passes it on.
    if (!this.#wantsTurn) this.#ports.readBuffer.acquire(1)?.release();
    this.#serve();
  }

  #see({ entry, offset, topicId }: Stream): Sight {
    if (entry && topicId !== '' && entry.topic.image.topicId !== topicId) {
      return { route: null, published: null, found: null, error: 'UNKNOWN_TOPIC_ID' };
    }
    return seePartition(entry, offset, this.#ports.logger);
  }

  #arrived(stream: Stream, sight: Sight, run: ReadRun, result: BatchReadResult): void {
    if (stream.hasEnded) {
      if (result.type === 'read') run.release();
      return;
    }
    switch (result.type) {
      case 'read': {
        const { records, nextOffset } = result;
        assert(nextOffset > stream.offset, 'a stream goes forward');
        stream.offset = nextOffset;
        stream.nextBatchBytes = 0;
        this.#creditBytes -= records.length;
        if (this.#turn) this.#turn.leftBytes -= Math.max(records.length, READ_COST_BYTES);
        this.#push(stream, sight, { error: 'NONE', records, release: run.release });
        this.#line(stream);
        return;
      }
      case 'larger':
        // Another look first: the reader may have closed the file meanwhile.
        stream.nextBatchBytes = result.batchBytes;
        stream.isReady = true;
        this.#ready.unshift(stream);
        return;
      case 'failed':
        this.#endWith(stream, sight, result.error);
        return;
    }
  }

  #endWith(stream: Stream, sight: Sight, error: ErrorName): void {
    this.#forget(stream);
    this.#push(stream, sight, { error, records: null, release: nothingToRelease });
  }

  #push(
    stream: Stream,
    sight: Sight,
    sent: { error: ErrorName; records: Buffer | null; release: () => void },
  ): void {
    stream.hasSpoken = true;
    this.#ports.push({ streamId: stream.id, ...seenOffsets(sight), ...sent });
  }

  #park(stream: Stream, sight: Sight): void {
    if (!stream.hasSpoken) {
      this.#push(stream, sight, { error: 'NONE', records: null, release: nothingToRelease });
    }
    const { route, published } = sight;
    stream.entry?.waiting.add(stream.look);
    route?.view.want();
    // The owner may have published between the look and the wish.
    const now = route?.view.read();
    if (now?.highWatermark === published?.highWatermark && now?.logStartOffset === published?.logStartOffset)
      return;
    stream.entry?.waiting.delete(stream.look);
    this.#line(stream);
  }
}
