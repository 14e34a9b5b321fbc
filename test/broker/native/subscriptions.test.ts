// Subscriptions of a real broker, as they go over the wire.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { toBrokerId, toLeaderEpoch, toTopicId } from '../../../src/base/ids.js';
import { silentLogger } from '../../../src/base/log.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { SupervisorReply } from '../../../src/broker/messages.js';
import { NativeDoor } from '../../../src/broker/native/native-door.js';
import { ReadBuffer } from '../../../src/broker/read-buffer.js';
import { Router } from '../../../src/broker/router.js';
import { parseBrokerConfig } from '../../../src/config/broker-config.js';
import { SimulatedDisk } from '../../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../../src/io/simulated-jobs.js';
import { WriteBuffer } from '../../../src/partition/write-buffer.js';
import { encodeFrame, splitFrame } from '../../../src/protocol/native/frame.js';
import type { Push, RequestBody, StreamStart } from '../../../src/protocol/native/messages.js';
import { encodeRequestHeader } from '../../../src/protocol/native/request-header.js';
import { decodeResponseHeader } from '../../../src/protocol/native/response-header.js';
import { BatchBuilder } from '../../../src/record/batch-builder.js';
import { readBatchBytes } from '../../../src/record/batch-header.js';
import { startBroker, type TestBroker } from '../../../src/testing/index.js';
import { jobFunctions } from '../../../workers/job-functions.js';
import { type Answer, NativeConnection } from '../../chaos/native-connection.js';
import { chooseSeed, countFromEnvironment } from '../../chaos/seed.js';
import { READ_LATER } from '../read-paces.js';
import { TestTransport } from '../test-transport.js';

const TOPIC = 'orders';
const PARTITIONS = 3;

function batchOf(bytes: number): Buffer {
  const builder = new BatchBuilder();
  builder.add({ timestampMs: 1_700_000_000_000, key: null, value: Buffer.alloc(bytes, 'x'), headers: [] });
  return builder.build();
}

const stream = (streamId: number, partition = 0, offset = 0): StreamStart => ({
  ...{ streamId, topic: TOPIC, partition, offset, topicId: '' },
});

