// Produce: hands each partition's batch to its owner and answers when all have been appended or refused. The batches stay in
// the frame, or are copied once into the write buffer if the frame came into private memory.
//
// v13 names topics by id. With acks 0 there is no answer; an error closes the connection, which is all a client can notice.
import { ERRORS, type ErrorName } from '../../base/errors.js';
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
import { type PlacedRecords, placeRecords } from '../place-records.js';
import type { PartitionEntry } from '../topic-table.js';
import { type Appended, type AppendWaiter, notAppended } from '../worker-link.js';
import { type KafkaAnswer, type KafkaRequest, serve } from './context.js';
import { BATCHES_MAX, refuseTooManyPartitions } from './limits.js';
import { topicOf } from './topics.js';

const ACKS_ALL = -1;
const ACKS_LEADER = 1;
const ACKS_NONE = 0;
const ZSTD = 4;
/** The first version whose clients know zstd (KIP-110). */
const ZSTD_VERSION = 7;

type ProduceRequest = KafkaRequest<typeof produce.request.fields, typeof produce.response.fields>;

interface Batch {
  readonly entry: PartitionEntry | undefined;
  readonly records: RecordsSlice | null;
  /** Why it is not even tried. */
  readonly refused: ErrorName | null;
}

/** A request whose batches are on their way; it is answered when the last of them has arrived. */
class Produce implements AppendWaiter {
  readonly #request: ProduceRequest;
  readonly #batches: readonly Batch[];
  readonly #answer: KafkaAnswer<typeof produce.response.fields>;
  readonly #results: Appended[];
  #missing: number;

  constructor(request: ProduceRequest, batches: readonly Batch[]) {
    this.#request = request;
    this.#batches = batches;
    this.#results = new Array(batches.length);
    this.#missing = batches.length;
    this.#answer = request.begin();
  }

  /** `first` is where in the frame lies what was placed; null if nothing is to be appended. */
  submit(placed: PlacedRecords | null, first: number): void {
    const { router } = this.#request;
    for (const [place, { entry, records, refused }] of this.#batches.entries()) {
      if (refused !== null || !records || !placed) {
        this.appended(place, notAppended(refused ?? 'INVALID_RECORD'));
        continue;
      }
      const batch = {
        start: placed.start + records.start - first,
        bytes: records.length,
        extent: placed.extent,
      };
      router.append(entry, batch, this, place);
    }
    if (this.#batches.length === 0) this.#reply();
  }

  appended(place: number, result: Appended): void {
    this.#results[place] = result;
    if (--this.#missing === 0) this.#reply();
  }

  #reply(): void {
    const { body, connection } = this.#request;
    if (body.acks === ACKS_NONE) {
      this.#answer.skip();
      const failed = this.#results.find(({ error }) => error !== 'NONE');
      if (failed) connection.fail(`a batch that nobody waits for was refused with ${failed.error}`);
      return;
    }
    let place = 0;
    const responses = [];
    for (const { name, topicId, partitionData } of body.topicData) {
      const partitionResponses = [];
      for (const { index } of partitionData) partitionResponses.push(this.#partition(index, place++));
      responses.push({ name, topicId, partitionResponses });
    }
    this.#answer.reply({ responses });
  }

  #partition(index: number, place: number) {
    const result = this.#results[place] ?? notAppended('UNKNOWN_SERVER_ERROR');
    const { error, baseOffset, logAppendTimeMs, logStartOffset } = result;
    const advice = this.#request.router.adviceFor(this.#batches[place]?.entry, error);
    const errorCode = ERRORS[error].code;
    return { index, errorCode, errorMessage: advice ?? null, baseOffset, logAppendTimeMs, logStartOffset };
  }
}

export const serveProduce = serve(produce, (request) => {
  const { router, connection, frame } = request;
  const batches: Batch[] = [];
  const tried: PartitionEntry[] = [];
  collectBatches(request, batches, tried);
  if (!router.readyToAppend(tried, connection)) return false;
  // From the first batch to the end of the last: one piece of memory, whatever stands between them.
  let first = frame.end;
  let last = frame.start;
  for (const { records } of batches) {
    if (!records) continue;
    first = Math.min(first, records.start);
    last = Math.max(last, records.start + records.length);
  }
  let placed: PlacedRecords | null = null;
  if (tried.length > 0) {
    const { bytes, extent } = frame;
    placed = placeRecords(router.options.writeBuffer, connection, { bytes, start: first, end: last, extent });
    if (!placed) return false;
  }
  new Produce(request, batches).submit(placed, first);
  placed?.extent.release();
  return true;
});

/** All batches of a request, in its order, and the partitions of those that are not refused at once. */
function collectBatches(
  { router, version, body }: ProduceRequest,
  batches: Batch[],
  tried: PartitionEntry[],
): void {
  const { acks, topicData, transactionalId } = body;
  const badAcks = acks !== ACKS_ALL && acks !== ACKS_LEADER && acks !== ACKS_NONE;
  refuseTooManyPartitions(topicData, partitionsOf);
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
      const tooMany = refused === null && tried.length >= BATCHES_MAX;
      batches.push({ entry, records, refused: tooMany ? 'NOT_LEADER_OR_FOLLOWER' : refused });
      if (entry && refused === null && !tooMany) tried.push(entry);
    }
  }
}

const partitionsOf = <Partition>({ partitionData }: { readonly partitionData: readonly Partition[] }) =>
  partitionData;

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
