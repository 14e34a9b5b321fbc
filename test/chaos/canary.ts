import { expect } from 'vitest';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { NativeConnection } from './native-connection.js';

/** How long a well-behaved client may wait before that counts as not being served. */
const SERVED_WITHIN_MS = 60_000;

/** A client that does everything right: it produces a record and reads it, and minds if it is not served. */
export class Canary {
  readonly #connection: NativeConnection;
  readonly #topic: string;
  #songs = 0;
  #slowestMs = 0;

  /** Connects, and makes the topic. */
  static async hatch(address: string, topic: string): Promise<Canary> {
    const connection = await NativeConnection.open(address);
    const settings = { partitions: 1, replicationFactor: 1, configs: [], validateOnly: false };
    await connection.must({ type: 'createTopic', name: topic, ...settings });
    const canary = new Canary(connection, topic);
    await canary.sing('at first');
    return canary;
  }

  private constructor(connection: NativeConnection, topic: string) {
    this.#connection = connection;
    this.#topic = topic;
  }

  /** The longest that a song took since the last call, in whole milliseconds. */
  takeSlowestMs(): number {
    const slowestMs = Math.round(this.#slowestMs);
    this.#slowestMs = 0;
    return slowestMs;
  }

  /** Throws if it is not served; `when` is for the message. */
  async sing(when: string): Promise<void> {
    const startMs = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`a well-behaved client is not served: ${when}`);
      timer = setTimeout(() => reject(error), SERVED_WITHIN_MS);
    });
    await Promise.race([this.#sing(), late]).finally(() => clearTimeout(timer));
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startMs);
  }

  /** Sings until the work is done, or at least so often. */
  async singDuring<Result>(when: string, songs: number, work: Promise<Result>): Promise<Result> {
    let isDone = false;
    void work.then(
      () => {
        isDone = true;
      },
      () => {
        isDone = true;
      },
    );
    for (let song = 0; song < songs || !isDone; song++) await this.sing(when);
    return work;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #sing(): Promise<void> {
    const song = `song ${this.#songs++}`;
    const builder = new BatchBuilder();
    builder.add({ timestampMs: Date.now(), key: null, value: Buffer.from(song), headers: [] });
    const place = { topic: this.#topic, partition: 0 };
    const [produced] = await this.#connection.produce([{ ...place, batch: builder.build() }]);
    expect(produced?.error).toBeNull();
    const { payload } = await this.#connection.fetch([
      { ...place, offset: produced?.baseOffset ?? -1, maxBytes: 0 },
    ]);
    const [record] = [...new BatchReader(payload)].flatMap((batch) => [...batch.records()]);
    expect(String(record?.value)).toBe(song);
  }
}
