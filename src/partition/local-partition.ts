// A partition as somebody on its owner's thread uses it: appends go to the actor without a ring, reads come from the files up to
// what the actor published, as the router's do.
import { ViewReader } from '../actor/view.js';
import type { Clock } from '../base/clock.js';
import type { ErrorName } from '../base/errors.js';
import type { Offset } from '../base/ids.js';
import type { Disk } from '../io/disk.js';
import { type Found, LogReader } from '../log/log-reader.js';
import { wholeBatches } from '../log/whole-batches.js';
import type { PartitionHost } from './partition-host.js';

export interface LocalPartitionOptions {
  readonly host: PartitionHost;
  readonly views: Int32Array;
  readonly slot: number;
  readonly generation: number;
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  /** The largest batch that the topic takes. */
  readonly batchBytesMax: number;
}

/** What a read gave. */
export type ReadPiece =
  /** Whole batches, in memory of their own; `nextOffset` lies behind the last of them. */
  | { readonly type: 'batches'; readonly bytes: Buffer; readonly nextOffset: Offset }
  /** Nothing committed is left behind the offset. */
  | { readonly type: 'end' }
  | { readonly type: 'failed'; readonly reason: string };

interface WantedPiece {
  readonly offset: Offset;
  readonly bytesMax: number;
  readonly triesLeft: number;
}

/** How often a file may be gone that was found a moment before. */
const TRIES = 3;
/** One read, unless a single batch is larger. */
const PIECE_BYTES = 64 * 1024;

export class LocalPartition {
  readonly batchBytesMax: number;
  readonly #options: LocalPartitionOptions;
  readonly #view: ViewReader;
  readonly #reader: LogReader;
  #closed = false;

  constructor(options: LocalPartitionOptions) {
    const { views, slot, generation, directory, disk, batchBytesMax } = options;
    this.#options = options;
    this.batchBytesMax = batchBytesMax;
    this.#view = new ViewReader(views, slot, generation);
    this.#reader = new LogReader({ directory, disk });
  }

  /** Where the log starts, up to where it is committed, and where it ends; null once the partition is closed. */
  extent(): { startOffset: Offset; committedOffset: Offset; endOffset: Offset } | null {
    const published = this.#closed ? null : this.#view.read();
    if (!published) return null;
    const { logStartOffset, highWatermark, logEndOffset } = published;
    return { startOffset: logStartOffset, committedOffset: highWatermark, endOffset: logEndOffset };
  }

  /** Reads whole batches below the high watermark, from the one on that holds the offset. `done` is called once, in a later turn. */
  read(offset: Offset, done: (piece: ReadPiece) => void): void {
    this.#read({ offset, bytesMax: PIECE_BYTES, triesLeft: TRIES }, done);
  }

  #read(wanted: WantedPiece, done: (piece: ReadPiece) => void): void {
    const { offset } = wanted;
    const later = (piece: ReadPiece) => this.#options.clock.after(0, () => done(piece));
    const published = this.#closed ? null : this.#view.read();
    if (!published) {
      later({ type: 'failed', reason: 'the partition is not open' });
      return;
    }
    const place = this.#reader.locate(offset, published);
    switch (place.type) {
      case 'found':
        this.#readAt(place, wanted, published.highWatermark, done);
        return;
      case 'end':
        later(place);
        return;
      case 'out-of-range':
        later({ type: 'failed', reason: `offset ${offset} is not in the log any more` });
        return;
      case 'corrupt':
        later({ type: 'failed', reason: `${place.path} is corrupt at ${place.position}: ${place.reason}` });
        return;
      case 'failed':
        later({ type: 'failed', reason: place.error.message });
        return;
    }
  }

  #readAt(place: Found, wanted: WantedPiece, limitOffset: Offset, done: (piece: ReadPiece) => void): void {
    const { file, position, endPosition } = place;
    const { bytesMax, triesLeft } = wanted;
    const buffer = Buffer.allocUnsafeSlow(Math.min(bytesMax, endPosition - position));
    this.#options.disk.readLater(file, position, buffer, (error, bytes) => {
      if (error?.code === 'ENOENT' && triesLeft > 0) {
        // Deleted or replaced since it was found.
        this.#reader.forget();
        this.#read({ ...wanted, triesLeft: triesLeft - 1 }, done);
        return;
      }
      if (error) {
        done({ type: 'failed', reason: error.message });
        return;
      }
      const whole = wholeBatches(buffer, bytes, limitOffset);
      const { firstBatchBytes } = whole;
      if (whole.batches > 0) {
        if (!this.#closed) this.#reader.remember(whole.nextOffset, place, position + whole.bytes);
        done({ type: 'batches', bytes: buffer.subarray(0, whole.bytes), nextOffset: whole.nextOffset });
      } else if (firstBatchBytes !== null && firstBatchBytes > bytesMax && !this.#closed) {
        // Another look first: the reader may have closed the file meanwhile.
        this.#read({ ...wanted, bytesMax: firstBatchBytes }, done);
      } else {
        const reason = whole.reason ?? 'a batch is cut off';
        done({ type: 'failed', reason: `${file.path} cannot be read at ${position}: ${reason}` });
      }
    });
  }

  /**
   * Appends batches, in order, with one write; offsets and epoch are stamped in place. `done` is called once, maybe at once: with
   * null when all are committed, else with the first error; what came before it may be in the log.
   */
  append(batches: readonly Buffer[], done: (error: ErrorName | null) => void): void {
    const { host, slot, generation } = this.#options;
    let left = batches.length;
    let failure: ErrorName | null = null;
    host.append({ slot, generation, batches }, (error) => {
      if (error !== 'NONE') failure ??= error;
      if (--left === 0) done(failure);
    });
  }

  /** Lets go of its files. The partition stays open. */
  close(): void {
    this.#closed = true;
    this.#reader.close();
  }
}
