// How many files a thread may keep open at a time. The process's descriptors are few in some places (`ulimit -n` is often 1,024),
// and sockets need them too: the threads that read or write logs share half of them, and none gets more than is of use. Node
// raises the soft limit to the hard one when it starts; what counts is what /proc says after that.
import { readFileSync } from 'node:fs';

const OPEN_FILES_MAX = 512;
/** So many each thread gets in any case: a log needs a handful at a time. */
const OPEN_FILES_MIN = 16;
/** Besides the partition workers: the main thread reads logs, the supervisor's has some of its own. */
const OTHER_THREADS = 2;
const LINE = /^Max open files\s+(\d+)/m;

const readLimits = (): string => readFileSync('/proc/self/limits', 'utf8');

/** The process's limit of descriptors; null where nobody says (no Linux), or there is none. */
export function descriptorLimit(limits: () => string = readLimits): number | null {
  try {
    const soft = LINE.exec(limits())?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null; // A system without /proc.
  }
}

/** The bound of each thread in a broker with so many partition workers. */
export function openFilesPerThread(
  partitionWorkers: number,
  limit: number | null = descriptorLimit(),
): number {
  if (limit === null) return OPEN_FILES_MAX;
  const share = Math.floor(limit / 2 / (partitionWorkers + OTHER_THREADS));
  return Math.max(OPEN_FILES_MIN, Math.min(OPEN_FILES_MAX, share));
}
