// What an idempotent producer sends when answers are lost, batches are refused and brokers forget.
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import type { ErrorName } from '../../src/base/errors.js';
import { toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import { silentLogger } from '../../src/base/log.js';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.js';
import { parseBrokerEndpoint } from '../../src/client/broker-endpoint.js';
import { Client } from '../../src/client/client.js';
import { ClientEvents } from '../../src/client/client-observer.js';
import { Cluster } from '../../src/client/cluster.js';
import { Producer } from '../../src/client/producer.js';
import type { ProducerOptions } from '../../src/client/producer-options.js';
import { ProducerStates } from '../../src/log/producer-states.js';
import type { ProducePartitionResult } from '../../src/protocol/native/messages.js';
import {
  readBaseSequence,
  readBatchBytes,
  readLastOffsetDelta,
  readProducerEpoch,
  readProducerId,
  stampPlace,
} from '../../src/record/batch-header.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { ScriptedBroker, type ScriptedRequest } from './scripted-broker.js';

type ProduceRequest = ScriptedRequest<Extract<ScriptedRequest['body'], { type: 'produce' }>>;

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A producer for which the pauses between tries are short. */
function producerOf(broker: ScriptedBroker, options: ProducerOptions = {}): Producer {
  const cluster = new Cluster({
    bootstrap: [parseBrokerEndpoint(broker.address)],
    clientId: 'test',
    requestTimeoutMs: 30_000,
    connectTimeoutMs: 10_000,
    clock: {
      ...systemClock,
      after: (delayMs, fire) => systemClock.after(delayMs < 2000 ? delayMs / 50 : delayMs, fire),
    },
    random: systemRandom,
    logger: silentLogger,
    events: new ClientEvents({}, silentLogger),
  });
  closing.push(() => cluster.close());
  return new Producer(cluster, { lingerMs: 0, batchBytes: 200, ...options }, () => {});
}

/** A batch of its own: larger than half of `batchBytes`. */
const message = (value: string, partition = 0) => ({ topic: 'orders', partition, value: value.padEnd(120) });

const appended = (baseOffset: number): ProducePartitionResult => ({
  ...{ error: null, baseOffset, logAppendTimeMs: -1, logStartOffset: 0 },
});
const refused = (error: ErrorName): ProducePartitionResult => ({ ...appended(-1), error: { error } });

/** `value id/epoch:sequence` of each batch of the request. */
function batchesOf({ payload }: ProduceRequest): string[] {
  const found: string[] = [];
  for (let at = 0; at < payload.length; at += readBatchBytes(payload, at)) {
    const [first] = [...new BatchReader(payload.subarray(at))].flatMap((batch) => [...batch.records()]);
    const numbers = `${readProducerId(payload, at)}/${readProducerEpoch(payload, at)}:${readBaseSequence(payload, at)}`;
    found.push(`${first?.value?.toString().trim()} ${numbers}`);
  }
  return found;
}

const sent = async (broker: ScriptedBroker) => (await broker.received('produce', 0)).flatMap(batchesOf);
const idRequests = (broker: ScriptedBroker) =>
  broker.requests.flatMap(({ body }) => (body.type === 'initProducerId' ? [body.current] : []));

/** Answers the n-th Produce with the n-th script; those behind the last with success. A script may answer nothing. */
function scripts(...answers: ((request: ProduceRequest) => void)[]) {
  let next = 0;
  return (request: ProduceRequest) => {
    const answer = answers[next++];
    if (answer) answer(request);
    else accept(request);
  };
}

const accept = ({ body, answer }: ProduceRequest) =>
  answer({ type: 'produce', partitions: body.partitions.map(() => appended(100)) });
const refuse = (error: ErrorName) => (request: ProduceRequest) =>
  request.answer({ type: 'produce', partitions: [refused(error)] });
const lose = ({ socket }: ProduceRequest) => void socket.destroy();

describe('BatchSender of an idempotent producer', () => {
  it('asks for an id once, and numbers the records of each partition', async () => {
    await using broker = await ScriptedBroker.start({ produce: accept });
    const producer = producerOf(broker);
    expect(idRequests(broker)).toEqual([]);
    await producer.send(message('a'));
    await producer.sendBatch({
      topic: 'orders',
      messages: [1, 2, 3].map((i) => ({ partition: 1, value: `b${i}` })),
    });
    await producer.send(message('c'));
    await producer.send(message('d', 1));
    expect(await sent(broker)).toEqual(['a 7/0:0', 'b1 7/0:0', 'c 7/0:1', 'd 7/0:3']);
    expect(idRequests(broker)).toEqual([null]);
  });

  it('sends a batch whose answer was lost again as it was, and the others behind it', async () => {
    await using broker = await ScriptedBroker.start({ produce: scripts(lose) });
    const producer = producerOf(broker);
    await Promise.all([producer.send(message('a')), producer.send(message('b'))]);
    const batches = await sent(broker);
    expect(batches.filter((batch) => batch.startsWith('a'))).toEqual(['a 7/0:0', 'a 7/0:0']);
    expect(new Set(batches.filter((batch) => batch.startsWith('b')))).toEqual(new Set(['b 7/0:1']));
    expect(batches.at(-1)).toBe('b 7/0:1');
    expect(idRequests(broker)).toEqual([null]);
  });

  it('waits for the batch before one that is out of order', async () => {
    await using broker = await ScriptedBroker.start({
      produce: scripts(accept, refuse('NOT_LEADER_OR_FOLLOWER'), refuse('OUT_OF_ORDER_SEQUENCE_NUMBER')),
    });
    const producer = producerOf(broker);
    await producer.send(message('first'));
    await Promise.all([producer.send(message('a')), producer.send(message('b'))]);
    expect(await sent(broker)).toEqual(['first 7/0:0', 'a 7/0:1', 'b 7/0:2', 'a 7/0:1', 'b 7/0:2']);
    expect(idRequests(broker)).toEqual([null]);
  });

  it.each(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID'] as const)(
    'begins again with the next epoch when the partition has lost what it acknowledged: %s',
    async (error) => {
      await using broker = await ScriptedBroker.start({
        produce: scripts(accept, refuse(error), refuse(error)),
      });
      const producer = producerOf(broker);
      await producer.send(message('a'));
      await Promise.all([producer.send(message('b')), producer.send(message('c'))]);
      await producer.send(message('d'));
      expect(await sent(broker)).toEqual([
        ...['a 7/0:0', 'b 7/0:1', 'c 7/0:2'],
        ...['b 7/1:0', 'c 7/1:1', 'd 7/1:2'],
      ]);
      expect(idRequests(broker)).toEqual([null, { producerId: 7, producerEpoch: 0 }]);
    },
  );

  it('begins again behind a batch that was refused for good, in the other partitions too', async () => {
    await using broker = await ScriptedBroker.start({
      produce: scripts(accept, accept, refuse('MESSAGE_TOO_LARGE'), refuse('OUT_OF_ORDER_SEQUENCE_NUMBER')),
    });
    const producer = producerOf(broker);
    await producer.send(message('first'));
    await producer.send(message('a', 1));
    const bad = producer.send(message('b'));
    const good = producer.send(message('c'));
    await expect(bad).rejects.toMatchObject({ errorName: 'MESSAGE_TOO_LARGE' });
    await good;
    await producer.send(message('d', 1));
    expect(await sent(broker)).toEqual([
      ...['first 7/0:0', 'a 7/0:0', 'b 7/0:1', 'c 7/0:2'],
      ...['c 7/1:0', 'd 7/1:0'],
    ]);
  });

  it('gives no batch a new number while it may be in the log', async () => {
    // The answer for a is lost; b then is refused for good, and c out of order because of it.
    await using broker = await ScriptedBroker.start({
      produce: scripts(
        accept,
        refuse('REQUEST_TIMED_OUT'),
        refuse('MESSAGE_TOO_LARGE'),
        refuse('OUT_OF_ORDER_SEQUENCE_NUMBER'),
        refuse('REQUEST_TIMED_OUT'),
      ),
    });
    const producer = producerOf(broker);
    await producer.send(message('first'));
    const [a, b, c] = ['a', 'b', 'c'].map((value) => producer.send(message(value)));
    await expect(b).rejects.toMatchObject({ errorName: 'MESSAGE_TOO_LARGE' });
    await Promise.all([a, c]);
    expect(await sent(broker)).toEqual([
      ...['first 7/0:0', 'a 7/0:1', 'b 7/0:2', 'c 7/0:3'],
      ...['a 7/0:1', 'a 7/0:1', 'c 7/1:0'],
    ]);
  });

  it('gets another epoch after a batch that was given up in doubt', async () => {
    await using broker = await ScriptedBroker.start({ produce: scripts(lose) });
    const producer = producerOf(broker, { retries: 0 });
    await expect(producer.send(message('a'))).rejects.toMatchObject({ code: 'ODR_CONNECTION' });
    await producer.send(message('b'));
    expect(await sent(broker)).toEqual(['a 7/0:0', 'b 7/1:0']);
  });

  it('takes no batch for delivered of which the answer says nothing', async () => {
    const forget = ({ body, answer }: ProduceRequest) =>
      answer({ type: 'produce', partitions: body.partitions.slice(1).map(() => appended(100)) });
    await using broker = await ScriptedBroker.start({ produce: forget });
    const producer = producerOf(broker);
    const sends = [producer.send(message('a', 0)), producer.send(message('b', 1))];
    const outcomes = await Promise.allSettled(sends);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ODR_PROTOCOL' } });
    }
  });

  it('takes the word of a broker that has a batch already', async () => {
    await using broker = await ScriptedBroker.start({ produce: refuse('DUPLICATE_SEQUENCE_NUMBER') });
    await expect(producerOf(broker).send(message('a'))).resolves.toMatchObject({ offset: -1 });
  });

  it('asks again for an id that it did not get', async () => {
    let refusals = 2;
    await using broker = await ScriptedBroker.start({
      produce: accept,
      initProducerId: ({ refuse: fail, answer }) => {
        if (refusals-- > 0) fail({ error: 'REQUEST_TIMED_OUT' });
        else answer({ type: 'initProducerId', producer: { producerId: 3, producerEpoch: 0 } });
      },
    });
    await producerOf(broker).send(message('a'));
    expect(await sent(broker)).toEqual(['a 3/0:0']);
  });

  it('fails when there will be no id, and gives up in time when none comes', async () => {
    await using broker = await ScriptedBroker.start({
      produce: accept,
      initProducerId: ({ refuse: fail }) => fail({ error: 'INVALID_REQUEST' }),
    });
    await expect(producerOf(broker).send(message('a'))).rejects.toMatchObject({
      errorName: 'INVALID_REQUEST',
    });
    await using busy = await ScriptedBroker.start({
      produce: accept,
      initProducerId: ({ refuse: fail }) => fail({ error: 'REQUEST_TIMED_OUT' }),
    });
    const late = producerOf(busy, { deliveryTimeoutMs: 30 }).send(message('a'));
    await expect(late).rejects.toMatchObject({ code: 'ODR_TIMEOUT' });
    expect([...(await sent(broker)), ...(await sent(busy))]).toEqual([]);
  });

  it('has one batch under way until the partition knows it, then five, counted from the first that is unanswered', async () => {
    const requests: ProduceRequest[] = [];
    await using broker = await ScriptedBroker.start({
      produce: (request) => {
        if (request.body.partitions[0]?.partition === 1) accept(request);
        else requests.push(request);
      },
    });
    const producer = producerOf(broker);
    const outcomes = Promise.all('abcdefghij'.split('').map((value) => producer.send(message(value))));
    const underWay = async (count: number) => {
      await broker.received('produce', count);
      return requests.map((request) => batchesOf(request)[0]?.[0]).join('');
    };
    const answer = (index: number) => {
      const request = requests[index];
      if (request) accept(request);
    };
    expect(await underWay(1)).toBe('a');
    answer(0);
    expect(await underWay(6)).toBe('abcdef');
    // The answers for c and d come before the one for b.
    answer(2);
    answer(3);
    // Whatever they let go has arrived before the second of these is answered.
    for (const barrier of ['y', 'z']) await producer.send(message(barrier, 1));
    expect(await underWay(6)).toBe('abcdef');
    answer(1);
    expect(await underWay(2 + 9)).toBe('abcdefghi');
    for (const index of [4, 5, 6, 7, 8]) answer(index);
    expect(await underWay(2 + 10)).toBe('abcdefghij');
    answer(9);
    await outcomes;
    expect(idRequests(broker)).toEqual([null]);
  });

  it('is idempotent unless acks or requestsInFlightMax exclude it', async () => {
    await using broker = await ScriptedBroker.start({ produce: accept });
    for (const options of [{ acks: 'leader' }, { requestsInFlightMax: 6 }, { idempotent: false }] as const) {
      await producerOf(broker, options).send(message('a'));
    }
    expect(await sent(broker)).toEqual(['a -1/-1:-1', 'a -1/-1:-1', 'a -1/-1:-1']);
    expect(idRequests(broker)).toEqual([]);
    const client = new Client();
    for (const options of [{ acks: 'leader' }, { acks: 'none' }, { requestsInFlightMax: 6 }] as const) {
      expect(() => client.producer({ ...options, idempotent: true })).toThrow(
        expect.objectContaining({ code: 'ODR_USAGE', message: expect.stringContaining('idempotent') }),
      );
    }
    await client.close();
  });
});

