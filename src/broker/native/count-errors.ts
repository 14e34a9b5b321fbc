import type { Failure } from '../../base/errors.js';
import type { ResponseBody } from '../../protocol/native/messages.js';
import type { RequestCounters } from '../metrics/counters.js';

interface Item {
  readonly error: Failure | null;
}

/** Counts the errors of an answer: its own, or one for each partition or topic that has one. O(partitions). */
export function countErrors(
  counters: RequestCounters,
  body: ResponseBody | null,
  failure: Failure | null,
): void {
  if (failure) counters.failedWith(failure.error);
  switch (body?.type) {
    case 'produce':
    case 'fetch':
    case 'listOffsets':
    case 'describeTopic':
    case 'deleteRecords':
    case 'commitGroupOffsets':
    case 'deleteGroupOffsets':
      count(counters, body.partitions);
      return;
    case 'metadata':
      count(counters, body.topics);
      return;
    default:
  }
}

function count(counters: RequestCounters, items: readonly Item[]): void {
  for (const { error } of items) if (error) counters.failedWith(error.error);
}
