import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBrokerId, toLeaderEpoch } from '../../../src/base/ids.js';
import { silentLogger } from '../../../src/base/log.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import { FetchSessions } from '../../../src/broker/kafka/fetch-sessions.js';
import { KafkaDoor } from '../../../src/broker/kafka/kafka-door.js';
import { SERVED } from '../../../src/broker/kafka/served.js';
import { ReadBuffer } from '../../../src/broker/read-buffer.js';
import { Router } from '../../../src/broker/router.js';
import { parseBrokerConfig } from '../../../src/config/broker-config.js';
import { SimulatedDisk } from '../../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../../src/io/simulated-jobs.js';
import { WriteBuffer } from '../../../src/partition/write-buffer.js';
import { decodeResponse, encodeRequest } from '../../../src/protocol/kafka/headers.js';
import { produce } from '../../../src/protocol/kafka/messages/00-produce.js';
import { fetch } from '../../../src/protocol/kafka/messages/01-fetch.js';
import { listOffsets } from '../../../src/protocol/kafka/messages/02-list-offsets.js';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { apiVersions } from '../../../src/protocol/kafka/messages/18-api-versions.js';
import { createTopics } from '../../../src/protocol/kafka/messages/19-create-topics.js';
import { describeTopicPartitions } from '../../../src/protocol/kafka/messages/75-describe-topic-partitions.js';
import { jobFunctions } from '../../../workers/job-functions.js';
import { READ_LATER } from '../read-paces.js';
import { TestTransport } from '../test-transport.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  describeTopic,
  fetchFrom,
  fetchOf,
  fetchOne,
  newTopic,
  offsetOf,
  type TopicName,
  UNKNOWN_ID,
  valuesOf,
} from './kafka-scene.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const FOREVER_MS = 2 ** 31 - 1;
const PARTITIONS = 2000;

