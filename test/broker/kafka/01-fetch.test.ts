import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LARGE_FETCH_PARTITIONS, WAITING_PARTITIONS_MAX } from '../../../src/broker/kafka/limits.js';
import { encodeRequest } from '../../../src/protocol/kafka/headers.js';
import { fetch } from '../../../src/protocol/kafka/messages/01-fetch.js';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { createTopics } from '../../../src/protocol/kafka/messages/19-create-topics.js';
import { deleteTopics } from '../../../src/protocol/kafka/messages/20-delete-topics.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  type FetchFrom,
  type FetchOptions,
  fetchFrom,
  fetchOf,
  fetchOne,
  LATEST_FETCH,
  newTopic,
  type TopicName,
  UNKNOWN_ID,
  valuesOf,
  versionsOf,
} from './kafka-scene.js';

const MIB = 1024 * 1024;
/** Longer than any test. */
const FOREVER_MS = 2 ** 31 - 1;
const BY_ID = 13;

describe('Fetch', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;
  let other: KafkaConnection;
  let topic: TopicName;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2 });
    connection = await KafkaConnection.open(broker.kafka);
    other = await KafkaConnection.open(broker.kafka);
    topic = await createTopic(connection, 'orders', 4);
    await append(connection, topic, batchOf(['a', 'b', 'c']));
    await append(connection, topic, batchOf(['d', 'e']));
  });

  afterAll(async () => {
    await connection.close();
    await other.close();
    await broker.close();
  });

  /** Resolves when the broker has handled what was sent before. */
  async function handled(on: KafkaConnection): Promise<void> {
    await on.ask(metadata, 13, { topics: [] });
  }

  it('reads in every version', async () => {
    expect(versionsOf(fetch)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
    for (const version of versionsOf(fetch)) {
      for (const isolationLevel of [0, 1]) {
        const answer = await fetchFrom(connection, topic, [{}], { version, isolationLevel });
        expect(answer, `v${version}`).toMatchObject({ errorCode: 0, sessionId: 0, throttleTimeMs: 0 });
        expect(answer.responses).toHaveLength(1);
        const [{ topic: name, topicId, partitions } = { topic: '', topicId: '', partitions: [] }] =
          answer.responses;
        expect([name, topicId]).toEqual(version >= BY_ID ? ['', topic.topicId] : ['orders', ZERO_UUID]);
        expect(partitions).toHaveLength(1);
        expect(partitions[0], `v${version}`).toMatchObject({
          partitionIndex: 0,
          errorCode: 0,
          highWatermark: 5,
          lastStableOffset: 5,
          logStartOffset: version >= 5 ? 0 : -1,
          abortedTransactions: isolationLevel === 1 ? [] : null,
          preferredReadReplica: -1,
          divergingEpoch: { epoch: -1, endOffset: -1 },
        });
        expect(valuesOf(partitions[0]?.records), `v${version}`).toEqual(['a', 'b', 'c', 'd', 'e']);
      }
    }
  });

  it('has records of no bytes, not null, where there are none', async () => {
    for (const version of versionsOf(fetch)) {
      const atEnd = await fetchOne(connection, topic, { offset: 5 }, { version });
      expect(atEnd, `v${version}`).toMatchObject({ errorCode: 0, highWatermark: 5 });
      expect(atEnd.records, `v${version}`).toMatchObject({ length: 0 });
      const beyond = await fetchOne(connection, topic, { offset: 6 }, { version });
      expect(beyond, `v${version}`).toMatchObject({
        ...{ errorCode: 1, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 },
        records: { length: 0 },
      });
    }
  });

  it('calls all offsets outside of the log out of range, those beyond the safe integers too', async () => {
    for (const offset of [-1, -2, 6, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      expect((await fetchOne(connection, topic, { offset })).errorCode, `${offset}`).toBe(1);
    }
    const marker = 0x1234_5678_9abc;
    for (const wide of [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n]) {
      const header = { correlationId: 9000, clientId: null };
      const frame = Buffer.concat(encodeRequest(fetch, 11, header, fetchOf(topic, [{ offset: marker }])));
      frame.writeBigInt64BE(wide, frame.indexOf('0000123456789abc', 0, 'hex'));
      connection.raw([frame]);
      const answer = await connection.expect(9000);
      // In v11 the error code stands behind the topic's name and the partition's index.
      expect(answer.readInt16BE(answer.indexOf('orders') + 6 + 4 + 4), String(wide)).toBe(1);
    }
  });

  it('names what it does not know', async () => {
    for (const version of versionsOf(fetch)) {
      const byId = version >= BY_ID;
      const options = { version, maxWaitMs: FOREVER_MS };
      const strange = { name: 'unheard-of', topicId: UNKNOWN_ID };
      const unknown = await fetchOne(connection, strange, {}, options);
      expect(unknown, `v${version}`).toMatchObject({ errorCode: byId ? 100 : 3, highWatermark: -1 });
      const idless = { name: 'unheard-of', topicId: ZERO_UUID };
      expect((await fetchOne(connection, idless, {}, options)).errorCode).toBe(byId ? 100 : 3);
      for (const partition of [4, -1, 2 ** 31 - 1, -(2 ** 31)]) {
        const answer = await fetchOne(connection, topic, { partition }, options);
        expect(answer, `v${version}`).toMatchObject({ errorCode: 3, partitionIndex: partition });
      }
    }
  });

  it('begins with the batch that holds the offset', async () => {
    for (const version of [4, 12, 18]) {
      expect(valuesOf((await fetchOne(connection, topic, { offset: 2 }, { version })).records)).toEqual([
        ...'abcde',
      ]);
      expect(valuesOf((await fetchOne(connection, topic, { offset: 4 }, { version })).records)).toEqual([
        ...'de',
      ]);
    }
  });

  it('gives whole batches within its bounds, and the first one beyond them', async () => {
    const large = await createTopic(connection, 'large', 2);
    const value = 'x'.repeat(200_000);
    for (const index of [0, 1]) {
      for (let count = 0; count < 4; count++) await append(connection, large, batchOf([value]), { index });
    }
    const counts = async (maxBytes: number, partitionMaxBytes: number) => {
      const from = [0, 1].map((partition) => ({ partition, maxBytes: partitionMaxBytes }));
      const { responses } = await fetchFrom(connection, large, from, { maxBytes });
      return responses[0]?.partitions.map(({ records }) => valuesOf(records).length);
    };
    for (const least of [1, 0, -1, -(2 ** 31)]) {
      expect(await counts(least, MIB), `at most ${least} bytes`).toEqual([1, 0]);
      expect(await counts(MIB, least), `at most ${least} bytes of each`).toEqual([1, 0]);
    }
    expect(await counts(450_000, MIB)).toEqual([2, 0]);
    expect(await counts(650_000, 450_000)).toEqual([2, 1]);
    expect(await counts(2 ** 31 - 1, 2 ** 31 - 1)).toEqual([4, 4]);
  });

  it('answers for several partitions in the order of the request', async () => {
    const spread = await createTopic(connection, 'spread', 6);
    for (let index = 0; index < 6; index++)
      await append(connection, spread, batchOf([`of ${index}`]), { index });
    const from = [3, 99, 0, 5, 1, 4, 2].map((partition) => ({ partition }));
    for (const version of versionsOf(fetch)) {
      const { responses } = await fetchFrom(connection, spread, from, { version });
      const seen = responses[0]?.partitions.map(({ partitionIndex, errorCode, records }) => [
        ...[partitionIndex, errorCode],
        ...valuesOf(records),
      ]);
      const told = [3, 0, 5, 1, 4, 2].map((index) => [index, 0, `of ${index}`]);
      expect(seen, `v${version}`).toEqual([told[0], [99, 3], ...told.slice(1)]);
    }
  });

  it('waits for records, and for as many bytes as were asked for', async () => {
    const slow = await createTopic(connection, 'slow', 2);
    for (const version of [4, 11, 18]) {
      const ends = await Promise.all(
        [0, 1].map(async (partition) => {
          const { highWatermark } = await fetchOne(connection, slow, { partition });
          return { partition, offset: highWatermark };
        }),
      );
      const options = { version, maxWaitMs: FOREVER_MS };
      const first = fetchFrom(connection, slow, ends, { ...options, minBytes: 1 });
      await handled(other);
      expect(connection.unanswered).toBe(1);
      await append(other, slow, batchOf(['one']), { index: 1 });
      const [, second] = (await first).responses[0]?.partitions ?? [];
      expect(valuesOf(second?.records)).toEqual(['one']);

      const bytes = batchOf(['one']).length;
      const both = fetchFrom(connection, slow, ends, { ...options, minBytes: 2 * bytes + 1 });
      await append(other, slow, batchOf(['two']), { index: 0 });
      await handled(other);
      expect(connection.unanswered).toBe(1);
      await append(other, slow, batchOf(['three']), { index: 0 });
      const values = (await both).responses[0]?.partitions.map(({ records }) => valuesOf(records));
      expect(values).toEqual([['two', 'three'], ['one']]);
    }
  });

  it('does not wait without need', async () => {
    const empty = await createTopic(connection, 'empty');
    const at = (options: FetchOptions) => fetchOne(connection, empty, {}, options);
    expect(await at({ maxWaitMs: FOREVER_MS, minBytes: 0 })).toMatchObject({ errorCode: 0 });
    expect(await at({ maxWaitMs: FOREVER_MS, minBytes: -5 })).toMatchObject({ errorCode: 0 });
    expect(await at({ maxWaitMs: -1, minBytes: MIB })).toMatchObject({ errorCode: 0 });
    expect(await at({ maxWaitMs: 20, minBytes: 2 ** 31 - 1 })).toMatchObject({ errorCode: 0 });
    const nothing = await fetchFrom(connection, empty, [], { maxWaitMs: FOREVER_MS, minBytes: MIB });
    expect(nothing).toMatchObject({ errorCode: 0, responses: [] });
    const withError = await fetchFrom(connection, empty, [{}, { partition: 7 }], { maxWaitMs: FOREVER_MS });
    expect(withError.responses[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([0, 3]);
  });

  it('ends the wait when the topic is deleted', async () => {
    for (const version of [12, 13, 18]) {
      const doomed = await createTopic(connection, `doomed-${version}`);
      const waiting = fetchOne(connection, doomed, {}, { version, maxWaitMs: FOREVER_MS });
      await handled(other);
      const { responses } = await other.ask(deleteTopics, 6, {
        topics: [{ name: doomed.name }],
        timeoutMs: 30_000,
      });
      expect(responses[0]?.errorCode).toBe(0);
      // The partition's owner may be gone before the router hears that the topic is: then the client asks for metadata.
      const unknown = version >= BY_ID ? 100 : 3;
      expect([unknown, 6], `v${version}`).toContain((await waiting).errorCode);
      expect((await fetchOne(connection, doomed, {}, { version })).errorCode, `v${version}`).toBe(unknown);
    }
  });

  it('ends the wait of one fetch when the connection sends the next', async () => {
    const waiting = fetchOne(connection, topic, { offset: 5 }, { maxWaitMs: FOREVER_MS });
    const next = fetchOne(connection, topic, { offset: 3 });
    expect(await waiting).toMatchObject({ errorCode: 0, records: { length: 0 } });
    expect(valuesOf((await next).records)).toEqual([...'de']);
  });

  it('answers a partition that is asked for twice once, as it was asked for last', async () => {
    for (const version of [4, 12, 18]) {
      const from = [{ offset: 9 }, { partition: 1 }, { offset: 4 }];
      const { responses } = await fetchFrom(connection, topic, from, { version });
      const answers = responses[0]?.partitions.map(({ partitionIndex, records }) => [
        ...[partitionIndex, valuesOf(records).join('')],
      ]);
      expect(answers, `v${version}`).toEqual([
        [0, 'de'],
        [1, ''],
      ]);
    }
  });

  it('lets large fetches wait for the first bytes, and no more of them than it can bear', async () => {
    const count = 2 * LARGE_FETCH_PARTITIONS;
    const vast = await createTopic(connection, 'vast', count);
    const from = Array.from({ length: count }, (_, partition) => ({ partition }));
    expect((await fetchFrom(connection, vast, from)).errorCode).toBe(0);
    const waits = { maxWaitMs: FOREVER_MS, minBytes: MIB };
    const crowd = await Promise.all(
      Array.from({ length: WAITING_PARTITIONS_MAX / count }, () => KafkaConnection.open(broker.kafka)),
    );
    /** Sends it with a request before it, in one piece: when that is answered, this is being handled. */
    const park = async (one: KafkaConnection, offsets: readonly FetchFrom[]) => {
      one.socket.cork();
      const before = handled(one);
      const answer = fetchFrom(one, vast, offsets, waits);
      one.socket.uncork();
      await before;
      return { answer };
    };
    const waiting = await Promise.all(crowd.map((one) => park(one, from)));
    const small = fetchFrom(other, vast, from.slice(0, count / 2), waits);
    // There is no room for one more large one, but there is for small ones.
    expect((await fetchFrom(connection, vast, from, waits)).responses[0]?.partitions).toHaveLength(count);
    expect(other.unanswered).toBe(1);
    await append(connection, vast, batchOf(['x']), { index: count - 1 });
    for (const { responses } of await Promise.all(waiting.map(({ answer }) => answer))) {
      expect(valuesOf(responses[0]?.partitions.at(-1)?.records)).toEqual(['x']);
    }
    expect(other.unanswered).toBe(1);
    await append(connection, vast, batchOf([Buffer.alloc(600_000)]), { index: 0 });
    await append(connection, vast, batchOf([Buffer.alloc(600_000)]), { index: 1 });
    expect((await small).errorCode).toBe(0);
    // What they waited for can be waited for again; those who leave give it back too.
    const ends = from.map(({ partition }) => ({
      partition,
      offset: partition < 2 || partition === count - 1 ? 1 : 0,
    }));
    const lost = await Promise.all(crowd.map((one) => park(one, ends)));
    for (const { answer } of lost) answer.catch(() => {});
    await Promise.all(crowd.map((one) => one.close()));
    let again = await park(connection, ends);
    for (await handled(other); connection.unanswered === 0; await handled(other))
      again = await park(connection, ends);
    await append(other, vast, batchOf(['y']), { index: 7 });
    expect(valuesOf((await again.answer).responses[0]?.partitions[7]?.records)).toEqual(['y']);
  });

  it('refuses leader epochs other than its own, from version 9 on', async () => {
    for (const version of versionsOf(fetch)) {
      const from = (currentLeaderEpoch: number) =>
        fetchOne(connection, topic, { currentLeaderEpoch }, { version, maxWaitMs: FOREVER_MS });
      expect((await from(0)).errorCode).toBe(0);
      expect((await from(-1)).errorCode).toBe(0);
      expect((await from(1)).errorCode, `v${version}`).toBe(version >= 9 ? 75 : 0);
      expect((await from(2 ** 31 - 1)).errorCode, `v${version}`).toBe(version >= 9 ? 75 : 0);
    }
  });

  it('closes the connection over more partitions than a request may name', async () => {
    const greedy = await KafkaConnection.open(broker.kafka);
    const from = Array.from({ length: 10_001 }, () => ({}));
    await expect(fetchFrom(greedy, topic, from)).rejects.toThrow('closed');
    await expect(fetchFrom(connection, topic, from.slice(1))).resolves.toMatchObject({ errorCode: 0 });
  });

  it('gives memory back when consumers do not read, or leave', async () => {
    await using small = await startBroker({
      workers: 1,
      config: { 'odradek.read.buffer.bytes': 4 * MIB, 'socket.request.max.bytes': 2 * MIB },
    });
    const patient = await KafkaConnection.open(small.kafka);
    const place = await createTopic(patient, 'place');
    for (let count = 0; count < 6; count++) {
      expect(await append(patient, place, batchOf(['v'.repeat(900_000)]))).toMatchObject({ errorCode: 0 });
    }
    const leavers = await Promise.all(Array.from({ length: 24 }, () => KafkaConnection.open(small.kafka)));
    for (const [index, leaver] of leavers.entries()) {
      leaver.socket.pause();
      for (let count = 0; count < 4; count++)
        leaver.tell(fetch, LATEST_FETCH, fetchOf(place, [{ maxBytes: 8 * MIB }]));
      leaver.tell(fetch, LATEST_FETCH, fetchOf(place, [{ offset: 6 }], { maxWaitMs: FOREVER_MS }));
      if (index % 3 === 0) leaver.socket.end();
    }
    await handled(patient);
    await Promise.all(leavers.map((leaver) => leaver.close()));
    const slow = Array.from({ length: 3000 }, (_, index) => newTopic(`never-${index}`));
    // These leave while what they read waits for the answer to an earlier request.
    for (let round = 0; round < 8; round++) {
      const leaver = await KafkaConnection.open(small.kafka);
      leaver.tell(createTopics, 7, { topics: slow, validateOnly: true });
      leaver.tell(fetch, LATEST_FETCH, fetchOf(place, [{ offset: 4 }]));
      await handled(patient);
      leaver.socket.resetAndDestroy();
      await leaver.closed;
    }
    for (let offset = 0; offset < 6; offset++) {
      const { records } = await fetchOne(patient, place, { offset, maxBytes: 1 });
      expect(valuesOf(records)).toHaveLength(1);
    }
    await patient.close();
  });
});

describe('A fetch session', () => {
  const SINCE = 7;
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2 });
    connection = await KafkaConnection.open(broker.kafka);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  /** What an answer says: partitions with their values. */
  const told = ({ responses }: Awaited<ReturnType<typeof fetchFrom>>) =>
    responses.flatMap(({ partitions }) =>
      partitions.map(({ partitionIndex, errorCode, records }) => [
        ...[partitionIndex, errorCode],
        ...valuesOf(records),
      ]),
    );

  it('tells what is new, in every version', async () => {
    for (const version of versionsOf(fetch).filter((one) => one >= SINCE)) {
      const topic = await createTopic(connection, `new-${version}`, 3);
      await append(connection, topic, batchOf(['a']));
      const opened = await fetchFrom(connection, topic, [{}, { partition: 1 }, { partition: 2 }], {
        ...{ version, sessionId: 0, sessionEpoch: 0 },
      });
      const { sessionId } = opened;
      expect(sessionId, `v${version}`).toBeGreaterThan(0);
      expect(told(opened)).toEqual([
        [0, 0, 'a'],
        [1, 0],
        [2, 0],
      ]);
      let sessionEpoch = 1;
      const next = async (from: Parameters<typeof fetchFrom>[2], options: FetchOptions = {}) => {
        const answer = await fetchFrom(connection, topic, from, {
          ...{ version, sessionId, sessionEpoch: sessionEpoch++ },
          ...options,
        });
        expect(answer, `v${version}`).toMatchObject({ errorCode: 0, sessionId });
        return told(answer);
      };
      expect(await next([{ offset: 1 }])).toEqual([]);
      expect(await next([])).toEqual([]);
      await append(connection, topic, batchOf(['b']), { index: 1 });
      expect(await next([])).toEqual([[1, 0, 'b']]);
      expect(await next([]), 'until it says that it has it').toEqual([[1, 0, 'b']]);
      expect(await next([{ partition: 1, offset: 1 }])).toEqual([]);
      // What was forgotten is not told of any more; what is asked for anew is.
      const forgotten = { topic: topic.name, topicId: topic.topicId, partitions: [0, 77] };
      expect(await next([], { forgottenTopicsData: [forgotten] })).toEqual([]);
      await append(connection, topic, batchOf(['c']));
      expect(await next([])).toEqual([]);
      expect(await next([{ offset: 1 }])).toEqual([[0, 0, 'c']]);
      // Errors are told each time.
      expect(await next([{ partition: 2, offset: 9 }, { offset: 2 }])).toEqual([[2, 1]]);
      expect(await next([])).toEqual([[2, 1]]);
      expect(await next([{ partition: 2, offset: 0 }])).toEqual([[2, 0]]);
      expect(await next([])).toEqual([]);
    }
  });

  it('tells of a high watermark that moved, records or not', async () => {
    const topic = await createTopic(connection, 'watermark');
    const { sessionId } = await fetchFrom(connection, topic, [{}], { sessionId: 0, sessionEpoch: 0 });
    await append(connection, topic, batchOf(['a', 'b']));
    const moved = await fetchFrom(connection, topic, [{ offset: 2 }], { sessionId, sessionEpoch: 1 });
    expect(moved.responses[0]?.partitions).toMatchObject([{ highWatermark: 2, records: { length: 0 } }]);
    const same = await fetchFrom(connection, topic, [], { sessionId, sessionEpoch: 2 });
    expect(same.responses).toEqual([]);
  });

  it('waits for news of all its partitions', async () => {
    const topic = await createTopic(connection, 'all', 2);
    const from = [{}, { partition: 1 }];
    const { sessionId } = await fetchFrom(connection, topic, from, { sessionId: 0, sessionEpoch: 0 });
    const waiting = fetchFrom(connection, topic, [], {
      ...{ sessionId, sessionEpoch: 1, maxWaitMs: FOREVER_MS },
    });
    const other = await KafkaConnection.open(broker.kafka);
    await append(other, topic, batchOf(['news']), { index: 1 });
    expect(told(await waiting)).toEqual([[1, 0, 'news']]);
    await other.close();
  });

  it('waits for as many bytes as were asked for, a little of each of many partitions', async () => {
    const count = 2 * LARGE_FETCH_PARTITIONS;
    const topic = await createTopic(connection, 'little', count);
    const from = Array.from({ length: count }, (_, partition) => ({ partition }));
    const { sessionId } = await fetchFrom(connection, topic, from, { sessionId: 0, sessionEpoch: 0 });
    const other = await KafkaConnection.open(broker.kafka);
    const batch = batchOf(['little']);
    const waiting = fetchFrom(connection, topic, [], {
      ...{ sessionId, sessionEpoch: 1, maxWaitMs: FOREVER_MS, minBytes: 3 * batch.length },
    });
    for (const index of [count - 1, 5]) {
      await append(other, topic, batch, { index });
      await other.ask(metadata, 13, { topics: [] });
      expect(connection.unanswered).toBe(1);
    }
    await append(other, topic, batch, { index: 70 });
    expect(told(await waiting)).toEqual([5, 70, count - 1].map((index) => [index, 0, 'little']));
    // Those that gave records come after the others.
    await append(other, topic, batchOf(['first']), { index: 90 });
    const again = await fetchFrom(connection, topic, [{ partition: 5, offset: 1 }], {
      sessionId,
      sessionEpoch: 2,
    });
    expect(told(again)).toEqual([
      [90, 0, 'first'],
      [70, 0, 'little'],
      [count - 1, 0, 'little'],
    ]);
    await other.close();
  });

  it('brings a little of each of very many partitions in one answer', async () => {
    const count = 700;
    const topic = await createTopic(connection, 'each', count);
    const from = Array.from({ length: count }, (_, partition) => ({ partition }));
    const options = { maxBytes: 16 * MIB };
    const { sessionId } = await fetchFrom(connection, topic, from, {
      ...options,
      sessionId: 0,
      sessionEpoch: 0,
    });
    await Promise.all(
      from.map(({ partition }) => append(connection, topic, batchOf(['x']), { index: partition })),
    );
    const answer = await fetchFrom(connection, topic, [], { ...options, sessionId, sessionEpoch: 1 });
    expect(told(answer)).toEqual(from.map(({ partition }) => [partition, 0, 'x']));
  });

  it('finds a topic that was created anew under its name, but not under its id', async () => {
    const admin = await KafkaConnection.open(broker.kafka);
    for (const version of [12, LATEST_FETCH]) {
      const byId = version >= BY_ID;
      const topic = await createTopic(connection, `anew-${version}`);
      await append(connection, topic, batchOf(['old']));
      const { sessionId } = await fetchFrom(connection, topic, [{ offset: 1 }], {
        ...{ version, sessionId: 0, sessionEpoch: 0 },
      });
      let sessionEpoch = 1;
      const next = (from: readonly FetchFrom[], maxWaitMs = 0) =>
        fetchFrom(connection, topic, from, { version, sessionId, sessionEpoch: sessionEpoch++, maxWaitMs });
      expect(told(await next([])), `v${version}`).toEqual([]);
      const waiting = next([], FOREVER_MS);
      await admin.ask(deleteTopics, 6, { topics: [{ name: topic.name }], timeoutMs: 30_000 });
      const unknown = byId ? 100 : 3;
      expect([unknown, 6], `v${version}`).toContain((await waiting).responses[0]?.partitions[0]?.errorCode);
      expect(told(await next([])), `v${version}`).toEqual([[0, unknown]]);
      const anew = await createTopic(connection, topic.name);
      expect(told(await next([])), `v${version}`).toEqual([[0, byId ? 100 : 1]]);
      await append(connection, anew, batchOf(['new']));
      expect(told(await next([{}])), `v${version}`).toEqual([byId ? [0, 100] : [0, 0, 'new']]);
    }
    await admin.close();
  });

  it('goes on when the workers have died, and their partitions are open again', async () => {
    const topic = await createTopic(connection, 'reopened', 4);
    const from = [0, 1, 2, 3].map((partition) => ({ partition }));
    const { sessionId } = await fetchFrom(connection, topic, from, { sessionId: 0, sessionEpoch: 0 });
    const other = await KafkaConnection.open(broker.kafka);
    let sessionEpoch = 1;
    const next = async (maxWaitMs: number) => {
      const answer = await fetchFrom(connection, topic, [], {
        sessionId,
        sessionEpoch: sessionEpoch++,
        maxWaitMs,
      });
      expect(answer.errorCode).toBe(0);
      return told(answer);
    };
    for (const [offset, value] of ['one', 'two'].entries()) {
      const waiting = next(FOREVER_MS);
      await other.ask(metadata, 13, { topics: [] });
      expect(connection.unanswered).toBe(1);
      for (const worker of broker.partitionWorkers) await broker.killPartitionWorker(worker);
      expect((await waiting).map(([, errorCode]) => errorCode)).toContain(6);
      // Whoever asks has them opened. Errors are repeated until there are none.
      while ((await next(0)).length > 0);
      const news = next(FOREVER_MS);
      expect(await append(other, topic, batchOf([value]), { index: 2 })).toMatchObject({ errorCode: 0 });
      expect(await news).toEqual([[2, 0, value]]);
      const read = [{ partition: 2, offset: offset + 1 }];
      const options = { sessionId, sessionEpoch: sessionEpoch++ };
      expect(told(await fetchFrom(connection, topic, read, options))).toEqual([]);
    }
    await other.close();
  });

  it('answers a request that waits when the next one of the session comes, on whatever connection', async () => {
    const topic = await createTopic(connection, 'overtaken', 2);
    const from = [{}, { partition: 1 }];
    const { sessionId } = await fetchFrom(connection, topic, from, { sessionId: 0, sessionEpoch: 0 });
    const other = await KafkaConnection.open(broker.kafka);
    const waits = (on: KafkaConnection, sessionEpoch: number) =>
      fetchFrom(on, topic, [], { sessionId, sessionEpoch, maxWaitMs: FOREVER_MS });
    const first = waits(connection, 1);
    await other.ask(metadata, 13, { topics: [] });
    const second = waits(other, 2);
    expect(told(await first)).toEqual([]);
    await append(connection, topic, batchOf(['news']), { index: 1 });
    expect(told(await second)).toEqual([[1, 0, 'news']]);
    // So does the end of the session.
    const offset = { partition: 1, offset: 1 };
    const last = fetchFrom(other, topic, [offset], { sessionId, sessionEpoch: 3, maxWaitMs: FOREVER_MS });
    await connection.ask(metadata, 13, { topics: [] });
    await fetchFrom(connection, topic, from, { sessionId, sessionEpoch: -1 });
    expect(told(await last)).toEqual([]);
    await other.close();
  });

  it('is known on other connections, by its id and the number of the request', async () => {
    const topic = await createTopic(connection, 'known');
    const { sessionId } = await fetchFrom(connection, topic, [{}], { sessionId: 0, sessionEpoch: 0 });
    const other = await KafkaConnection.open(broker.kafka);
    const ask = async (options: FetchOptions) => {
      const { errorCode, responses, ...answer } = await fetchFrom(other, topic, [], options);
      if (errorCode !== 0) expect({ ...answer, responses }).toMatchObject({ sessionId: 0, responses: [] });
      return errorCode;
    };
    expect(await ask({ sessionId, sessionEpoch: 2 })).toBe(71);
    expect(await ask({ sessionId, sessionEpoch: 1 })).toBe(0);
    expect(await ask({ sessionId, sessionEpoch: 1 })).toBe(71);
    expect(await ask({ sessionId, sessionEpoch: 2 ** 31 - 1 })).toBe(71);
    expect(await ask({ sessionId, sessionEpoch: 2, version: 12 })).toBe(106);
    expect(await ask({ sessionId, sessionEpoch: 2 })).toBe(0);
    expect(await ask({ sessionId: sessionId + 1, sessionEpoch: 1 })).toBe(70);
    expect(await ask({ sessionId: 0, sessionEpoch: 1 })).toBe(70);
    expect(await ask({ sessionId: -1, sessionEpoch: 1 })).toBe(70);
    await other.close();
  });

  it('ends when it is told to, or to begin anew', async () => {
    const topic = await createTopic(connection, 'ends');
    await append(connection, topic, batchOf(['a']));
    const open = (sessionId: number, sessionEpoch: number) =>
      fetchFrom(connection, topic, [{}], { sessionId, sessionEpoch });
    const first = await open(0, 0);
    const second = await open(first.sessionId, 0);
    expect(second.sessionId).not.toBe(0);
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(told(second)).toEqual([[0, 0, 'a']]);
    expect((await open(first.sessionId, 1)).errorCode).toBe(70);
    const last = await open(second.sessionId, -1);
    expect(last.sessionId).toBe(0);
    expect(told(last)).toEqual([[0, 0, 'a']]);
    expect((await open(second.sessionId, 1)).errorCode).toBe(70);
    expect((await open(0, -1)).sessionId).toBe(0);
    expect(await open(0, -7)).toMatchObject({ errorCode: 0, sessionId: 0 });
  });
});
