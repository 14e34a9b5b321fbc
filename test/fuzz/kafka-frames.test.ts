// The Kafka door against clients that are broken or hostile. FUZZ_FRAMES=100000 for more frames, SEED= to send the same again.
// After each few frames the connection must answer or be closed; after each thousand a well-behaved client must be served on
// a connection of its own; the broker must neither die nor grow nor lose the memory that frames and answers lie in.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { servedApi } from '../../src/broker/kafka/served.js';
import { decodeRequestHeader, encodeRequest } from '../../src/protocol/kafka/headers.js';
import { produce } from '../../src/protocol/kafka/messages/00-produce.js';
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
  fetchOne,
  type TopicName,
  UNKNOWN_ID,
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

/** A client that sends anything and reads no answers, but knows whether it got them all. */
class Mouth {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  #isClosed = false;
  #received: Buffer = Buffer.alloc(0);
  /** Below those of the fuzzed requests. */
  #nextCorrelationId = -1;
  #waiting: { readonly correlationId: number; readonly done: (answered: boolean) => void } | null = null;

  static async open(address: string): Promise<Mouth> {
    const [host = '', port] = address.split(':');
    const socket = connect({ host, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new Mouth(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {}); // 'close' follows.
    socket.on('data', (bytes) => this.#take(bytes));
    this.#closed = once(socket, 'close').then(() => {
      this.#isClosed = true;
      this.#waiting?.done(false);
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get closed(): Promise<void> {
    return this.#closed;
  }

  get socket(): Socket {
    return this.#socket;
  }

  send(frames: readonly Buffer[]): void {
    for (const frame of frames) this.#socket.write(frame);
  }

  /** True once everything that was sent is answered, false if the broker closed the connection. */
  heard(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    const correlationId = this.#nextCorrelationId--;
    // A fetch ends the wait of the one before it.
    const last = { maxWaitMs: 0, minBytes: 0, topics: [] };
    return new Promise((done) => {
      this.#waiting = { correlationId, done };
      this.send(
        encodeRequest(fetch, 4, { correlationId, clientId: null }, last).map((piece) => Buffer.from(piece)),
      );
    });
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
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

describe.runIf(process.platform === 'linux')('The Kafka door', () => {
  const frames = countFromEnvironment('FUZZ_FRAMES', 3000);
  const seed = chooseSeed('kafka frames');
  const folder = mkdtempSync(join(tmpdir(), 'odradek-fuzz-'));
  const counts: Counts = { sent: 0, understood: 0, whole: 0, closed: 0 };
  let broker: BrokerProcess;
  let address: string;
  let canary: KafkaConnection;
  let song: TopicName;

  beforeAll(async () => {
    // Buffers so small that what is not given back is soon missed; data of hostile batches is not to fill the disk.
    const settings = {
      'odradek.workers': 2,
      'num.partitions': 3,
      'odradek.write.buffer.bytes': 8 * MIB,
      'odradek.read.buffer.bytes': 4 * MIB,
      'socket.request.max.bytes': 4 * MIB,
      'log.segment.bytes': 1_100_000,
      'log.retention.bytes': 4_000_000,
      'log.retention.ms': -1, // The records of this test are old.
      'log.retention.check.interval.ms': 1000,
      // Members do not stay, so that nobody waits long for one that never comes back.
      'group.initial.rebalance.delay.ms': 0,
      'group.min.session.timeout.ms': 1,
      'group.max.session.timeout.ms': 50,
    };
    broker = await BrokerProcess.start({ dataDirectory: folder, settings });
    address = String(broker.lines('broker ready')[0]?.['kafka']);
    canary = await KafkaConnection.open(address);
    song = await createTopic(canary, 'canary');
  });

  afterAll(async () => {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const when = () => `after ${counts.sent} frames, SEED=${seed}`;

  /** A well-behaved client is served. */
  async function sing(): Promise<void> {
    const value = `after ${counts.sent}`;
    const appended = await within(append(canary, song, batchOf([value])), when);
    expect(appended, when()).toMatchObject({ errorCode: 0 });
    const from = { offset: appended.baseOffset };
    expect(valuesOf((await within(fetchOne(canary, song, from), when)).records), when()).toEqual([value]);
  }

  /** Only the targets exist, with partitions to spare. Hostile clients create topics, and delete these. */
  async function tidy(): Promise<Pick<FuzzContext, 'ids' | 'sessions'>> {
    const all = await within(canary.ask(metadata, 12, { topics: null }), when);
    const strange = all.topics.filter(
      ({ name }) => name !== null && !TARGETS.includes(name) && name !== song.name,
    );
    if (strange.length > 0) {
      const topics = strange.map(({ name }) => ({ name }));
      await within(canary.ask(deleteTopics, 6, { topics, timeoutMs: 0 }), when);
    }
    // Requests of clients that are gone may still create or delete the targets: then it is tried again.
    const request = { topics: TARGETS.map((name) => ({ name })), allowAutoTopicCreation: true };
    let targets = await within(canary.ask(metadata, 12, request), when);
    while (targets.topics.some(({ errorCode }) => errorCode !== 0))
      targets = await within(canary.ask(metadata, 12, request), when);
    const ids = targets.topics.map(({ topicId }) => topicId);
    const target = { name: TARGETS[0] ?? '', topicId: ids[0] ?? UNKNOWN_ID };
    const sessions = await Promise.all(
      [0, 1].map(async () => {
        const open = fetchFrom(canary, target, [{}, { partition: 1 }], { sessionId: 0, sessionEpoch: 0 });
        return (await within(open, when)).sessionId;
      }),
    );
    return { ids, sessions };
  }

  /** Frames that never come whole, or whose sender leaves before it is answered. */
  async function vanish(context: FuzzContext): Promise<void> {
    const { random } = context;
    const mouth = await Mouth.open(address);
    const whole = Array.from({ length: random.below(5) }, () => anyFrame(context));
    const part = anyFrame(context);
    if (chance(random, 1, 4)) part.writeInt32BE(pick(random, [0, -1, 3 * MIB, 5 * MIB, 2 ** 31 - 1]), 0);
    mouth.send([...whole, part.subarray(0, random.below(part.length))]);
    for (const frame of [...whole, part]) count(counts, frame);
    const leave = [
      () => mouth.socket.resetAndDestroy(),
      () => mouth.socket.destroySoon(),
      () => mouth.socket.destroy(),
    ];
    pick(random, leave)();
    await within(mouth.closed, when);
  }

  it(`serves others, lives and stays small, whatever ${frames} frames bring`, {
    timeout: 60 * 60_000,
  }, async () => {
    const random = seededRandom(seed);
    let context: FuzzContext = { random, names: TARGETS, ...(await tidy()) };
    await sing();
    const idleBytes = broker.memoryBytes();
    let mouth: Mouth | null = null;
    let connections = 0;
    let nextSong = CANARY_EACH;
    while (counts.sent < frames) {
      if (chance(random, 1, 30)) await vanish(context);
      if (!mouth || mouth.isClosed) {
        mouth = await Mouth.open(address);
        connections++;
      }
      const some = Array.from({ length: 1 + random.below(6) }, () =>
        chance(random, 1, 2) ? anyFrame(context) : brokenFrame(context),
      );
      for (const frame of some) count(counts, frame);
      mouth.send(some);
      const what = () =>
        `${when()}, the last: ${some.map((frame) => frame.toString('hex').slice(0, 2000)).join(' ')}`;
      if (!(await within(mouth.heard(), what))) {
        counts.closed++;
        mouth = null;
      }
      if (broker.hasEnded) throw new Error(`the broker ended ${what()}: ${broker.output.slice(-3000)}`);
      if (counts.sent < nextSong) continue;
      nextSong += CANARY_EACH;
      await sing();
      context = { ...context, ...(await tidy()) };
    }
    mouth?.socket.destroy();

    console.log(
      `${counts.sent} frames on ${connections} connections, ${counts.closed} of which the broker closed; ` +
        `${counts.understood} with a header that is served, ${counts.whole} whole`,
    );
    console.log(
      `memory: ${Math.round(idleBytes / MIB)} MiB idle, ${Math.round(broker.memoryBytes() / MIB)} MiB at the end, ` +
        `${Math.round(broker.memoryBytes('VmHWM') / MIB)} MiB at most`,
    );
    expect(counts.whole).toBeGreaterThan(counts.sent / 3);
    expect(broker.lines('partition worker died')).toEqual([]);
    expect(broker.memoryBytes('VmHWM')).toBeLessThan(idleBytes + MEMORY_ABOVE_IDLE_BYTES);
    await givesEverythingBack();
    await canary.close();
    await broker.stop();
  });

  /** No extent, no part of the read buffer and no place in a ring is missing: these need nearly all that there is. */
  async function givesEverythingBack(): Promise<void> {
    const large = await within(
      createTopic(canary, 'large', 4, {
        'max.message.bytes': '3000000',
        'segment.bytes': '4000000',
      }),
      when,
    );
    const clients = await Promise.all(Array.from({ length: 4 }, () => KafkaConnection.open(address)));
    const records = batchOf([Buffer.alloc(2_500_000, 'v')]);
    const small = batchOf(['x']);
    const produced = clients.map(async (client, index) => {
      expect(await append(client, large, records, { index })).toMatchObject({ errorCode: 0, baseOffset: 0 });
      const partitionData = Array.from({ length: 1000 }, () => ({ index, records: small }));
      const { responses } = await client.ask(produce, 13, {
        ...{ acks: -1, timeoutMs: 0, topicData: [{ ...large, partitionData }] },
      });
      const codes = new Set(responses[0]?.partitionResponses.map(({ errorCode }) => errorCode));
      expect([...codes]).toEqual([0]);
      const read = await fetchOne(client, large, { partition: index, maxBytes: 1 });
      expect(read).toMatchObject({ errorCode: 0, highWatermark: 1001 });
      expect(valuesOf(read.records)).toHaveLength(1);
    });
    await within(Promise.all(produced), when);
    await Promise.all(clients.map((client) => client.close()));
  }
});