describe('Subscriptions', () => {
  let broker: TestBroker;
  let producer: NativeConnection;

  beforeAll(async () => {
    broker = await startBroker({ workers: 1 });
    producer = await NativeConnection.open(broker.native);
    const topic = { name: TOPIC, partitions: PARTITIONS, replicationFactor: 1, configs: [] };
    await producer.must({ type: 'createTopic', ...topic, validateOnly: false });
  });

  afterAll(async () => {
    await producer.close();
    await broker.close();
  });

  /** A connection whose pushes go to `pushed`. */
  const open = (pushed: (push: Push, records: Buffer) => void = () => {}) =>
    NativeConnection.open(broker.native, {
      onStray: ({ body, payload }: Answer) => {
        if (body?.type === 'push') pushed(body, payload);
      },
    });

  const produce = (partition: number, batch: Buffer) =>
    producer.produce([{ topic: TOPIC, partition, batch }]);

  const tell = (connection: NativeConnection, body: RequestBody) =>
    connection.tell({ correlationId: 0, timeoutMs: 0, body });

  /** What the broker says of itself. */
  async function gauges(): Promise<string[]> {
    const page = await (
      await fetch(`http://${broker.http}/metrics`, { headers: { connection: 'close' } })
    ).text();
    return ['odradek_subscriptions', 'odradek_subscription_streams'].map(
      (name) => new RegExp(`^${name} (\\d+)$`, 'm').exec(page)?.[1] ?? 'missing',
    );
  }

  /** What it says may be a second old. */
  const gaugesAre = async (subscriptions: string, streams: string) => {
    await vi.waitUntil(async () => (await gauges()).join() === `${subscriptions},${streams}`, {
      timeout: 20_000,
      interval: 100,
    });
  };

  it('are announced in the hello', async () => {
    const connection = await NativeConnection.open(broker.native, { hello: false });
    const { body } = await connection.hello();
    expect(body).toMatchObject({ features: ['subscriptions'] });
    await connection.close();
  });

  it('send no byte beyond the credit, but for a single batch, whatever is granted when', async () => {
    const seed = chooseSeed('credits');
    const random = seededRandom(seed);
    for (let i = 0; i < 60; i++) await produce(i % PARTITIONS, batchOf(100 + random.below(20_000)));
    let creditBytes = 5_000;
    // Of what was granted, before the first push.
    let restBytes = creditBytes / 16;
    let batches = 0;
    const connection = await open((push, records) => {
      expect(push.error, `SEED=${seed}`).toBeNull();
      let count = 0;
      for (let at = 0; at < records.length; at += readBatchBytes(records, at)) count++;
      if (count > 0) expect(creditBytes).toBeGreaterThan(0);
      if (count > 1) expect(records.length).toBeLessThanOrEqual(creditBytes);
      creditBytes -= records.length;
      batches += count;
    });
    const streams = Array.from({ length: PARTITIONS }, (_, partition) => stream(partition + 1, partition));
    const pushBytesMax = 1 + random.below(50_000);
    await connection.must({ type: 'subscribe', subscriptionId: 9, creditBytes, pushBytesMax, streams });
    const isSpent = () => creditBytes <= restBytes || batches === 60;
    while (batches < 60) {
      await vi.waitUntil(isSpent, { timeout: 20_000 });
      const granted = random.below(40_000);
      creditBytes += granted;
      restBytes = Math.max(0, creditBytes / 16);
      tell(connection, { type: 'grantCredit', subscriptionId: 9, creditBytes: granted });
    }
    await connection.close();
    await connection.closed;
  });

  it('say nothing behind the answer that ends a stream or all of them', async () => {
    const seen: number[] = [];
    const connection = await open(({ streamId }) => seen.push(streamId));
    const credit = { creditBytes: 1_000_000, pushBytesMax: 0 };
    await connection.must({
      type: 'subscribe',
      subscriptionId: 1,
      ...credit,
      streams: [stream(1), stream(2, 1)],
    });
    await vi.waitUntil(() => new Set(seen).size === 2, { timeout: 20_000 });
    await connection.must({ type: 'changeSubscription', subscriptionId: 1, endStreamIds: [1], begin: [] });
    seen.length = 0;
    await produce(0, batchOf(10));
    await produce(1, batchOf(10));
    await vi.waitUntil(() => seen.length > 0, { timeout: 20_000 });
    expect(new Set(seen)).toEqual(new Set([2]));
    await connection.must({ type: 'unsubscribe', subscriptionId: 1 });
    seen.length = 0;
    await produce(1, batchOf(10));
    await connection.must({ type: 'ping' });
    expect(seen).toEqual([]);
    await connection.close();
  });

  it('refuse what is numbered twice, missing or too much, and leave everything as it was', async () => {
    const connection = await open();
    const errorOf = async (body: RequestBody) => (await connection.request(body))?.error?.error;
    const subscribe = (subscriptionId: number, streams: readonly StreamStart[]) =>
      errorOf({ type: 'subscribe', subscriptionId, creditBytes: 0, pushBytesMax: 0, streams });
    const many = (count: number, first: number) =>
      Array.from({ length: count }, (_, id) => stream(first + id));
    expect(await subscribe(1, [stream(1), stream(1)])).toBe('INVALID_REQUEST');
    expect(await subscribe(1, many(1001, 0))).toBe('INVALID_REQUEST');
    expect(await subscribe(1, [stream(1)])).toBeUndefined();
    expect(await subscribe(1, [])).toBe('INVALID_REQUEST');
    const change = (subscriptionId: number, endStreamIds: number[], begin: StreamStart[]) =>
      errorOf({ type: 'changeSubscription', subscriptionId, endStreamIds, begin });
    expect(await change(2, [], [])).toBe('INVALID_REQUEST');
    expect(await change(1, [], [stream(1)])).toBe('INVALID_REQUEST');
    expect(await change(1, [1, 99], [stream(1)])).toBeUndefined();
    expect(await errorOf({ type: 'unsubscribe', subscriptionId: 77 })).toBeUndefined();
    // A connection has so many streams and subscriptions, and no more.
    for (let first = 1000; first < 10_000; first += 1000)
      expect(await change(1, [], many(1000, first))).toBeUndefined();
    expect(await change(1, [], many(1000, 20_000))).toBe('POLICY_VIOLATION');
    expect(await change(1, [], many(999, 20_000))).toBeUndefined();
    expect(await subscribe(2, [stream(1)])).toBe('POLICY_VIOLATION');
    for (let id = 2; id <= 100; id++) expect(await subscribe(id, [])).toBeUndefined();
    expect(await subscribe(101, [])).toBe('POLICY_VIOLATION');
    await gaugesAre('100', '10000');
    await connection.close();
    await gaugesAre('0', '0');
  });

  it('end with their connections, and leave nothing', { timeout: 10 * 60_000 }, async () => {
    const connects = countFromEnvironment('CONNECTS', 1000);
    for (let done = 0; done < connects; done += 100) {
      await Promise.all(
        Array.from({ length: 100 }, async (_, id) => {
          const connection = await NativeConnection.open(broker.native);
          const streams = [stream(1, id % PARTITIONS), stream(2, 0, 1_000_000)];
          const subscribe = {
            type: 'subscribe',
            subscriptionId: id,
            creditBytes: 10 * id,
            pushBytesMax: 0,
          } as const;
          if (id % 2 === 0) await connection.must({ ...subscribe, streams });
          else tell(connection, { ...subscribe, streams });
          await connection.close();
        }),
      );
    }
    await gaugesAre('0', '0');
  });

  it('keep a connection from counting as idle', async () => {
    const quiet = await startBroker({ workers: 1, config: { 'connections.max.idle.ms': 300 } });
    const [subscriber, other] = [
      await NativeConnection.open(quiet.native),
      await NativeConnection.open(quiet.native),
    ];
    const subscribe = {
      type: 'subscribe',
      subscriptionId: 1,
      creditBytes: 1,
      pushBytesMax: 0,
      streams: [],
    } as const;
    await subscriber.must(subscribe);
    await other.closed;
    expect(subscriber.isClosed).toBe(false);
    await subscriber.must({ type: 'unsubscribe', subscriptionId: 1 });
    await subscriber.closed;
    await quiet.close();
  });
});

