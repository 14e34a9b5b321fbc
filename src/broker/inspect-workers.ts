// Asks each partition worker how it is and what it counted. A worker that does not answer in time is reported as such and
// keeps nobody waiting longer.
import type { Sample } from '../base/metric.js';
import type { InspectDetail } from '../partition/messages.js';
import type { DataDirectoryReport } from './data-directory-state.js';
import { OWN_WORKER, type PartitionWorker } from './placement.js';

/** How a thread is, and what it counted. */
export interface ThreadReport {
  /** As it is called in metrics: `main`, `supervisor`, `worker-0` … */
  readonly thread: string;
  /** false: it did not answer in time. */
  readonly responding: boolean;
  /** Logs that take no more records: their files are in doubt. */
  readonly logsOffline: number;
  readonly samples: readonly Sample[];
}

/** What the supervisor's thread says of itself and of the workers. */
export interface Inspected {
  readonly type: 'inspected';
  readonly threads: readonly ThreadReport[];
  /** Partitions that are to be recovered yet. */
  readonly recovering: number;
  /** What they hold that is to be checked yet; 0 until that was measured. */
  readonly recoveringBytes: number;
  readonly directories: readonly DataDirectoryReport[];
}

/** A worker has so long to answer; a disk that takes longer for one write is worth an alarm. */
export const WORKER_INSPECTION_MS = 2000;
/** The supervisor has so long, the time that it gives the workers included. */
export const INSPECTION_MS = 3000;

export const notResponding = (thread: string): ThreadReport => ({
  thread,
  responding: false,
  logsOffline: 0,
  samples: [],
});

/** What the thread of a worker is called in metrics. */
export const workerLabel = (worker: number): string =>
  worker === OWN_WORKER ? 'supervisor' : `worker-${worker}`;

/** Calls back once, in the order of the workers; at once if there are none. */
export function inspectWorkers(
  workers: ReadonlyMap<number, PartitionWorker>,
  detail: InspectDetail,
  done: (reports: readonly ThreadReport[]) => void,
): void {
  const reports: ThreadReport[] = [];
  let left = workers.size;
  if (left === 0) done(reports);
  let place = 0;
  for (const [index, worker] of workers) {
    const at = place++;
    const thread = workerLabel(index);
    worker.ask({ type: 'inspect', detail }, WORKER_INSPECTION_MS, (reply) => {
      reports[at] =
        reply.type === 'inspected'
          ? { thread, responding: true, logsOffline: reply.logsOffline, samples: reply.samples }
          : notResponding(thread);
      if (--left === 0) done(reports);
    });
  }
}
