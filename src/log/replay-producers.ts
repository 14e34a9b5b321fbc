// Learns from the headers of a segment's batches who wrote them: what a job thread does for a log that was not closed with a
// snapshot of its producers. Stateless; changes nothing on disk.
import type { Offset } from '../base/ids.js';
import type { Disk } from '../io/disk.js';
import { BatchWalker } from './batch-walker.js';
import { type ProducerState, ProducerStates } from './producer-states.js';

export interface ProducerReplayInput {
  /** The `.log` file. */
  readonly path: string;
  /** The segment's base offset. */
  readonly baseOffset: Offset;
  /** Where to begin, which is the start of a batch, and where the batches end. */
  readonly fromPosition: number;
  readonly endPosition: number;
  /** Only batches that reach `fromOffset`, which may lie inside one (a log start), and begin before `endOffset` count. */
  readonly fromOffset: number;
  readonly endOffset: number;
  /** What is known of the batches before. */
  readonly producers: readonly ProducerState[];
  /** When the producers that are found wrote last, as far as can be told. */
  readonly nowMs: number;
}

export interface ProducerReplayOutput {
  readonly producers: readonly ProducerState[];
  /** Why not all was read; null if it was. */
  readonly problem: string | null;
}

declare module '../io/jobs.js' {
  interface JobTable {
    'replay-producers': { input: ProducerReplayInput; output: ProducerReplayOutput };
  }
}

/** O(batches). Throws DiskError. */
export function replayProducers(disk: Disk, input: ProducerReplayInput): ProducerReplayOutput {
  const producers = new ProducerStates(input.producers);
  const file = disk.open(input.path, 'read');
  try {
    const walker = new BatchWalker(disk, file, input.fromPosition, input.endPosition, input.baseOffset);
    while (walker.next() && walker.baseOffset < input.endOffset) {
      if (walker.lastOffset >= input.fromOffset) producers.apply(walker.header(), 0, input.nowMs);
    }
    return { producers: [...producers.all], problem: walker.problem };
  } finally {
    disk.close(file);
  }
}
