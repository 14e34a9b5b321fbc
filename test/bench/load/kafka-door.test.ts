import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildRecord } from '../../../bench/load/batch.js';
import { crowd } from '../../../bench/load/crowd.js';
import { fetchSession } from '../../../bench/load/fetch-session.js';
import { KafkaConnection } from '../../../bench/load/kafka-connection.js';
import { Moments } from '../../../bench/load/open-loop.js';
import { PacedConsumer } from '../../../bench/load/paced-consumer.js';
import { produceOneToEach } from '../../../bench/load/produce-one-to-each.js';
import { SessionConsumer } from '../../../bench/load/session-consumer.js';
import { WireConnection } from '../../../bench/load/wire-connection.js';
import { deferred } from '../../../src/client/deferred.js';

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(':') + 1));

describe("load generators of Kafka's door", () => {
  let broker: TestBroker;
  let port = 0;
  let connection: KafkaConnection;
  const record = buildRecord(100);
  beforeAll(async () => {
    broker = await startBroker();
    port = portOf(broker.kafka);
    connection = await KafkaConnection.open(port);
  });
  afterAll(async () => {
    connection.close();
    await broker.close();
  });

  async function createTopic(name: string, partitions: number): Promise<string> {
    const native = await WireConnection.open(portOf(broker.native));
    const topic = { name, partitions, replicationFactor: 1, configs: [] };
    await native.ask({ type: 'createTopic', ...topic, validateOnly: false });
    native.close();
    return name;
  }

  it('append one record to each partition, and tell its offset', async () => {
    const topic = await createTopic('each', 3);
    expect(await produceOneToEach(connection, topic, [2], record)).toEqual([0]);
    expect(await produceOneToEach(connection, topic, [0, 2, 1], record)).toEqual([0, 1, 0]);
    await expect(produceOneToEach(connection, 'unknown', [0], record)).rejects.toThrow(
      'Produce failed with error 3',
    );
  });

  it('note when each record of a partition arrives, those that come while a fetch waits too', async () => {
    const topic = await createTopic('arrivals', 1);
    const arrived = new Moments(3);
    await produceOneToEach(connection, topic, [0], record);
    const reader = await KafkaConnection.open(port);
    const read = new PacedConsumer(reader, { topic, record, arrived }).read(3);
    await produceOneToEach(connection, topic, [0], record);
    await produceOneToEach(connection, topic, [0], record);
    await read;
    reader.close();
    expect([...arrived.atMs].every((atMs, index, all) => atMs > 0 && atMs >= (all[index - 1] ?? 0))).toBe(
      true,
    );
    expect(() => arrived.note(2)).toThrow('Request 2 was not to be answered');
    expect(() => arrived.note(3)).toThrow('Request 3 was not to be answered');
  });

  it.each([
    { fetches: 'full', changed: 0, records: 0 },
    { fetches: 'reads', changed: 0, records: 0 },
    { fetches: 'parks', changed: 1, records: 3 },
    { fetches: 'reads', changed: 7, records: 21 },
    { fetches: 'reads', changed: 20, records: 60 },
  ] as const)('fetch in a session what $changed of 20 partitions got: $fetches', async (shape) => {
    const { fetches, changed, records } = shape;
    const topic = await createTopic(`session-${fetches}-${changed}`, 20);
    const brokerPid = process.platform === 'linux' ? process.pid : null;
    const job = { type: 'fetch-session', port, topic, partitions: 20, changed, fetches, times: 3 } as const;
    const result = await fetchSession({ ...job, brokerPid });
    expect(result).toMatchObject({ records, requests: 3 });
    expect(result.brokerSeconds === undefined).toBe(brokerPid === null);
  });

  it('name in an incremental fetch only what was read since the last one', async () => {
    const topic = await createTopic('incremental', 4);
    const consumer = await SessionConsumer.connect(port, topic, [0, 0, 0, 0], record);
    await expect(consumer.fetch(0)).rejects.toThrow('There is no session');
    expect(await consumer.open()).toMatchObject({ records: 0 });
    await produceOneToEach(connection, topic, [1, 3], record);
    expect(await consumer.fetch(1_000)).toMatchObject({ records: 2 });
    // Had the broker not been told the new offsets, it would send both again, which the consumer refuses.
    expect(await consumer.fetch(0)).toMatchObject({ records: 0 });
    await consumer.close();
  });

  it('notice what is not the record that was to come', async () => {
    const topic = await createTopic('gap', 2);
    await produceOneToEach(connection, topic, [0, 1], record);
    await produceOneToEach(connection, topic, [1], record);
    const other = buildRecord(99);
    const consumer = await SessionConsumer.connect(port, topic, [0, 0], other);
    await expect(consumer.open()).rejects.toThrow('gave something else than the record at offset 0');
  });

  it('keep a crowd of connections until they may go, each with a fetch that waits if it should', async () => {
    const topic = await createTopic('crowd', 1);
    const end = deferred<void>();
    const ready = deferred<void>();
    const job = { type: 'crowd', port, connections: 120, parkedAt: topic } as const;
    const over = crowd(job, { ready: ready.resolve, until: end.promise });
    await ready.promise;
    end.resolve();
    expect(await over).toMatchObject({ records: 0 });
  });

  it('fail if a fetch of the crowd is answered', async () => {
    const topic = await createTopic('woken', 1);
    const job = { type: 'crowd', port, connections: 3, parkedAt: topic } as const;
    const over = crowd(job, { ready: () => {}, until: new Promise(() => {}) });
    const failed = expect(over).rejects.toThrow('An answer came that should not');
    await produceOneToEach(connection, topic, [0], record);
    await failed;
  });
});
