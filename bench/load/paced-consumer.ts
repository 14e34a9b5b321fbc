import { decodeResponse } from '../../src/protocol/kafka/headers.js';
import { fetch } from '../../src/protocol/kafka/messages/01-fetch.js';
import type { LoadBatch } from './batch.js';
import { BatchStream } from './batch-stream.js';
import { expectNone } from './group-members.js';
import { batchesOf, type KafkaConnection, requestFrame } from './kafka-connection.js';
import { OFFSET_PLACEHOLDER, offsetPlaces, writeOffset } from './offset-places.js';
import type { Moments } from './open-loop.js';

const FETCH_VERSION = 12;
/** As consumers have it: a fetch that has waited for so long is sent anew. */
const MAX_WAIT_MS = 500;
const FETCH_BYTES = 1024 * 1024;

/** Reads partition 0 of a fresh topic from its start, one fetch after the other, and notes when each record arrives. */
export class PacedConsumer {
  readonly #connection: KafkaConnection;
  readonly #stream: BatchStream;
  readonly #arrived: Moments;
  readonly #frame: Buffer;
  readonly #place: number;

  constructor(
    connection: KafkaConnection,
    { topic, record, arrived }: { topic: string; record: LoadBatch; arrived: Moments },
  ) {
    this.#connection = connection;
    this.#stream = new BatchStream(record);
    this.#arrived = arrived;
    this.#frame = requestFrame(fetch, FETCH_VERSION, {
      maxWaitMs: MAX_WAIT_MS,
      minBytes: 1,
      topics: [
        {
          topic,
          partitions: [{ partition: 0, fetchOffset: OFFSET_PLACEHOLDER, partitionMaxBytes: FETCH_BYTES }],
        },
      ],
    });
    [this.#place = 0] = offsetPlaces(this.#frame, 1);
  }

  /** Reads until so many records have come. */
  read(count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connection.listen((answer) => {
        const { errorCode, responses } = decodeResponse(fetch, FETCH_VERSION, answer).response;
        expectNone('Fetch', errorCode);
        const partition = responses[0]?.partitions[0];
        expectNone('Fetch', partition?.errorCode ?? -1);
        const from = this.#stream.endOffset;
        this.#stream.received(batchesOf(partition?.records));
        const end = this.#stream.endOffset;
        for (let offset = from; offset < end; offset++) this.#arrived.note(offset);
        if (end < count) this.#fetch();
        else resolve();
      }, reject);
      this.#fetch();
    });
  }

  #fetch(): void {
    writeOffset(this.#frame, this.#place, this.#stream.endOffset);
    this.#connection.send(this.#frame);
  }
}
