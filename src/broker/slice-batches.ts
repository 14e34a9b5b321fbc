// Batches that leave without being read here: the transport has the kernel pass their part of the segment's file to the socket. How far
// whole batches reach, their headers tell, or the index and the headers of the last ones.
import type { Logger } from '../base/log.js';
import type { FileSlice } from '../base/piece.js';
import { type Disk, DiskError, type LentFile } from '../io/disk.js';
import type { BatchRun } from '../log/log-reader.js';
import type { BatchRead } from './read-batches.js';

export interface SlicedBatches extends BatchRun {
  readonly slice: FileSlice;
  /** To be called once, when the slice was sent or is not wanted. */
  readonly release: () => void;
}

/** What finding a run reads: some headers. */
const LOOK_BYTES = 64 * 1024;

/** Null if it is not worth it, or not possible now: then the batches are to be read. */
export function sliceBatches(
  { route, published, found, wantedBytes }: Omit<BatchRead, 'run' | 'offset'>,
  bytesMin: number,
  { disk, logger }: { readonly disk: Disk; readonly logger: Logger },
): SlicedBatches | null {
  const { pace, reader, traffic } = route;
  if (wantedBytes < bytesMin || !pace.mayBlock) return null;
  const run = pace.here(LOOK_BYTES, () => reader.runFrom(found, wantedBytes, published));
  if (!run || run.bytes < bytesMin) return null;
  const lent = lend(disk, found.file);
  if (!lent) return null;
  traffic.fetchedBytes += run.bytes;
  reader.remember(run.nextOffset, found, found.position + run.bytes);
  const slice: FileSlice = {
    length: run.bytes,
    position: found.position,
    descriptor: lent.descriptor,
    get mayBlock() {
      return pace.mayBlock;
    },
    sending: (call) => pace.sending(call),
    read(at, target, done) {
      const into = target.subarray(0, Math.min(target.length, run.bytes - at));
      if (!pace.mayBlock) {
        const ended = pace.elsewhere();
        lent.readLater(found.position + at, into, (error, bytes) => {
          ended();
          done(error, bytes);
        });
        return;
      }
      let bytes = 0;
      try {
        bytes = pace.here(into.length, () => lent.read(found.position + at, into));
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        done(error, 0);
        return;
      }
      done(null, bytes);
    },
    failed: (reason, position) =>
      logger.error('a segment cannot be read', { file: found.file.path, position, reason }),
  };
  return { ...run, slice, release: () => lent.release() };
}

function lend(disk: Disk, file: BatchRead['found']['file']): LentFile | null {
  try {
    return disk.lend(file);
  } catch (error) {
    if (error instanceof DiskError) return null; // A read will find the same, and tell.
    throw error;
  }
}