describe('Subscriptions to a partition that takes long to open', () => {
  it('are told in time that they are there, and keep what they have', () => {
    const clock = new SimulatedClock();
    const random = seededRandom(1);
    const disk = new SimulatedDisk({ random, scheduler: clock });
    const parsed = parseBrokerConfig([]);
    if ('failures' in parsed) throw new Error('the defaults are valid');
    const opening: ((reply: SupervisorReply) => void)[] = [];
    const brokerId = toBrokerId(1);
    const router = new Router({
      ...{ brokerId, clusterId: 'a-cluster', config: parsed.config, advertise: null },
      writeBuffer: new WriteBuffer({ extentBytes: 4096, extents: 2, largeBytes: 0 }),
      readBuffer: new ReadBuffer(64 * 1024),
      readPace: () => READ_LATER,
      // Answers when the test has it do so.
      supervisor: { ask: (_command, _deadlineMs, reply) => opening.push(reply) },
      coordinator: { ask: () => expect.unreachable() },
      ...{ clock, disk, logger: silentLogger },
      jobs: new SimulatedJobs({ random, scheduler: clock, disk, functions: jobFunctions }),
      defer: (run) => clock.schedule(0, run),
      later: (run) => clock.schedule(0, run),
    });
    const partition = {
      ...{ leader: brokerId, leaderEpoch: toLeaderEpoch(0) },
      ...{ replicas: [brokerId], inSyncReplicas: [brokerId] },
    };
    const topicId = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
    const image = { name: TOPIC, topicId, internal: false, overrides: {}, partitions: [partition] };
    router.receive({ type: 'topics', updated: [image], deleted: [] });
    const transport = new TestTransport();
    transport.handler = router.accept(transport, (connection) => new NativeDoor(connection, router));
    const send = (correlationId: number, timeoutMs: number, body: RequestBody) => {
      transport.send(Buffer.concat(encodeFrame(encodeRequestHeader({ correlationId, timeoutMs, body }))));
      clock.advance(0);
    };
    const answers = () => {
      const bytes = Buffer.concat(transport.read.splice(0));
      const all: { correlationId: number; error: string | null; type: string | undefined }[] = [];
      for (let at = 0; at < bytes.length; ) {
        const frame = bytes.subarray(at, at + 4 + bytes.readUInt32BE(at));
        at += frame.length;
        const { correlationId, error, body } = decodeResponseHeader(splitFrame(frame, frame.length).header);
        all.push({ correlationId, error: error?.error ?? null, type: body?.type });
      }
      return all;
    };

    const hello = { versionMin: 1, versionMax: 1, clientSoftware: '', clientId: '' };
    send(1, 0, { type: 'hello', ...hello });
    const sizes = { creditBytes: 1000, pushBytesMax: 0 };
    send(2, 5000, { type: 'subscribe', subscriptionId: 1, ...sizes, streams: [stream(1)] });
    send(3, 5000, { type: 'changeSubscription', subscriptionId: 1, endStreamIds: [], begin: [stream(2)] });
    expect(answers()).toEqual([{ correlationId: 1, error: null, type: 'hello' }]);
    clock.advance(5000);
    expect(answers()).toEqual([
      { correlationId: 2, error: null, type: 'subscribe' },
      { correlationId: 3, error: null, type: 'changeSubscription' },
    ]);
    expect([opening.length, router.streams.taken]).toEqual([1, 2]);
    for (const reply of opening) reply({ type: 'failed', error: 'KAFKA_STORAGE_ERROR', detail: '' });
    clock.advance(1);
    expect(answers()).toEqual([
      { correlationId: 0, error: null, type: 'push' },
      { correlationId: 0, error: null, type: 'push' },
    ]);
    expect(router.streams.taken).toBe(0);
    router.close();
  });
});
