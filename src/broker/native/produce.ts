import type { ErrorName, Failure } from '../../base/errors.js';
import {
  type ProducePartitionResult,
  type ProduceRequest,
  REQUEST_PARTITIONS_MAX,
} from '../../protocol/native/messages.js';
import type { Connection } from '../connection.js';
import type { Frame } from '../frame-receiver.js';
import { type PlacedRecords, placeRecords } from '../place-records.js';
import type { Router } from '../router.js';
import type { PartitionEntry } from '../topic-table.js';
import type { AppendWaiter } from '../worker-link.js';
import type { RequestContext } from './context.js';

/** Hands the batches to their partitions and answers when all have been appended or refused. False: it must wait. */
export function handleProduce(
  router: Router,
  connection: Connection,
  request: ProduceRequest,
  payload: Frame,
  begin: () => RequestContext,
): boolean {
  const problem = requestProblem(request, payload);
  if (problem) {
    begin().fail(problem);
    return true;
  }
  const entries = entriesOf(router, request);
  if (!router.readyToAppend(entries.filter(isKnown), connection)) return false;
  const place = placeRecords(router.options.writeBuffer, connection, payload);
  if (!place) return false;

  const context = begin();
  const results: ProducePartitionResult[] = new Array(request.partitions.length);
  let missing = request.partitions.length;
  submitAll(router, request, entries, place, {
    appended(index, { error, baseOffset, logAppendTimeMs, logStartOffset }) {
      const failure = failureOf(router, entries[index], error);
      results[index] = { error: failure, baseOffset, logAppendTimeMs, logStartOffset };
      if (--missing === 0) context.reply({ type: 'produce', partitions: results });
    },
  });
  if (request.partitions.length === 0) context.reply({ type: 'produce', partitions: [] });
  return true;
}

/** acks none: whatever becomes of the batches, nothing is answered. False: it must wait. */
export function produceWithoutAnswer(
  router: Router,
  connection: Connection,
  request: ProduceRequest,
  payload: Frame,
): boolean {
  if (requestProblem(request, payload)) return true;
  const entries = entriesOf(router, request);
  if (!router.readyToAppend(entries.filter(isKnown), connection)) return false;
  const place = placeRecords(router.options.writeBuffer, connection, payload);
  if (!place) return false;
  submitAll(router, request, entries, place, nobody);
  return true;
}

const nobody: AppendWaiter = { appended() {} };

const failureOf = (router: Router, entry: PartitionEntry | undefined, error: ErrorName): Failure | null =>
  error === 'NONE' ? null : { error, detail: router.adviceFor(entry, error) };

const isKnown = (entry: PartitionEntry | undefined): entry is PartitionEntry => entry !== undefined;

function requestProblem({ partitions }: ProduceRequest, payload: Frame): Failure | null {
  const invalid = (detail: string): Failure => ({ error: 'INVALID_REQUEST', detail });
  if (partitions.length > REQUEST_PARTITIONS_MAX) {
    return invalid(
      `A request may name ${REQUEST_PARTITIONS_MAX} partitions, this one names ${partitions.length}.`,
    );
  }
  let bytes = 0;
  for (const { recordsBytes } of partitions) bytes += recordsBytes;
  const has = payload.end - payload.start;
  return bytes === has
    ? null
    : invalid(`The partitions' batches take ${bytes} bytes, the payload has ${has}.`);
}

function entriesOf({ topics }: Router, { partitions }: ProduceRequest): (PartitionEntry | undefined)[] {
  return partitions.map(({ topic, partition }) => topics.partition(topic, partition));
}

function submitAll(
  router: Router,
  { partitions }: ProduceRequest,
  entries: readonly (PartitionEntry | undefined)[],
  { extent, start }: PlacedRecords,
  waiter: AppendWaiter,
): void {
  let at = start;
  partitions.forEach(({ recordsBytes }, index) => {
    router.append(entries[index], { start: at, bytes: recordsBytes, extent }, waiter, index);
    at += recordsBytes;
  });
  extent.release();
}
