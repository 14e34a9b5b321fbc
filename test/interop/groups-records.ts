// A topic with numbered records, which come for as long as somebody wants them.
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, KafkaJSError, logLevel, Partitioners } from 'kafkajs';
import { vi } from 'vitest';
import type { NumberedTopic } from './groups-ledger.js';

const KEYS = 96;
/** Of each partition one record, twice, and a short pause: some hundreds a second. */
const RECORDS_PER_SEND = 24;
const PAUSE_MS = 60;
const CREATED_WITHIN = { timeout: 60_000, interval: 50 };
const FETCHED_WITHIN = { timeout: 60_000, interval: 50 };

const kafkaAt = (bootstrap: string) =>
  new Kafka({ brokers: [bootstrap], clientId: 'records', logLevel: logLevel.NOTHING });

/** Record n has the value n, the key `key-` n mod 96, and goes to partition n mod `partitions`. */
export class NumberedRecords implements NumberedTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly #kafka: Kafka;
  #count = 0;
  #isWanted = true;
  #flow: Promise<void> = Promise.resolve();
  #error: unknown = null;

  static async create(bootstrap: string, topic: string, partitions: number): Promise<NumberedRecords> {
    const kafka = kafkaAt(bootstrap);
    const admin = kafka.admin();
    await admin.connect();
    try {
      await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: partitions }] });
      // Kafka knows a topic a little later than it says so.
      await vi.waitUntil(async () => {
        const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null);
        const leaders = found?.topics.flatMap((one) => one.partitions.filter(({ leader }) => leader >= 0));
        return leaders?.length === partitions;
      }, CREATED_WITHIN);
    } finally {
      await admin.disconnect();
    }
    return new NumberedRecords(kafka, topic, partitions);
  }

  private constructor(kafka: Kafka, topic: string, partitions: number) {
    this.#kafka = kafka;
    this.topic = topic;
    this.partitions = partitions;
  }

  /** Acknowledged records. */
  get count(): number {
    return this.#count;
  }

  get ends(): readonly number[] {
    return Array.from({ length: this.partitions }, (_, partition) =>
      Math.ceil(Math.max(0, this.#count - partition) / this.partitions),
    );
  }

  recordAt(partition: number, offset: number): { readonly key: string; readonly value: string } {
    const number = offset * this.partitions + partition;
    return { key: `key-${number % KEYS}`, value: String(number) };
  }

  /** Writes so many at once. */
  async write(count: number): Promise<void> {
    await this.#withSend(async (send) => {
      for (const end = this.#count + count; this.#count < end; )
        await send(Math.min(1200, end - this.#count));
    });
  }

  /** Lets records flow from now on. */
  start(): void {
    this.#isWanted = true;
    this.#flow = this.#withSend(async (send) => {
      while (this.#isWanted) {
        await send(RECORDS_PER_SEND);
        await pause(PAUSE_MS);
      }
    });
    this.#flow.catch((error) => {
      this.#error = error;
    });
  }

  /** Throws if the flow has failed. */
  check(): void {
    if (this.#error !== null) throw this.#error;
  }

  /** Throws if a record was not acknowledged, or not at its place. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    await this.#flow;
  }

  async #withSend(act: (send: (count: number) => Promise<void>) => Promise<void>): Promise<void> {
    const producer = this.#kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      // A send that fails for some partitions is repeated for all.
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    try {
      await act(async (count) => {
        const ends = this.ends;
        const messages = Array.from({ length: count }, (_, index) => {
          const partition = (this.#count + index) % this.partitions;
          const offset = Math.floor((this.#count + index) / this.partitions);
          return { partition, ...this.recordAt(partition, offset) };
        });
        const answers = await producer.send({ topic: this.topic, acks: -1, messages });
        for (const { partition, baseOffset } of answers) {
          if (Number(baseOffset) !== ends[partition]) {
            throw new Error(`${this.topic}-${partition}: ${baseOffset} is not ${ends[partition]}`);
          }
        }
        this.#count += count;
      });
    } finally {
      await producer.disconnect();
    }
  }
}

/** What a group has committed, by partition; -1 for nothing. */
export async function committedOffsets(
  bootstrap: string,
  groupId: string,
  topic: string,
): Promise<ReadonlyMap<number, number>> {
  const admin = kafkaAt(bootstrap).admin();
  await admin.connect();
  const fetch = async () => {
    try {
      return await admin.fetchOffsets({ groupId, topics: [topic] });
    } catch (error) {
      // The admin client leaves it to others to try again, as while a coordinator loads.
      if (error instanceof KafkaJSError && error.retriable) return null;
      throw error;
    }
  };
  try {
    const topics = await vi.waitUntil(fetch, FETCHED_WITHIN);
    const partitions = topics.flatMap((one) => one.partitions);
    return new Map(partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  } finally {
    await admin.disconnect();
  }
}