/** A partition that keeps Kafka's rules, and loses answers, connections and its own tail. */
class UnreliablePartition {
  log: { readonly value: string; readonly header: Buffer }[] = [];
  readonly lost = new Set<string>();
  #states = new ProducerStates();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  handle(request: ProduceRequest): void {
    const dice = this.#random.below(100);
    if (dice < 6) lose(request);
    else if (dice < 12) refuse('NOT_LEADER_OR_FOLLOWER')(request);
    else if (dice < 14) refuse('MESSAGE_TOO_LARGE')(request);
    else {
      if (dice < 17) this.#loseTail();
      const result = this.#append(request.payload);
      if (dice < 25) lose(request);
      else if (dice < 32) refuse('REQUEST_TIMED_OUT')(request);
      else request.answer({ type: 'produce', partitions: [result] });
    }
  }

  #append(payload: Buffer): ProducePartitionResult {
    const known = this.#states.check(payload, 0);
    if (typeof known === 'string') return refused(known);
    if (known) return appended(known.baseOffset);
    const baseOffset = toOffset(this.log.length);
    stampPlace(payload, 0, baseOffset, toLeaderEpoch(0));
    for (const batch of new BatchReader(payload)) {
      for (const { value } of batch.records())
        this.log.push({ value: String(value).trim(), header: payload });
    }
    expect(this.log.length).toBe(baseOffset + readLastOffsetDelta(payload, 0) + 1);
    this.#states.apply(payload, 0, 0);
    return appended(baseOffset);
  }

  /** As a loss of power without flush.acks does. */
  #loseTail(): void {
    const batches = [...new Set(this.log.map(({ header }) => header))];
    // Something is left: of a producer that it does not know, a partition takes any number.
    const kept = batches.slice(0, Math.max(1, batches.length - 1 - this.#random.below(4)));
    for (const { value, header } of this.log) if (!kept.includes(header)) this.lost.add(value);
    this.log = this.log.filter(({ header }) => kept.includes(header));
    this.#states = new ProducerStates();
    for (const header of kept) this.#states.apply(header, 0, 0);
  }
}

