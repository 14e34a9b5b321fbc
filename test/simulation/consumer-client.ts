import type { Random } from '../../src/base/random.js';
import type { FetchPartitionResult, ResponseHeader } from '../../src/protocol/native/messages.js';
import { Client, type ClientWorld } from './client.js';
import type { ModelTopic, Question } from './model.js';
import { between, chance, pick } from './streams.js';
import { Subscriber } from './subscriber.js';
import type { WireClient } from './wire-client.js';

interface Position {
  readonly topic: string;
  readonly partition: number;
  incarnation: ModelTopic | null;
  offset: number;
}

/** Reads partitions on and on, in long polls and short ones and in subscriptions, and asks for offsets and descriptions in between. */
export class ConsumerClient extends Client {
  readonly #fetchesMax: number;
  readonly #pauseMsMax: number;

  constructor(world: ClientWorld, name: string, random: Random) {
    super(world, name, random);
    this.#fetchesMax = between(random, 1, 3);
    this.#pauseMsMax = pick(random, [5, 50]);
  }

  protected override connected(wire: WireClient): void {
    const { world, name, random } = this;
    if (chance(random, 0.5)) {
      const soon = (lowMs: number, highMs: number, run: () => void) => this.soon(lowMs, highMs, run);
      new Subscriber({ world, name, random, wire, soon, draw: () => this.#positions() });
    }
    for (let i = 0; i < this.#fetchesMax; i++) this.#read(wire, this.#positions());
    this.#lookAround(wire);
  }

  #positions(): Position[] {
    const { random, world } = this;
    const count = between(random, 1, 3);
    return Array.from({ length: count }, () => {
      const topic = pick(random, world.topicNames);
      const partitions = world.model.topic(topic)?.settings.partitions ?? 1;
      return { topic, partition: random.below(partitions), incarnation: null, offset: 0 };
    });
  }

  #read(wire: WireClient, positions: readonly Position[]): void {
    this.soon(0, this.#pauseMsMax, () => this.#fetch(wire, positions));
  }

  #fetch(wire: WireClient, positions: readonly Position[]): void {
    const { random, world } = this;
    for (const position of positions) {
      const incarnation = world.model.topic(position.topic);
      if (incarnation !== position.incarnation) position.offset = 0;
      position.incarnation = incarnation;
    }
    const questions = positions.map(({ topic, partition }) => world.model.asks(topic, partition));
    const maxBytes = pick(random, [1, 300, 1500, 6000, 1_000_000]);
    const partitions = positions.map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset,
      maxBytes: chance(random, 0.3) ? between(random, 1, 2000) : 0,
    }));
    const body = {
      type: 'fetch',
      minBytes: pick(random, [0, 1, 1, 400, 5000]),
      maxWaitMs: random.below(400),
      maxBytes,
      partitions,
    } as const;
    const timeoutMs = chance(random, 0.1) ? between(random, 1, 300) : 0;
    const id = wire.request(body, { timeoutMs }, (reply) => {
      if (reply.type === 'lost') return;
      this.#fetched(reply.header, reply.payload, positions, questions, maxBytes);
      if (chance(random, 0.02)) this.#read(wire, this.#positions());
      else this.#read(wire, positions);
    });
    if (chance(random, 0.05)) this.soon(0, 20, () => wire.tell({ type: 'cancel', correlationId: id }));
  }

  #fetched(
    { error, body }: ResponseHeader,
    payload: Buffer,
    positions: readonly Position[],
    questions: readonly Question[],
    maxBytes: number,
  ): void {
    if (error) {
      if (error.error !== 'REQUEST_TIMED_OUT') throw new Error(`a fetch is answered with ${error.error}`);
      return;
    }
    if (body?.type !== 'fetch') throw new Error(`a fetch is answered with ${body?.type}`);
    let at = 0;
    let withRecords = 0;
    body.partitions.forEach((part, index) => {
      const records = payload.subarray(at, at + part.recordsBytes);
      at += part.recordsBytes;
      const position = positions[index];
      const question = questions[index];
      if (!position || !question) throw new Error('an answer names more partitions than the request');
      if (part.recordsBytes > 0) withRecords++;
      if (this.world.model.topic(position.topic) === position.incarnation)
        this.#advance(position, question, part, records);
    });
    if (at !== payload.length)
      throw new Error(`a payload of ${payload.length} bytes, of which ${at} are accounted for`);
    if (payload.length > maxBytes && withRecords > 1)
      throw new Error(`${payload.length} bytes of several partitions for a limit of ${maxBytes}`);
  }

  #advance(position: Position, question: Question, part: FetchPartitionResult, records: Buffer): void {
    const error = part.error?.error ?? null;
    const asked = position.offset;
    const next = this.world.model.fetched(question, asked, { ...part, error, records });
    this.world.trace.add(
      () =>
        `${this.name} reads ${position.topic}-${position.partition} from ${asked} to ${next}, ${error ?? `high watermark ${part.highWatermark}`}`,
    );
    if (error === 'OFFSET_OUT_OF_RANGE')
      position.offset = chance(this.random, 0.9) ? Math.max(0, part.logStartOffset) : part.highWatermark;
    else position.offset = chance(this.random, 0.97) ? next : this.random.below(next + 1);
  }

  // --------------------------------------------------------------------------------------------------- other requests

  #lookAround(wire: WireClient): void {
    this.soon(20, 300, () => {
      if (chance(this.random, 0.7)) this.#listOffsets(wire);
      else if (chance(this.random, 0.5)) this.#describe(wire);
      else wire.request({ type: 'ping' }, {}, () => {});
      this.#lookAround(wire);
    });
  }

  #listOffsets(wire: WireClient): void {
    const { random, world } = this;
    const positions = this.#positions();
    const asked = positions.map(({ topic, partition }) => {
      const question = world.model.asks(topic, partition);
      const position = pick(random, [
        'earliest',
        'latest',
        { timestampMs: world.clock.wallMs() - random.below(5000) },
      ] as const);
      return { question, request: { topic, partition, position } };
    });
    wire.request({ type: 'listOffsets', partitions: asked.map(({ request }) => request) }, {}, (reply) => {
      if (reply.type === 'lost' || reply.header.body?.type !== 'listOffsets') return;
      reply.header.body.partitions.forEach((listed, index) => {
        const { question, request } = asked[index] ?? {};
        if (!question || !request) throw new Error('an answer names more partitions than the request');
        const { position } = request;
        const at = typeof position === 'string' ? position : position.timestampMs;
        world.model.listed(question, at, { ...listed, error: listed.error?.error ?? null });
      });
    });
  }

  #describe(wire: WireClient): void {
    const name = pick(this.random, this.world.topicNames);
    wire.request({ type: 'describeTopic', name }, {}, () => {});
    wire.request({ type: 'metadata', topics: [name], all: false, autoCreate: false }, {}, () => {});
  }
}
