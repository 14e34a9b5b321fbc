// One read of one partition: from the page cache into a run of the read buffer, and what of it can be sent.
import type { Published } from '../actor/view.js';
import type { ErrorName } from '../base/errors.js';
import type { Offset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Found } from '../log/log-reader.js';
import { wholeBatches } from '../log/whole-batches.js';
import { readBatchBytes, readRecordCount } from '../record/batch-header.js';
import { READ_BYTES_MIN } from './answer-memory.js';
import type { ReadBuffer, ReadRun } from './read-buffer.js';
import type { Route } from './topic-table.js';

export interface BatchRead {
  readonly route: Route;
  readonly published: Published;
  readonly found: Found;
  readonly run: ReadRun;
  /** No more than this is read, but for what shows the size of a batch. */
  readonly wantedBytes: number;
  /** The offset that is looked for, for the log. */
  readonly offset: number;
}

export type BatchReadResult =
  /** Whole batches below the high watermark, in the run's memory. */
  | {
      readonly type: 'read';
      readonly records: Buffer;
      readonly nextOffset: Offset;
      /** Compaction left nothing but their headers of all of them. */
      readonly isEmptied: boolean;
    }
  /**
   * The first batch is larger than what was read; 0: its file is gone, or another one has its place. It is to be looked for
   * again. The run is released.
   */
  | { readonly type: 'larger'; readonly batchBytes: number }
  /** The run is released. */
  | { readonly type: 'failed'; readonly error: ErrorName };

export interface BatchReadPorts {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly readBuffer: ReadBuffer;
}

/** This close to the end of a log its pages are certainly in the cache. */
const HOT_BYTES = 4 * 1024 * 1024;
/** What a read counts for at least where turns are shared out: its call takes as long as so many bytes from the page cache. */
export const READ_COST_BYTES = 64 * 1024;

/** Reads; true if `done` was called already, false if it will be called in a later turn. */
export function readBatches(
  read: BatchRead,
  ports: BatchReadPorts,
  done: (result: BatchReadResult) => void,
): boolean {
  const { found, published, run, wantedBytes } = read;
  const availableBytes = found.endPosition - found.position;
  const length = Math.min(run.bytes.length, Math.max(wantedBytes, READ_BYTES_MIN), availableBytes);
  const into = run.bytes.subarray(0, length);
  const isCached = found.segmentBaseOffset === published.segmentBaseOffset && availableBytes <= HOT_BYTES;
  const { pace } = read.route;
  if (!isCached && !pace.mayBlock) {
    ports.readBuffer.counts.coldReads++;
    const ended = pace.elsewhere();
    ports.disk.readLater(found.file, found.position, into, (error, bytes) => {
      ended();
      done(error ? failed(read, error, ports) : arrived(read, into, bytes, ports));
    });
    return false;
  }
  ports.readBuffer.counts.hotReads++;
  let bytes: number;
  try {
    const readHere = (): number => ports.disk.read(found.file, found.position, into);
    bytes = isCached ? readHere() : pace.here(length, readHere);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    done(failed(read, error, ports));
    return true;
  }
  done(arrived(read, into, bytes, ports));
  return true;
}

function arrived(
  { found, published, route, run, offset, wantedBytes }: BatchRead,
  into: Buffer,
  bytes: number,
  { logger, readBuffer }: BatchReadPorts,
): BatchReadResult {
  const whole = wholeBatches(into, bytes, published.highWatermark);
  // A batch of which only the header is left may be more than was wanted, though it is less than the least that is read.
  if (whole.bytes > 0 && whole.bytes <= wantedBytes) {
    route.traffic.fetchedBytes += whole.bytes;
    route.reader.remember(whole.nextOffset, found, found.position + whole.bytes);
    const records = into.subarray(0, whole.bytes);
    return { type: 'read', records, nextOffset: whole.nextOffset, isEmptied: isEmptied(records) };
  }
  run.release();
  const { firstBatchBytes } = whole;
  const file = found.file.path;
  if (firstBatchBytes === null || firstBatchBytes > found.endPosition - found.position) {
    const reason = whole.reason ?? 'the segment ends inside a batch';
    logger.error('invalid record batch in a segment', { file, position: found.position, reason, offset });
    return { type: 'failed', error: 'CORRUPT_MESSAGE' };
  }
  if (firstBatchBytes > readBuffer.bytes) {
    logger.error('a record batch is larger than the read buffer', { file, bytes: firstBatchBytes });
    return { type: 'failed', error: 'MESSAGE_TOO_LARGE' };
  }
  return { type: 'larger', batchBytes: firstBatchBytes };
}

function isEmptied(batches: Buffer): boolean {
  for (let at = 0; at < batches.length; at += readBatchBytes(batches, at))
    if (readRecordCount(batches, at) > 0) return false;
  return true;
}

function failed({ run, route }: BatchRead, error: DiskError, { logger }: BatchReadPorts): BatchReadResult {
  run.release();
  if (error.code === 'ENOENT') {
    route.reader.forget();
    return { type: 'larger', batchBytes: 0 };
  }
  logger.error('a segment cannot be read', { file: error.path, reason: error.message });
  return { type: 'failed', error: 'KAFKA_STORAGE_ERROR' };
}
