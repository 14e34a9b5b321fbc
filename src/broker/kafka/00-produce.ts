// Produce: hands each partition's batch to its owner and answers when all have been appended or refused. The batches stay in
// the frame, or are copied once into the write buffer if the frame came into private memory.
//
// v13 names topics by id. With acks 0 there is no answer; an error closes the connection, which is all a client can notice.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import type { Extent } from '../../partition/write-buffer.js';
import { produce } from '../../protocol/kafka/messages/00-produce.js';
import type { RecordsSlice } from '../../protocol/kafka/schema.js';
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  readAttributes,
  readMagic,
} from '../../record/batch-header.js';
import { placeRecords } from '../place-records.js';
import type { PartitionEntry } from '../topic-table.js';
import { type Appended, notAppended } from '../worker-link.js';
import { serve } from './context.js';
import { BATCHES_MAX, refuseTooManyPartitions } from './limits.js';
import { topicOf } from './topics.js';

const ACKS_ALL = -1;
const ACKS_LEADER = 1;
const ACKS_NONE = 0;
const ZSTD = 4;
/** The first version whose clients know zstd (KIP-110). */
const ZSTD_VERSION = 7;

interface Batch {
  readonly entry: PartitionEntry | undefined;
  readonly records: RecordsSlice | null;
  /** Why it is not even tried. */
  readonly refused: ErrorName | null;
}

export const serveProduce = serve(produce, ({ router, connection, version, body, frame, begin }) => {
  const { acks, topicData, transactionalId } = body;
  const badAcks = acks !== ACKS_ALL && acks !== ACKS_LEADER && acks !== ACKS_NONE;
  refuseTooManyPartitions(topicData, ({ partitionData }) => partitionData);
  const batches: Batch[] = [];
  let tries = 0;
  for (const topic of topicData) {
    const found = topicOf(router, topic, version >= 13);
    for (const { index, records } of topic.partitionData) {
      const entry = found.topic?.partitions[index];
      const unknown = found.topic ? 'UNKNOWN_TOPIC_OR_PARTITION' : found.error;
      const transactional = transactionalId === null ? null : 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
      const refused = badAcks
        ? 'INVALID_REQUIRED_ACKS'
        : entry
          ? (transactional ?? problemOf(entry, records, version))
          : unknown;
      // What is too much for one request is to be sent again: this error makes every client do so.
      const tooMany = refused === null && ++tries > BATCHES_MAX;
      batches.push({ entry, records, refused: tooMany ? 'NOT_LEADER_OR_FOLLOWER' : refused });
    }
  }
  const tried = batches.flatMap(({ entry, refused }) => (entry && refused === null ? [entry] : []));
  if (!router.readyToAppend(tried, connection)) return false;
  // From the first batch to the end of the last: one piece of memory, whatever stands between them.
  let first = frame.end;
  let last = frame.start;
  for (const { records } of batches) {
    if (!records) continue;
    first = Math.min(first, records.start);
    last = Math.max(last, records.start + records.length);
  }
  const place =
    tried.length === 0
      ? null
      : placeRecords(router.options.writeBuffer, connection, { ...frame, start: first, end: last });
  if (tried.length > 0 && !place) return false;

  const answer = begin();
  const results: Appended[] = new Array(batches.length);
  let missing = batches.length + 1;
  const ended = () => {
    if (--missing > 0) return;
    if (acks === ACKS_NONE) {
      answer.skip();
      const failed = results.find(({ error }) => error !== 'NONE');
      if (failed) connection.fail(`a batch that nobody waits for was refused with ${failed.error}`);
      return;
    }
    let at = 0;
    const adviceFor = (place: number, error: ErrorName) =>
      router.adviceFor(batches[place]?.entry, error) ?? null;
    const partition = ({ index }: { readonly index: number }) => {
      const { error, baseOffset, logAppendTimeMs, logStartOffset } =
        results[at] ?? notAppended('UNKNOWN_SERVER_ERROR');
      const errorMessage = adviceFor(at++, error);
      const errorCode = ERRORS[error].code;
      return { index, errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset };
    };
    answer.reply({
      responses: topicData.map(({ name, topicId, partitionData }) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(partition),
      })),
    });
  };
  batches.forEach(({ entry, records, refused }, index) => {
    const done = (result: Appended) => {
      results[index] = result;
      ended();
    };
    if (refused !== null || !records || !place) done(notAppended(refused ?? 'INVALID_RECORD'));
    else {
      const extent: Extent = place.extent;
      router.append(
        entry,
        { start: place.start + records.start - first, bytes: records.length, extent },
        done,
      );
    }
  });
  place?.extent.release();
  ended();
  return true;
});

function problemOf(
  { topic }: PartitionEntry,
  records: RecordsSlice | null,
  version: number,
): ErrorName | null {
  if (topic.image.internal) return 'INVALID_TOPIC_EXCEPTION';
  if (!records || records.length === 0) return 'INVALID_RECORD';
  if (records.length < BATCH_HEADER_BYTES || readMagic(records.bytes, records.start) !== BATCH_MAGIC)
    return null;
  const attributes = readAttributes(records.bytes, records.start);
  if ((attributes & ATTRIBUTE_TRANSACTIONAL) !== 0) return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
  const zstd = (attributes & ATTRIBUTE_CODEC_MASK) === ZSTD;
  return zstd && version < ZSTD_VERSION ? 'UNSUPPORTED_COMPRESSION_TYPE' : null;
}
