import type { TopicId } from '../../src/base/ids.js';
import { decodeResponse } from '../../src/protocol/kafka/headers.js';
import { fetch } from '../../src/protocol/kafka/messages/01-fetch.js';
import { metadata } from '../../src/protocol/kafka/messages/03-metadata.js';
import { readBaseOffset, readBatchBytes } from '../../src/record/batch-header.js';
import type { LoadBatch } from './batch.js';
import { expectNone } from './group-members.js';
import { batchesOf, KafkaConnection, requestFrame } from './kafka-connection.js';

/** By the id of the topic, as Kafka's own consumer since 3.1. */
const FETCH_VERSION = 13;
const METADATA_VERSION = 12;
const FETCH_BYTES = 8 * 1024 * 1024;
const PARTITION_BYTES = 1024 * 1024;
const EPOCH_MAX = 0x7fff_ffff;
/** Of a request that ends the session. */
const FINAL_EPOCH = -1;

/** What an answer brought, and how long it took from the moment at which its request was sent. */
export interface SessionFetch {
  readonly records: number;
  readonly tookMs: number;
}

/**
 * A consumer with an incremental fetch session (KIP-227) over all partitions of a topic. It tells the broker only what changed, as
 * Kafka's does, and takes nothing but batches of one record that follow each other.
 */
export class SessionConsumer {
  readonly #connection: KafkaConnection;
  readonly #topicId: TopicId;
  readonly #record: LoadBatch;
  /** The offset to read next, by partition. */
  readonly #offsets: number[];
  /** Partitions of which the session has an older offset. */
  readonly #advanced = new Set<number>();
  #sessionId = 0;
  #epoch = 0;

  /** Begins at the given offset of each partition, without a session. */
  static async connect(
    port: number,
    topic: string,
    offsets: readonly number[],
    record: LoadBatch,
  ): Promise<SessionConsumer> {
    const connection = await KafkaConnection.open(port);
    const { topics } = await connection.ask(metadata, METADATA_VERSION, { topics: [{ name: topic }] });
    const [described] = topics;
    expectNone('Metadata', described?.errorCode ?? -1);
    if (!described) throw new Error(`There is no topic ${topic}.`);
    return new SessionConsumer(connection, described.topicId, offsets, record);
  }

  private constructor(
    connection: KafkaConnection,
    topicId: TopicId,
    offsets: readonly number[],
    record: LoadBatch,
  ) {
    this.#connection = connection;
    this.#topicId = topicId;
    this.#offsets = [...offsets];
    this.#record = record;
  }

  /** A full fetch, which names all partitions and opens a session in the place of the one before. */
  async open(): Promise<SessionFetch> {
    const all = this.#offsets.map((_, partition) => partition);
    const answer = await this.#ask(this.#request(all, 0, 0));
    if (answer.sessionId === 0) throw new Error('The broker opened no session.');
    if (answer.partitions !== all.length)
      throw new Error(`A full answer has ${answer.partitions} of ${all.length} partitions.`);
    this.#sessionId = answer.sessionId;
    this.#epoch = 1;
    return answer;
  }

  /** An incremental fetch, which names only partitions that were read since the last one. */
  async fetch(maxWaitMs: number): Promise<SessionFetch> {
    if (this.#sessionId === 0) throw new Error('There is no session.');
    const request = this.#request([...this.#advanced], this.#epoch, maxWaitMs);
    this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
    const answer = await this.#ask(request);
    if (answer.sessionId !== this.#sessionId) throw new Error('The answer is of another session.');
    return answer;
  }

  /** Ends the session, which would outlive the connection, and closes that. */
  async close(): Promise<void> {
    if (this.#sessionId !== 0) await this.#ask(this.#request([], FINAL_EPOCH, 0));
    this.#connection.close();
  }

  #request(partitions: readonly number[], sessionEpoch: number, maxWaitMs: number): Buffer {
    this.#advanced.clear();
    return requestFrame(fetch, FETCH_VERSION, {
      maxWaitMs,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      sessionId: this.#sessionId,
      sessionEpoch,
      topics:
        partitions.length === 0
          ? []
          : [
              {
                topicId: this.#topicId,
                partitions: partitions.map((partition) => ({
                  partition,
                  fetchOffset: this.#offsets[partition] ?? -1,
                  partitionMaxBytes: PARTITION_BYTES,
                })),
              },
            ],
    });
  }

  #ask(request: Buffer): Promise<SessionFetch & { sessionId: number; partitions: number }> {
    return new Promise((resolve, reject) => {
      const sentMs = performance.now();
      this.#connection.listen((answer) => {
        const tookMs = performance.now() - sentMs;
        const { errorCode, sessionId, responses } = decodeResponse(fetch, FETCH_VERSION, answer).response;
        expectNone('Fetch', errorCode);
        let records = 0;
        const partitions = responses.flatMap((topic) => topic.partitions);
        for (const { partitionIndex, errorCode, records: batches } of partitions) {
          expectNone('Fetch', errorCode);
          records += this.#read(partitionIndex, batchesOf(batches));
        }
        resolve({ records, tookMs, sessionId, partitions: partitions.length });
      }, reject);
      this.#connection.send(request);
    });
  }

  /** Takes the batches of a partition; returns how many. */
  #read(partition: number, batches: Buffer): number {
    const { length } = this.#record.bytes;
    let offset = this.#offsets[partition] ?? -1;
    for (let at = 0; at < batches.length; at += length, offset++) {
      if (readBatchBytes(batches, at) !== length || readBaseOffset(batches, at) !== offset)
        throw new Error(`Partition ${partition} gave something else than the record at offset ${offset}.`);
    }
    const count = batches.length / length;
    if (count > 0) this.#advanced.add(partition);
    this.#offsets[partition] = offset;
    return count;
  }
}
