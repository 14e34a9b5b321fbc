// How much a recovery has to look at: asked once after a crash, to show how far it is. A job, because it lists every folder.
import { join } from 'node:path';
import type { Offset } from '../base/ids.js';
import { type Disk, DiskError } from '../io/disk.js';
import { parseSegmentFileName } from './file-names.js';

/** A log that a crash left behind. */
export interface LogToMeasure {
  /** The partition's folder. */
  readonly directory: string;
  readonly recoveryPoint: Offset;
}

declare module '../io/jobs.js' {
  interface JobTable {
    'measure-recovery': { input: readonly LogToMeasure[]; output: readonly number[] };
  }
}

/**
 * For each log, the bytes of the segments that reach behind its recovery point; 0 if they cannot be measured. The scan of the
 * first of them may begin in its middle, so it is the most that there is to scan. O(files).
 */
export function measureRecovery(disk: Disk, logs: readonly LogToMeasure[]): number[] {
  return logs.map((log) => {
    try {
      return unflushedBytes(disk, log);
    } catch (error) {
      if (error instanceof DiskError) return 0; // Its recovery will say what is wrong.
      throw error;
    }
  });
}

function unflushedBytes(disk: Disk, { directory, recoveryPoint }: LogToMeasure): number {
  const segments = disk.list(directory).flatMap((name) => {
    const parsed = parseSegmentFileName(name);
    return parsed?.suffix === 'log' ? [{ name, baseOffset: parsed.baseOffset }] : [];
  });
  const first = segments.findLastIndex(({ baseOffset }) => baseOffset < recoveryPoint);
  let bytes = 0;
  for (const { name } of segments.slice(Math.max(first, 0))) {
    const file = disk.open(join(directory, name), 'read');
    bytes += disk.size(file);
    disk.close(file);
  }
  return bytes;
}
