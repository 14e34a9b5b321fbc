// Topics and their settings, as a client of a real broker meets them.
import { Client, type CodecName } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NativeConnection } from '../chaos/native-connection.js';

const CODECS: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const HOUR_MS = 3_600_000;

describe('Topics of a broker', () => {
  let broker: TestBroker;
  let client: Client;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2, config: { 'num.partitions': 3 } });
    client = new Client({ brokers: [broker.native] });
  });

  afterAll(async () => {
    await client.close();
    await broker.close();
  });

  it('are created by their first use, if the broker allows it', async () => {
    await client.producer().send({ topic: 'by-use', value: 'x' });
    expect((await client.admin().describeTopic('by-use')).partitions).toHaveLength(3);

    const strict = await startBroker({ workers: 1, config: { 'auto.create.topics.enable': false } });
    const strictClient = new Client({ brokers: [strict.native] });
    const sent = strictClient.producer({ deliveryTimeoutMs: 10_000 }).send({ topic: 'by-use', value: 'x' });
    await expect(sent).rejects.toMatchObject({ code: 'ODR_BROKER', errorName: 'UNKNOWN_TOPIC_OR_PARTITION' });
    expect(await strictClient.admin().listTopics()).toEqual([]);
    await strictClient.close();
    await strict.close();
  });

  it('are not created by reading', async () => {
    const read = async () => {
      for await (const _ of client.consumer({ topic: 'missing', until: 'end' })) expect.unreachable();
    };
    await expect(read()).rejects.toMatchObject({ errorName: 'UNKNOWN_TOPIC_OR_PARTITION' });
    await expect(client.admin().describeTopic('missing')).rejects.toMatchObject({
      errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('are refused with a reason', async () => {
    const admin = client.admin();
    await admin.createTopic({ name: 'taken' });
    const refusals = [
      [{ name: 'taken' }, 'TOPIC_ALREADY_EXISTS'],
      [{ name: 'a/b' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: '' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: '..' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: 'x'.repeat(250) }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: 'three', replicationFactor: 3 }, 'INVALID_REPLICATION_FACTOR'],
      [{ name: 'many', partitions: 1_000_000 }, 'INVALID_PARTITIONS'],
      [{ name: 'odd', configs: { 'retention.hours': 1 } }, 'INVALID_CONFIG'],
      [{ name: 'odd', configs: { 'retention.ms': 'soon' } }, 'INVALID_CONFIG'],
    ] as const;
    for (const [options, errorName] of refusals) {
      await expect(admin.createTopic(options), options.name).rejects.toMatchObject({
        code: 'ODR_BROKER',
        errorName,
      });
    }
    const summary = await admin.createTopic({ name: 'only-checked', partitions: 2, validateOnly: true });
    expect(summary.partitions).toHaveLength(2);
    const names = (await admin.listTopics()).map(({ name }) => name);
    expect(names).toContain('taken');
    expect(names).not.toContain('only-checked');
  });

  it('say what they hold and where their settings come from', async () => {
    const admin = client.admin();
    const created = await admin.createTopic({
      name: 'described',
      partitions: 2,
      configs: { 'retention.ms': 7 * HOUR_MS },
    });
    const producer = client.producer();
    await producer.send({
      topic: 'described',
      messages: [
        { partition: 1, value: 'a' },
        { partition: 1, value: 'b' },
      ],
    });
    const topic = await admin.describeTopic('described');
    expect(topic).toMatchObject({ name: 'described', topicId: created.topicId, internal: false });
    expect(topic.partitions).toMatchObject([
      {
        partition: 0,
        leader: 1,
        replicas: [1],
        inSyncReplicas: [1],
        highWatermark: 0,
        sizeBytes: 0,
        error: null,
      },
      { partition: 1, leader: 1, logStartOffset: 0, highWatermark: 2, logEndOffset: 2, error: null },
    ]);
    expect(topic.partitions[1]?.sizeBytes).toBeGreaterThan(61);
    expect(topic.configs).toContainEqual(
      expect.objectContaining({ name: 'retention.ms', value: '25200000', source: 'TOPIC' }),
    );
    expect(topic.configs).toContainEqual(
      expect.objectContaining({ name: 'segment.bytes', source: 'DEFAULT' }),
    );
  });

  it('begin anew after they were deleted, under another id', async () => {
    const admin = client.admin();
    const producer = client.producer();
    const first = await admin.createTopic({ name: 'anew', partitions: 1 });
    for (let i = 0; i < 3; i++) await producer.send({ topic: 'anew', value: `old ${i}` });
    await admin.deleteTopic('anew');
    await expect(admin.deleteTopic('anew')).rejects.toMatchObject({
      errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    const second = await admin.createTopic({ name: 'anew', partitions: 1 });
    expect(second.topicId).not.toBe(first.topicId);
    expect(await producer.send({ topic: 'anew', value: 'new' })).toMatchObject({ offset: 0 });
    const values: string[] = [];
    for await (const { value } of client.consumer({ topic: 'anew', until: 'end' }))
      values.push(String(value));
    expect(values).toEqual(['new']);
  });

  it('give records the time at which they are appended, if asked to', async () => {
    await client.admin().createTopic({
      ...{ name: 'append-time', partitions: 1 },
      configs: { 'message.timestamp.type': 'LogAppendTime' },
    });
    for (const compression of CODECS) {
      const beforeMs = Date.now();
      const message = { topic: 'append-time', value: compression.repeat(50), timestampMs: 5 };
      const { timestampMs, offset } = await client.producer({ compression }).send(message);
      expect(timestampMs).toBeGreaterThanOrEqual(beforeMs);
      expect(timestampMs).toBeLessThanOrEqual(Date.now());
      const consumer = client.consumer({ topic: 'append-time', from: { offset }, until: 'end' });
      for await (const received of consumer) expect(received).toMatchObject({ offset, timestampMs });
    }
  });

  it('refuse batches above max.message.bytes', async () => {
    await client
      .admin()
      .createTopic({ name: 'small', partitions: 1, configs: { 'max.message.bytes': 1000 } });
    const producer = client.producer();
    const tooLarge = producer.send({ topic: 'small', value: 'x'.repeat(1000) });
    await expect(tooLarge).rejects.toMatchObject({ errorName: 'MESSAGE_TOO_LARGE', retriable: false });
    expect(await producer.send({ topic: 'small', value: 'x'.repeat(900) })).toMatchObject({ offset: 0 });
  });

  it('refuse records of a time that they do not accept', async () => {
    await client.admin().createTopic({
      ...{ name: 'recent', partitions: 1 },
      configs: { 'message.timestamp.before.max.ms': HOUR_MS, 'message.timestamp.after.max.ms': HOUR_MS },
    });
    const producer = client.producer();
    for (const timestampMs of [Date.now() - 2 * HOUR_MS, Date.now() + 2 * HOUR_MS]) {
      const sent = producer.send({ topic: 'recent', value: 'x', timestampMs });
      await expect(sent).rejects.toMatchObject({ errorName: 'INVALID_TIMESTAMP', retriable: false });
    }
    const timestampMs = Date.now() - HOUR_MS / 2;
    expect(await producer.send({ topic: 'recent', value: 'x', timestampMs })).toMatchObject({
      offset: 0,
      timestampMs,
    });
  });

  it('acknowledge after the disk has it, if asked to', async () => {
    await client.admin().createTopic({ name: 'durable', partitions: 2, configs: { 'flush.acks': true } });
    const producer = client.producer({ lingerMs: 0, batchBytes: 2000, requestsInFlightMax: 8 });
    const value = 'x'.repeat(500);
    const sent = await Promise.all(
      Array.from({ length: 200 }, (_, i) => producer.send({ topic: 'durable', partition: i % 2, value })),
    );
    for (const partition of [0, 1]) {
      const offsets = sent.filter((result) => result.partition === partition).map(({ offset }) => offset);
      expect(offsets).toEqual(Array.from({ length: 100 }, (_, offset) => offset));
    }
    let read = 0;
    for await (const _ of client.consumer({ topic: 'durable', until: 'end' })) read++;
    expect(read).toBe(200);
  });

  it.each(CODECS)('find offsets by time to the record, in batches of codec %s', async (compression) => {
    const topic = `by-time-${compression}`;
    await client.admin().createTopic({ name: topic, partitions: 1, configs: { 'segment.bytes': 2000 } });
    const startMs = 1_700_000_000_000;
    const producer = client.producer({ compression });
    for (let batch = 0; batch < 10; batch++) {
      const messages = Array.from({ length: 20 }, (_, i) => ({
        value: 'repeated '.repeat(5),
        timestampMs: startMs + (batch * 20 + i) * 10,
      }));
      await producer.send({ topic, messages });
    }
    const admin = client.admin();
    const at = async (timestampMs: number) => (await admin.listOffsets(topic, { timestampMs }))[0];
    expect(await at(0)).toMatchObject({ offset: 0, timestampMs: startMs });
    for (const offset of [0, 1, 19, 20, 77, 121, 199]) {
      const timestampMs = startMs + offset * 10;
      expect(await at(timestampMs)).toMatchObject({ offset, timestampMs });
      expect(await at(timestampMs - 9)).toMatchObject({ offset, timestampMs });
    }
    expect(await at(startMs + 1991)).toMatchObject({ offset: -1, timestampMs: -1 });
    const offsets: number[] = [];
    const from = { timestampMs: startMs + 1955 };
    for await (const { offset } of client.consumer({ topic, from, until: 'end' })) offsets.push(offset);
    expect(offsets).toEqual([196, 197, 198, 199]);
  });

  describe('with a reader that waits', () => {
    /** Longer than a test may take: only news can end the wait. */
    const maxWaitMs = 10 * 60_000;
    const wait = (connection: NativeConnection, topic: string, minBytes = 1) => {
      const partitions = [{ topic, partition: 0, offset: 0, maxBytes: 0 }];
      return connection.request({ type: 'fetch', minBytes, maxWaitMs, maxBytes: 1_000_000, partitions });
    };

    it('wake it by a record', async () => {
      await client.admin().createTopic({ name: 'awaited', partitions: 1 });
      const connection = await NativeConnection.open(broker.native);
      const waiting = wait(connection, 'awaited', 1000);
      await connection.must({ type: 'ping' });
      await client.producer().send({ topic: 'awaited', value: 'too little' });
      await connection.must({ type: 'ping' });
      expect(connection.unanswered).toBe(1);
      await client.producer().send({ topic: 'awaited', value: 'x'.repeat(1000) });
      expect(await waiting).toMatchObject({ body: { partitions: [{ error: null, highWatermark: 2 }] } });
      await connection.close();
    });

    it('wake it by their end', async () => {
      await client.admin().createTopic({ name: 'ended', partitions: 1 });
      // It is open then: of one that is being opened it would not be known yet that there is none.
      await client.producer().send({ topic: 'ended', value: 'x' });
      const connection = await NativeConnection.open(broker.native);
      const waiting = wait(connection, 'ended', 1000);
      await connection.must({ type: 'ping' });
      await client.admin().deleteTopic('ended');
      expect(await waiting).toMatchObject({
        body: { partitions: [{ error: { error: 'UNKNOWN_TOPIC_OR_PARTITION' }, recordsBytes: 0 }] },
      });
      await connection.close();
    });

    it("wake it by the broker's stop", async () => {
      const stopping = await startBroker({ workers: 1 });
      const connection = await NativeConnection.open(stopping.native);
      await connection.must({ type: 'metadata', topics: ['t'], all: false, autoCreate: true });
      const waiting = wait(connection, 't');
      await connection.must({ type: 'ping' });
      await stopping.close();
      expect(await waiting).toMatchObject({ error: null, body: { partitions: [{ recordsBytes: 0 }] } });
      await connection.closed;
    });
  });
});