describe('BatchSender of an idempotent producer, at random', () => {
  it.each(Array.from({ length: 6 }, (_, run) => run))(
    'appends nothing twice and keeps the order, run %i',
    async (run) => {
      const partition = new UnreliablePartition(seededRandom(seed + run));
      await using broker = await ScriptedBroker.start({ produce: (request) => partition.handle(request) });
      const producer = producerOf(broker, { batchBytes: 300, requestsInFlightMax: 5 });
      const values = Array.from({ length: 150 }, (_, i) => String(i));
      const outcomes = await Promise.allSettled(
        values.map((value) => producer.send({ topic: 'orders', partition: 0, value: value.padEnd(100) })),
      );
      const context = `SEED=${seed}, run ${run}`;
      const logged = partition.log.map(({ value }) => Number(value));
      expect(logged, context).toEqual([...new Set(logged)].sort((a, b) => a - b));
      for (const [i, outcome] of outcomes.entries()) {
        const value = String(i);
        if (outcome.status === 'fulfilled') {
          const isThere = logged.includes(i) || partition.lost.has(value);
          expect(isThere, `${value} was acknowledged, ${context}`).toBe(true);
        } else expect(outcome.reason, context).toMatchObject({ errorName: 'MESSAGE_TOO_LARGE' });
      }
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length, context).toBeGreaterThan(100);
    },
  );
});
