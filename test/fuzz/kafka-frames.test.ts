// The Kafka door against clients that are broken or hostile. FUZZ_FRAMES=100000 for more frames, SEED= to send the same again.
// After each few frames the connection must answer or be closed; after each thousand a well-behaved client must be served on
// a connection of its own; the broker must neither die nor grow nor lose the memory that frames and answers lie in.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { servedApi } from '../../src/broker/kafka/served.js';
import { decodeRequestHeader } from '../../src/protocol/kafka/headers.js';
import { fetch } from '../../src/protocol/kafka/messages/01-fetch.js';
import { metadata } from '../../src/protocol/kafka/messages/03-metadata.js';
import { deleteTopics } from '../../src/protocol/kafka/messages/20-delete-topics.js';
import { chance, pick } from '../actor/seeds.js';
import { KafkaConnection } from '../broker/kafka/kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  fetchFrom,
  fetchOf,
  fetchOne,
  LATEST_FETCH,
  type TopicName,
  valuesOf,
} from '../broker/kafka/kafka-scene.js';
import { BrokerProcess } from '../chaos/broker-process.js';
import { chooseSeed, countFromEnvironment } from '../chaos/seed.js';
import { anyFrame, brokenFrame, type FuzzContext } from './kafka-requests.js';

const MIB = 1024 * 1024;
const TARGETS = ['target-a', 'target-b', 'target-c', 'target-d'];
/** Above what an idle broker takes, whatever clients do. */
const MEMORY_ABOVE_IDLE_BYTES = 256 * MIB;
/** How long an answer may take before that counts as none. */
const SERVED_WITHIN_MS = 30_000;
const CANARY_EACH = 1000;

/** What became of the frames. */
interface Counts {
  sent: number;
  /** The header is one, of an API and version that are served. */
  understood: number;
  /** So is the body. */
  whole: number;
  closed: number;
}

async function within<Result>(promise: Promise<Result>, what: () => string): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer: ${what()}`)), SERVED_WITHIN_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function count(counts: Counts, frame: Buffer): void {
  counts.sent++;
  try {
    const { apiKey, apiVersion, bodyStart } = decodeRequestHeader(frame, 4, frame.length);
    const api = servedApi(apiKey)?.api;
    if (!api?.serves(apiVersion)) return;
    counts.understood++;
    api.request.decode(apiVersion, frame, bodyStart);
    counts.whole++;
  } catch {
    // It is no request: the broker has to find that out too.
  }
}

/** Where the answers to fuzzed requests go: nobody reads them, but for the last one's. */
class Mouth {
  readonly #connection: KafkaConnection;
  #nextCorrelationId = -1;
  #received = Buffer.alloc(0);
  #waiting: { readonly correlationId: number; readonly done: (answered: boolean) => void } | null = null;

  static async open(address: string): Promise<Mouth> {
    return new Mouth(await KafkaConnection.open(address));
  }

  private constructor(connection: KafkaConnection) {
    this.#connection = connection;
    connection.socket.removeAllListeners('data');
    connection.socket.on('data', (bytes: Buffer) => this.#take(bytes));
    void connection.closed.then(() => this.#waiting?.done(false));
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  send(frames: readonly Buffer[]): void {
    this.#connection.raw(frames);
  }

  /** True once everything before was answered, false if the broker closed the connection. */
  async heard(): Promise<boolean> {
    if (this.isClosed) return false;
    // A fetch ends the wait of the one before it.
    const { length } = fetchOf({ name: '', topicId: '' as TopicName['topicId'] }, []).topics;
    expect(length).toBe(0);
    const correlationId = this.#nextCorrelationId--;
    const heard = new Promise<boolean>((done) => {
      this.#waiting = { correlationId, done };
    });
    this.#connection.raw([sentinel(correlationId)]);
    return heard;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  reset(): void {
    this.#connection.socket.resetAndDestroy();
  }

  #take(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    let at = 0;
    while (this.#received.length - at >= 8) {
      const end = at + 4 + this.#received.readInt32BE(at);
      if (this.#received.length < end) break;
      if (this.#received.readInt32BE(at + 4) === this.#waiting?.correlationId) this.#waiting.done(true);
      at = end;
    }
    this.#received = this.#received.subarray(at);
  }
}
