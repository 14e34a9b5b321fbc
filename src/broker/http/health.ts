// Whether the broker is ready: it takes requests, every thread answers, and the disk takes what is written.
import type { Inspected } from '../inspect-workers.js';

export interface Readiness {
  readonly ready: boolean;
  /** Why it is not. */
  readonly reason?: string;
  /** Partitions that a crash left behind and that are to be checked yet; they are served as soon as someone asks for them. */
  readonly recovering?: number;
  /** What they hold that is to be checked yet, as far as it is known. */
  readonly recoveringBytes?: number;
  /** Data directories without room on their disk: records for them are refused, all else is served. */
  readonly full?: readonly string[];
}

/**
 * `obstacle` says why the broker serves nobody, whatever its threads say (it starts, stops, has failed), or is null;
 * `inspected` what the threads said, or null if the supervisor did not answer.
 *
 * A log that is offline makes the broker unready as a whole: its disk refused a write, the partition takes no more records, and
 * only a restart on a sound disk helps. So does a data directory that is offline. A recovery in the background does not:
 * partitions that are asked for come first. Nor does a full disk: it is read, and what helps is room, not another broker.
 */
export function readinessOf(obstacle: string | null, inspected: Inspected | null): Readiness {
  const reason = obstacle ?? problemOf(inspected);
  const { recovering = 0, recoveringBytes = 0 } = inspected ?? {};
  const full = inspected?.directories.flatMap((directory) => (directory.full ? [directory.path] : [])) ?? [];
  return {
    ready: reason === null,
    ...(reason !== null && { reason }),
    ...(recovering > 0 && { recovering }),
    ...(recoveringBytes > 0 && { recoveringBytes }),
    ...(full.length > 0 && { full }),
  };
}

function problemOf(inspected: Inspected | null): string | null {
  if (inspected === null) return 'the supervisor does not answer';
  const stuck = inspected.threads.filter(({ responding }) => !responding).map(({ thread }) => thread);
  if (stuck.length > 0) return `threads do not answer: ${stuck.join(', ')}`;
  const dead = inspected.directories.find((directory) => directory.offline !== null);
  if (dead) return `the data directory ${dead.path} is offline: ${dead.offline}`;
  const offline = inspected.threads.reduce((sum, { logsOffline }) => sum + logsOffline, 0);
  if (offline === 0) return null;
  return `${offline} ${offline === 1 ? 'log is' : 'logs are'} offline: the disk refused a write; see the log`;
}
