// A subscription of a consumer's connection: streams that begin, seek and end, and credit that is granted now and then. Each
// push must be what the model expects behind the one before, and within the credit.
import type { Random } from '../../src/base/random.js';
import type { Push, RequestBody, StreamStart } from '../../src/protocol/native/messages.js';
import { readBatchBytes } from '../../src/record/batch-header.js';
import type { ClientWorld } from './client.js';
import type { ModelTopic, Question } from './model.js';
import { chance, pick } from './streams.js';
import type { WireClient } from './wire-client.js';

export interface SubscriberOptions {
  readonly world: ClientWorld;
  readonly name: string;
  readonly random: Random;
  readonly wire: WireClient;
  /** Runs after a random time, if the connection is still the same and nothing has been stopped. */
  readonly soon: (lowMs: number, highMs: number, run: () => void) => void;
  /** Partitions to read. */
  readonly draw: () => readonly { readonly topic: string; readonly partition: number }[];
}

interface Stream {
  readonly topic: string;
  readonly partition: number;
  readonly incarnation: ModelTopic | null;
  /** As it was begun: what comes may have left the broker at any time since. */
  readonly question: Question;
  next: number;
  /** The client asked for its end, and has no answer yet. */
  isEnding: boolean;
}

const SUBSCRIPTION_ID = 1;

export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #streams = new Map<number, Stream>();
  #lastStreamId = 0;
  #creditBytes: number;

  constructor(options: SubscriberOptions) {
    this.#options = options;
    const { random, wire } = options;
    this.#creditBytes = pick(random, [0, 1, 500, 20_000]);
    wire.onPush = (push, records) => this.#pushed(push, records);
    const body: RequestBody = {
      ...{ type: 'subscribe', subscriptionId: SUBSCRIPTION_ID, creditBytes: this.#creditBytes },
      ...{ pushBytesMax: pick(random, [0, 1, 400, 5000]), streams: this.#begin() },
    };
    wire.request(body, {}, (reply) => {
      if (reply.type === 'answer' && reply.header.error)
        throw new Error(`Subscribe is answered with ${reply.header.error.error}`);
    });
    this.#actSoon();
  }

  #begin(): StreamStart[] {
    const { world, random, draw } = this.#options;
    return draw().map(({ topic, partition }) => {
      const incarnation = world.model.topic(topic);
      const question = world.model.asks(topic, partition);
      const offset = chance(random, 0.7) ? 0 : random.below((question.floor?.highFloor ?? 0) + 1);
      const streamId = ++this.#lastStreamId;
      const stream = { topic, partition, incarnation, question, next: offset, isEnding: false };
      this.#streams.set(streamId, stream);
      return { streamId, topic, partition, offset, topicId: '' };
    });
  }

  #actSoon(): void {
    this.#options.soon(0, 100, () => {
      if (chance(this.#options.random, 0.8)) this.#grant();
      else this.#change();
      this.#actSoon();
    });
  }

  #grant(): void {
    const { random, wire } = this.#options;
    const creditBytes = pick(random, [1, 300, 3000, 30_000]);
    this.#creditBytes += creditBytes;
    wire.tell({ type: 'grantCredit', subscriptionId: SUBSCRIPTION_ID, creditBytes });
  }

  /** Ends some streams and begins others, as a seek does. */
  #change(): void {
    const { random, wire } = this.#options;
    const endStreamIds = [...this.#streams.keys()].filter(() => chance(random, 0.6));
    for (const id of endStreamIds) {
      const stream = this.#streams.get(id);
      if (stream) stream.isEnding = true;
    }
    const begin = this.#streams.size - endStreamIds.length < 6 ? this.#begin() : [];
    const body = {
      type: 'changeSubscription',
      subscriptionId: SUBSCRIPTION_ID,
      endStreamIds,
      begin,
    } as const;
    wire.request(body, {}, (reply) => {
      if (reply.type === 'lost') return;
      if (reply.header.error)
        throw new Error(`ChangeSubscription is answered with ${reply.header.error.error}`);
      for (const id of endStreamIds) this.#streams.delete(id);
    });
  }

  #pushed({ streamId, error, ...offsets }: Push, records: Buffer): void {
    const stream = this.#streams.get(streamId);
    if (!stream) throw new Error(`a push of stream ${streamId}, which has ended`);
    this.#charge(records);
    if (error) this.#streams.delete(streamId);
    const { world, name } = this.#options;
    const { topic, partition, incarnation, question, next } = stream;
    // What its topic was is not known any more.
    if (world.model.topic(topic) !== incarnation) return;
    stream.next = world.model.fetched(question, next, { ...offsets, error: error?.error ?? null, records });
    world.trace.add(
      () =>
        `${name} is sent ${topic}-${partition} from ${next} to ${stream.next}${stream.isEnding ? ', which it wants no more' : ''}, ` +
        `${error?.error ?? `high watermark ${offsets.highWatermark}`}`,
    );
  }

  #charge(records: Buffer): void {
    if (records.length === 0) return;
    const first = readBatchBytes(records, 0);
    if (this.#creditBytes <= 0) throw new Error(`${records.length} bytes are sent without credit`);
    if (records.length > first && records.length > this.#creditBytes)
      throw new Error(`${records.length} bytes of several batches for a credit of ${this.#creditBytes}`);
    this.#creditBytes -= records.length;
  }
}