describe('KafkaDoor', () => {
  let broker: TestBroker;
  let canary: KafkaConnection;
  let topic: TopicName;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2 });
    canary = await KafkaConnection.open(broker.kafka);
    topic = await createTopic(canary, 'orders', 2);
    await createTopic(canary, 'wide', PARTITIONS);
  });

  afterAll(async () => {
    await canary.close();
    await broker.close();
  });

  /** Others are served. */
  async function served(): Promise<void> {
    expect(await append(canary, topic, batchOf(['x']))).toMatchObject({ errorCode: 0 });
  }

  it('answers in the order of the requests, though it handles them side by side', async () => {
    // KafkaConnection minds the order.
    const connection = await KafkaConnection.open(broker.kafka);
    const { highWatermark } = await fetchOne(connection, topic, { partition: 1 });
    const from = { partition: 1, offset: highWatermark };
    const requests = [
      fetchFrom(connection, topic, [from], { maxWaitMs: FOREVER_MS }),
      // What it waits for comes behind it, on its own connection.
      append(connection, topic, batchOf(['y']), { index: 1 }),
      connection.ask(metadata, 9, { topics: null }),
      connection.ask(createTopics, 7, { topics: [newTopic('behind')] }),
      offsetOf(connection, 'orders', -1),
      connection.ask(apiVersions, 0, { clientSoftwareName: '', clientSoftwareVersion: '' }),
      connection.ask(describeTopicPartitions, 0, { topics: [] }),
      append(connection, topic, null),
      fetchOne(connection, topic, from),
    ];
    await Promise.all(requests);
    await connection.close();
  });

  it('handles what comes behind a fetch that waits', async () => {
    const connection = await KafkaConnection.open(broker.kafka);
    const { highWatermark: offset } = await fetchOne(connection, topic, { partition: 1 });
    const waiting = fetchOne(connection, topic, { partition: 1, offset }, { maxWaitMs: FOREVER_MS });
    const creating = connection.ask(createTopics, 7, { topics: [newTopic('made-meanwhile')] });
    while ((await describeTopic(canary, 'made-meanwhile')).errorCode !== 0) await served();
    expect(connection.unanswered).toBe(2);
    await append(canary, topic, batchOf(['there']), { index: 1 });
    expect(valuesOf((await waiting).records)).toEqual(['there']);
    expect((await creating).topics[0]?.errorCode).toBe(0);
    await connection.close();
  });

  it('answers any order of requests in that order', async () => {
    const random = seededRandom(Number(process.env['SEED'] ?? 1));
    const connection = await KafkaConnection.open(broker.kafka);
    const kinds: readonly (() => Promise<unknown>)[] = [
      () => append(connection, topic, batchOf(['z'.repeat(random.below(3000))])),
      () => append(connection, topic, batchOf(['z'.repeat(40_000)]), { index: 1, version: 9 }),
      () => fetchOne(connection, topic, { offset: 0, maxBytes: 10_000 }),
      () => fetchOne(connection, topic, {}, { maxWaitMs: 3, minBytes: 2 ** 31 - 1, version: 11 }),
      () => connection.ask(metadata, 12, { topics: [{ name: 'wide' }] }),
      () => offsetOf(connection, 'orders', random.below(2) === 0 ? -1 : 0),
      () => connection.ask(describeTopicPartitions, 0, { topics: [] }),
    ];
    const requests = Array.from({ length: 300 }, () => kinds[random.below(kinds.length)]?.());
    await Promise.all(requests);
    await connection.close();
  });

  it('closes the connection over an API or a version that it does not serve', async () => {
    const versions = SERVED.filter(({ api }) => api !== (apiVersions as unknown)).flatMap(({ api }) => {
      const { first, last } = api.request.versions;
      return [first - 1, last + 1, 99, -1].map((version) => [api.key, version] as const);
    });
    for (const [key, version] of [...versions, [999, 0] as const, [-1, 0] as const, [17, 0] as const]) {
      const connection = await KafkaConnection.open(broker.kafka);
      const frame = Buffer.alloc(4 + 60);
      frame.writeInt32BE(60, 0);
      frame.writeInt16BE(key, 4);
      frame.writeInt16BE(version, 6);
      frame.writeInt16BE(-1, 12);
      connection.raw([frame]);
      await connection.closed;
    }
    await served();
  });

  it('closes the connection over what is no request', async () => {
    const frame = (...bytes: readonly number[]) => {
      const whole = Buffer.from([0, 0, 0, bytes.length, ...bytes]);
      return whole;
    };
    const metadataV1 = [0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff];
    const attacks = [
      frame(),
      frame(0),
      frame(0, 3, 0, 1),
      frame(0, 3, 0, 1, 0, 0, 0, 7),
      frame(0, 3, 0, 1, 0, 0, 0, 7, 0x7f, 0xff),
      frame(...metadataV1),
      frame(...metadataV1, 0x7f, 0xff, 0xff, 0xff),
      frame(...metadataV1, 0xff, 0xff, 0xff, 0xfe),
      frame(...metadataV1, 0, 0, 0, 1, 0xff, 0xff),
      frame(0, 3, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
      Buffer.from([0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0]),
      Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    ];
    for (const bytes of attacks) {
      const connection = await KafkaConnection.open(broker.kafka);
      connection.raw([bytes]);
      await connection.closed;
    }
    await served();
  });

  it('answers what came before the request that it cannot read', async () => {
    const connection = await KafkaConnection.open(broker.kafka);
    const answer = connection.ask(metadata, 1, { topics: [] });
    connection.raw([Buffer.from([0, 0, 0, 1, 0])]);
    expect((await answer).brokers).toHaveLength(1);
    await connection.closed;
  });

  it('ignores bytes behind a request, and the client that says nothing of itself', async () => {
    const connection = await KafkaConnection.open(broker.kafka);
    // The first request of this connection is not ApiVersions; the bytes are those of librdkafka.
    const body = Buffer.from('00000000' + '010000', 'hex');
    const header = Buffer.from('0003' + '000d' + '00000009' + 'ffff' + '00', 'hex');
    const length = Buffer.alloc(4);
    length.writeInt32BE(header.length + body.length);
    connection.raw([length, header, body]);
    const { response } = decodeResponse(metadata, 13, await connection.expect(9));
    expect(response.errorCode).toBe(0);
    await connection.close();
  });

  it('takes requests byte by byte', async () => {
    const connection = await KafkaConnection.open(broker.kafka);
    const request = fetchOf(topic, [{}]);
    const frame = Buffer.concat(encodeRequest(fetch, 12, { correlationId: 77, clientId: 'slow' }, request));
    for (const byte of frame) connection.raw([Buffer.of(byte)]);
    expect((await connection.expect(77)).length).toBeGreaterThan(20);
    await connection.close();
  });

  it('answers a peer that sends no more', async () => {
    const connection = await KafkaConnection.open(broker.kafka);
    const { highWatermark: offset } = await fetchOne(connection, topic, { partition: 1 });
    const answers = [
      append(connection, topic, batchOf(['last'])),
      connection.ask(metadata, 9, { topics: [] }),
    ];
    const waiting = fetchFrom(connection, topic, [{ partition: 1, offset }], { maxWaitMs: FOREVER_MS });
    connection.socket.end();
    expect(await Promise.all(answers)).toMatchObject([{ errorCode: 0 }, { errorCode: 0 }]);
    // Nobody can tell whether it still waits: the connection ends soon.
    await expect(waiting).rejects.toThrow('closed');
    await connection.closed;
    await served();
  });

  it('does not keep answers behind a fetch that waits beyond a bound: the wait ends', async () => {
    const connection = await KafkaConnection.open(broker.kafka);
    const { highWatermark: offset } = await fetchOne(connection, topic, { partition: 1 });
    const from = [{ partition: 1, offset }];
    const waiting = fetchFrom(connection, topic, from, { maxWaitMs: FOREVER_MS });
    const few = [1, 2, 3].map(() => connection.ask(metadata, 9, { topics: [{ name: 'wide' }] }));
    await served();
    expect(connection.unanswered).toBe(4);
    const many = Array.from({ length: 40 }, () =>
      connection.ask(metadata, 9, { topics: [{ name: 'wide' }] }),
    );
    expect((await waiting).responses[0]?.partitions).toMatchObject([
      { errorCode: 0, records: { length: 0 } },
    ]);
    for (const { topics } of await Promise.all([...few, ...many])) {
      expect(topics[0]?.partitions).toHaveLength(PARTITIONS);
    }
    await connection.close();
  });

  it('ends the wait of a fetch when the connection has as many requests as it may have', async () => {
    await using narrow = await startBroker({ workers: 1, config: { 'odradek.requests.max': 5 } });
    const connection = await KafkaConnection.open(narrow.kafka);
    const quiet = await createTopic(connection, 'quiet');
    const waiting = fetchFrom(connection, quiet, [{}], { maxWaitMs: FOREVER_MS });
    const others = Array.from({ length: 20 }, () => connection.ask(metadata, 9, { topics: [] }));
    expect((await waiting).errorCode).toBe(0);
    await Promise.all(others);
    await connection.close();
  });

  it('takes large requests one by one, and none that is too large', async () => {
    const connection = await KafkaConnection.open(broker.kafka);
    const names = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ name: `name-${index}`.padEnd(40, '-') }));
    const request = { topics: names(30_000), allowAutoTopicCreation: false };
    const large = await Promise.all([1, 2, 3].map(() => connection.ask(metadata, 9, request)));
    expect(large.map(({ topics }) => topics.length)).toEqual([30_000, 30_000, 30_000]);
    const tooLarge = { topics: names(99_999).map(({ name }) => ({ name: name.padEnd(60, '-') })) };
    await expect(connection.ask(metadata, 3, tooLarge)).rejects.toThrow('closed');
    await served();
  });

  it('answers the fetches that wait when the broker stops', async () => {
    const stopping = await startBroker({ workers: 1 });
    const connection = await KafkaConnection.open(stopping.kafka);
    const quiet = await createTopic(connection, 'quiet');
    const waiting = fetchOne(connection, quiet, {}, { maxWaitMs: FOREVER_MS });
    const behind = connection.ask(metadata, 9, { topics: [] });
    await fetchOne(await KafkaConnection.open(stopping.kafka), quiet);
    await stopping.close();
    expect((await waiting).errorCode).toBe(0);
    expect((await behind).brokers).toHaveLength(1);
    await connection.closed;
  });

  it('survives the death of a partition worker with no more than errors to retry', async () => {
    await using frail = await startBroker({ workers: 1 });
    const connection = await KafkaConnection.open(frail.kafka);
    const place = await createTopic(connection, 'place', 3);
    await append(connection, place, batchOf(['a']));
    const waiting = fetchOne(
      connection,
      place,
      { offset: 1, currentLeaderEpoch: 0 },
      { maxWaitMs: FOREVER_MS },
    );
    const other = await KafkaConnection.open(frail.kafka);
    const appends = Array.from({ length: 50 }, (_, index) =>
      append(other, place, batchOf(['b']), { index: index % 3 }),
    );
    const [worker = 0] = frail.partitionWorkers;
    await frail.killPartitionWorker(worker);
    const codes = new Set((await Promise.all(appends)).map(({ errorCode }) => errorCode));
    for (const code of codes) expect([0, 6]).toContain(code);
    expect([0, 6, 74]).toContain((await waiting).errorCode);
    // Until they are served again, in a new epoch.
    for (const index of [0, 1, 2]) {
      let code = 6;
      while (code === 6) code = (await append(other, place, batchOf(['c']), { index })).errorCode;
      expect(code).toBe(0);
    }
    const epochs = (await describeTopic(connection, 'place')).partitions.map(
      ({ leaderEpoch }) => leaderEpoch,
    );
    expect(epochs).toEqual([1, 1, 1]);
    const from = epochs.map((currentLeaderEpoch, partition) => ({ partition, currentLeaderEpoch }));
    const { responses } = await fetchFrom(connection, place, from);
    expect(responses[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0]);
    await connection.close();
    await other.close();
  });

  it('gives memory back when clients leave while their partitions are being opened', async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'odradek-door-'));
    const config = {
      'odradek.write.buffer.bytes': 4 * MIB,
      'odradek.read.buffer.bytes': 4 * MIB,
      'socket.request.max.bytes': 2 * MIB,
    };
    const records = batchOf([Buffer.alloc(900 * KIB)]);
    try {
      const first = await startBroker({ workers: 1, dataDirectory, config });
      const creator = await KafkaConnection.open(first.kafka);
      // Too many to be opened before they are used.
      const place = await createTopic(creator, 'place', 100);
      for (let index = 0; index < 12; index++) {
        const leaver = await KafkaConnection.open(first.kafka);
        const topicData = [{ ...place, partitionData: [{ index, records }] }];
        leaver.tell(produce, 13, { acks: -1, timeoutMs: 0, topicData });
        leaver.tell(fetch, 18, fetchOf(place, [{ partition: index + 20 }], { maxWaitMs: FOREVER_MS }));
        leaver.tell(listOffsets, 11, {
          replicaId: -1,
          topics: [{ name: 'place', partitions: [{ partitionIndex: index + 40, timestamp: 0 }] }],
        });
        if (index % 2 === 0) await leaver.close();
        else leaver.socket.resetAndDestroy();
      }
      for (let round = 0; round < 4; round++) {
        expect(await append(creator, place, records, { index: 99 })).toMatchObject({ errorCode: 0 });
        const { records: read } = await fetchOne(creator, place, { partition: 99, offset: round });
        expect(valuesOf(read).length).toBeGreaterThan(0);
      }
      await creator.close();
      await first.close();
    } finally {
      rmSync(dataDirectory, { recursive: true, force: true });
    }
  });
});

describe('KafkaDoor on internal topics', () => {
  const TOPIC_ID = UNKNOWN_ID;

  /** A router that was told of one topic of the broker's own, and a client of it. */
  function scene() {
    const clock = new SimulatedClock();
    const random = seededRandom(1);
    const disk = new SimulatedDisk({ random, scheduler: clock });
    const parsed = parseBrokerConfig([]);
    if ('failures' in parsed) throw new Error('the defaults are valid');
    const router = new Router({
      brokerId: toBrokerId(1),
      clusterId: 'a-cluster',
      config: parsed.config,
      advertise: null,
      writeBuffer: new WriteBuffer({ extentBytes: 4096, extents: 2, largeBytes: 0 }),
      readBuffer: new ReadBuffer(64 * KIB),
      readPace: () => READ_LATER,
      supervisor: { ask: () => expect.unreachable() },
      coordinator: { ask: () => expect.unreachable() },
      clock,
      disk,
      jobs: new SimulatedJobs({ random, scheduler: clock, disk, functions: jobFunctions }),
      logger: silentLogger,
      defer: (run) => clock.schedule(0, run),
      later: (run) => clock.schedule(0, run),
    });
    const broker = toBrokerId(1);
    const partition = {
      leader: broker,
      leaderEpoch: toLeaderEpoch(0),
      replicas: [broker],
      inSyncReplicas: [broker],
    };
    const image = {
      name: '__own',
      topicId: TOPIC_ID,
      internal: true,
      overrides: {},
      partitions: [partition],
    };
    router.receive({ type: 'topics', updated: [image], deleted: [] });
    const transport = new TestTransport();
    const sessions = new FetchSessions(clock, random);
    transport.handler = router.accept(transport, (connection) => new KafkaDoor(connection, router, sessions));
    return {
      ask(pieces: readonly Uint8Array[]): Buffer {
        transport.send(Buffer.concat(pieces));
        clock.advance(0);
        const answer = transport.read.shift();
        if (!answer) throw new Error('no answer');
        return answer.subarray(4);
      },
    };
  }

  const header = { correlationId: 1, clientId: null };

  it('says that they are internal', () => {
    const { ask } = scene();
    for (const version of [1, 9, 13]) {
      const answer = ask(encodeRequest(metadata, version, header, { topics: null }));
      const { topics } = decodeResponse(metadata, version, answer).response;
      expect(topics).toMatchObject([{ name: '__own', isInternal: true }]);
    }
    const answer = ask(encodeRequest(describeTopicPartitions, 0, header, { topics: [] }));
    const { topics } = decodeResponse(describeTopicPartitions, 0, answer).response;
    expect(topics).toMatchObject([{ name: '__own', isInternal: true }]);
  });

  it('lets no client write to them', () => {
    const { ask } = scene();
    for (const version of [3, 9, 13]) {
      const topicData = [
        { name: '__own', topicId: TOPIC_ID, partitionData: [{ index: 0, records: batchOf(['x']) }] },
      ];
      const answer = ask(encodeRequest(produce, version, header, { acks: -1, timeoutMs: 0, topicData }));
      const { responses } = decodeResponse(produce, version, answer).response;
      expect(responses[0]?.partitionResponses).toMatchObject([{ errorCode: 17, baseOffset: -1 }]);
    }
  });
});
