// What a broker tells of itself, while clients of both doors use it.
import { Agent, request } from 'node:http';
import { Kafka, logLevel } from 'kafkajs';
import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ALL_METRICS } from '../../src/broker/metrics/all-metrics.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { NativeConnection } from '../chaos/native-connection.js';

const SCRAPES = 1000;

function batchOf(records: number): Buffer {
  const builder = new BatchBuilder();
  for (let i = 0; i < records; i++)
    builder.add({
      timestampMs: 1_700_000_000_000,
      key: null,
      value: Buffer.from(`record ${i}`),
      headers: [],
    });
  return builder.build();
}

/** A page as a monitoring system reads it: each series with its value. */
class Scrape {
  readonly #series = new Map<string, number>();

  constructor(text: string) {
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const space = line.lastIndexOf(' ');
      const series = line.slice(0, space);
      if (this.#series.has(series)) throw new Error(`${series} is there twice`);
      this.#series.set(series, Number(line.slice(space + 1)));
    }
  }

  get names(): Set<string> {
    return new Set([...this.#series.keys()].map((series) => series.replace(/\{.*/, '')));
  }

  get size(): number {
    return this.#series.size;
  }

  /** The value of a series; undefined if there is none. */
  value(series: string): number | undefined {
    return this.#series.get(series);
  }

  /** The sum of all series of a metric. */
  total(metric: string): number {
    let total = 0;
    for (const [series, value] of this.#series) if (series.replace(/\{.*/, '') === metric) total += value;
    return total;
  }
}

/** On a connection of its own, which ends with the answer. */
const get = (broker: TestBroker, path: string) =>
  fetch(`http://${broker.http}${path}`, { headers: { connection: 'close' } });

/** Reads an answer to its end. */
const statusOf = (agent: Agent, url: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    const asked = request(url, { agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
    });
    asked.once('error', reject);
    asked.end();
  });

async function scrape(broker: TestBroker): Promise<Scrape> {
  const response = await get(broker, '/metrics');
  expect(response.status).toBe(200);
  return new Scrape(await response.text());
}

/** Scrapes until what happened before shows: a page may be a second old, and threads count as they come to it. */
async function scrapeUntil(broker: TestBroker, holds: (page: Scrape) => boolean): Promise<Scrape> {
  let page = await scrape(broker);
  await vi.waitUntil(
    async () => {
      page = await scrape(broker);
      return holds(page);
    },
    { timeout: 20_000, interval: 100 },
  );
  return page;
}

describe('/metrics', () => {
  let broker: TestBroker;
  let connection: NativeConnection;
  const batch = batchOf(10);

  beforeAll(async () => {
    broker = await startBroker({ workers: 1 });
    connection = await NativeConnection.open(broker.native);
    await connection.must({
      ...{ type: 'createTopic', name: 'orders', partitions: 2, replicationFactor: 0, configs: [] },
      validateOnly: false,
    });
    for (let i = 0; i < 5; i++) {
      await connection.produce([
        { topic: 'orders', partition: 0, batch },
        { topic: 'orders', partition: 1, batch },
      ]);
    }
    await connection.produce([{ topic: 'missing', partition: 0, batch }]);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  it('agrees with what was produced', async () => {
    const page = await scrapeUntil(broker, (now) => now.total('odradek_appended_batches_total') >= 10);
    expect(page.value('odradek_requests_total{door="native",api="produce"}')).toBe(6);
    expect(page.value('odradek_request_duration_seconds_count{door="native",api="produce"}')).toBe(6);
    const error = 'UNKNOWN_TOPIC_OR_PARTITION';
    expect(page.value(`odradek_request_errors_total{door="native",api="produce",error="${error}"}`)).toBe(1);
    expect(page.value('odradek_produced_batches_total')).toBe(10);
    expect(page.value('odradek_produced_bytes_total')).toBe(10 * batch.length);
    expect(page.value('odradek_topic_produced_bytes_total{topic="orders"}')).toBe(10 * batch.length);
    expect(page.value('odradek_appended_batches_total{thread="worker-0"}')).toBe(10);
    expect(page.value('odradek_appended_records_total{thread="worker-0"}')).toBe(100);
    expect(page.value('odradek_appended_bytes_total{thread="worker-0"}')).toBe(10 * batch.length);
    for (const partition of [0, 1]) {
      const labels = `{topic="orders",partition="${partition}"}`;
      expect(page.value(`odradek_partition_log_start_offset${labels}`)).toBe(0);
      expect(page.value(`odradek_partition_log_end_offset${labels}`)).toBe(50);
      expect(page.value(`odradek_partition_high_watermark${labels}`)).toBe(50);
      expect(page.value(`odradek_partition_log_bytes${labels}`)).toBe(5 * batch.length);
      expect(page.value(`odradek_partition_log_segments${labels}`)).toBe(1);
    }
    expect(page.value('odradek_log_bytes{thread="worker-0"}')).toBe(10 * batch.length);
    expect(page.value('odradek_topics')).toBe(1);
    expect(page.value('odradek_partitions')).toBe(2);
    expect(page.value('odradek_partitions_open{thread="worker-0"}')).toBe(2);
    expect(page.value('odradek_logs_offline{thread="worker-0"}')).toBe(0);
    expect(page.value('odradek_ring_batches{thread="worker-0"}')).toBe(0);
    expect(page.value('odradek_received_bytes_total{door="native"}')).toBeGreaterThan(11 * batch.length);
  });

  it('agrees with what was fetched, and counts who waits', async () => {
    const before = await scrape(broker);
    await connection.fetch([{ topic: 'orders', partition: 0, offset: 0, maxBytes: 0 }]);
    const waiting = connection.must({
      ...{ type: 'fetch', minBytes: 1, maxWaitMs: 60_000, maxBytes: 1_000_000 },
      partitions: [{ topic: 'orders', partition: 0, offset: 50, maxBytes: 0 }],
    });
    const parked = await scrapeUntil(broker, (now) => now.value('odradek_fetches_parked') === 1);
    expect(parked.value('odradek_topic_fetched_bytes_total{topic="orders"}')).toBe(5 * batch.length);
    expect(parked.value('odradek_fetched_bytes_total')).toBe(5 * batch.length);
    expect(parked.total('odradek_fetch_reads_total')).toBeGreaterThan(
      before.total('odradek_fetch_reads_total'),
    );
    await connection.produce([{ topic: 'orders', partition: 0, batch }]);
    await waiting;
    const after = await scrapeUntil(broker, (now) => now.value('odradek_fetches_parked') === 0);
    expect(after.value('odradek_fetched_bytes_total')).toBe(6 * batch.length);
    expect(after.value('odradek_fetch_parkings_total')).toBeGreaterThanOrEqual(1);
  });

  it('counts connections and why they ended', async () => {
    const before = await scrape(broker);
    const peer = await NativeConnection.open(broker.native);
    await peer.close();
    const invalid = await NativeConnection.open(broker.native);
    invalid.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await invalid.closed;
    const closed = (page: Scrape, reason: string) =>
      page.value(`odradek_connections_closed_total{door="native",reason="${reason}"}`) ?? 0;
    const after = await scrapeUntil(
      broker,
      (now) =>
        closed(now, 'invalid') > closed(before, 'invalid') && closed(now, 'peer') > closed(before, 'peer'),
    );
    expect(after.value('odradek_connections{door="native"}')).toBe(1);
    expect(after.value('odradek_connections_opened_total{door="native"}')).toBe(
      (before.value('odradek_connections_opened_total{door="native"}') ?? 0) + 2,
    );
  });

  it('counts the requests of Kafka clients, their errors, and the lag of groups', async () => {
    const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING, retry: { retries: 0 } });
    const admin = kafka.admin();
    await admin.connect();
    await expect(admin.deleteTopics({ topics: ['nowhere'] })).rejects.toThrow();
    await admin.disconnect();
    await connection.must({
      ...{ type: 'commitGroupOffsets', groupId: 'billing' },
      offsets: [{ topic: 'orders', partition: 1, offset: 20, leaderEpoch: -1, metadata: '' }],
    });
    const labels = '{group="billing",topic="orders",partition="1"}';
    const page = await scrapeUntil(broker, (now) => now.value(`odradek_group_lag${labels}`) !== undefined);
    expect(page.value(`odradek_group_committed_offset${labels}`)).toBe(20);
    expect(page.value(`odradek_group_lag${labels}`)).toBe(30);
    expect(page.value('odradek_group_offsets')).toBe(1);
    expect(page.total('odradek_groups')).toBe(1);
    const error = 'UNKNOWN_TOPIC_OR_PARTITION';
    const failed = `{door="kafka",api="DeleteTopics",error="${error}"}`;
    expect(page.value(`odradek_request_errors_total${failed}`)).toBeGreaterThanOrEqual(1);
    expect(page.value('odradek_requests_total{door="kafka",api="ApiVersions"}')).toBeGreaterThanOrEqual(1);
  });

  it('tells of every thread and of the process', async () => {
    const page = await scrape(broker);
    for (const thread of ['main', 'supervisor', 'worker-0']) {
      expect(page.value(`odradek_thread_responding{thread="${thread}"}`)).toBe(1);
      expect(page.value(`odradek_thread_heap_bytes{thread="${thread}"}`)).toBeGreaterThan(0);
      expect(
        page.value(`odradek_thread_event_loop_active_seconds_total{thread="${thread}"}`),
      ).toBeGreaterThan(0);
    }
    expect(page.value('odradek_ready')).toBe(1);
    expect(page.value('odradek_process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  it('has no metric that is not declared', async () => {
    const declared = new Set(
      Object.values(ALL_METRICS)
        .flat()
        .flatMap(({ name, type }) =>
          type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
        ),
    );
    const { names } = await scrape(broker);
    expect([...names].filter((name) => !declared.has(name))).toEqual([]);
    expect(names.size).toBeGreaterThan(40);
  });

  it(`shows the same series after ${SCRAPES} scrapes, and opens nothing that it does not close`, async () => {
    const before = await scrapeUntil(broker, (now) => now.value('odradek_connections{door="kafka"}') === 0);
    const agent = new Agent({ keepAlive: true, maxSockets: 10 });
    const statuses = await Promise.all(
      Array.from({ length: SCRAPES }, (_, index) =>
        statusOf(agent, `http://${broker.http}${index % 2 === 0 ? '/metrics' : '/health/ready'}`),
      ),
    );
    agent.destroy();
    expect(new Set(statuses)).toEqual(new Set([200]));
    const files = (page: Scrape) => page.value('odradek_process_open_files') ?? 0;
    const after = await scrapeUntil(broker, (now) => files(now) <= files(before) + 5);
    expect(after.size).toBe(before.size);
  });

  it('is served to clients of the library while they use it', async () => {
    const client = new Client({ brokers: [broker.native] });
    const producer = client.producer();
    await producer.send({ topic: 'orders', partition: 0, value: 'x' });
    await client.close();
    const page = await scrapeUntil(
      broker,
      (now) => (now.value('odradek_requests_total{door="native",api="initProducerId"}') ?? 0) >= 1,
    );
    expect(page.value('odradek_partition_log_end_offset{topic="orders",partition="0"}')).toBe(61);
  });
});

describe('/metrics of a broker with many partitions', () => {
  it('has totals only', async () => {
    const broker = await startBroker({ workers: 1, config: { 'odradek.metrics.partitions.max': 3 } });
    const connection = await NativeConnection.open(broker.native);
    const create = (name: string) =>
      connection.must({
        ...{ type: 'createTopic', name, partitions: 2, replicationFactor: 0, configs: [] },
        validateOnly: false,
      });
    await create('a');
    await create('b');
    await connection.produce([{ topic: 'a', partition: 0, batch: batchOf(1) }]);
    const page = await scrapeUntil(broker, (now) => now.value('odradek_partitions') === 4);
    expect([...page.names].filter((name) => name.startsWith('odradek_partition_'))).toEqual([]);
    expect(page.value('odradek_topic_produced_batches_total{topic="a"}')).toBe(1);
    expect(page.value('odradek_log_segments{thread="worker-0"}')).toBeGreaterThanOrEqual(1);
    await connection.close();
    await broker.close();
  });
});

describe('a worker that dies', () => {
  it('is counted, and is ready again when its partitions are', async () => {
    const broker = await startBroker({ workers: 1 });
    const connection = await NativeConnection.open(broker.native);
    await connection.must({
      ...{ type: 'createTopic', name: 'a', partitions: 1, replicationFactor: 0, configs: [] },
      validateOnly: false,
    });
    await connection.produce([{ topic: 'a', partition: 0, batch: batchOf(1) }]);
    await broker.killPartitionWorker(0);
    const page = await scrapeUntil(
      broker,
      (now) =>
        now.value('odradek_worker_restarts_total') === 1 &&
        now.value('odradek_partitions_open{thread="worker-0"}') === 1,
    );
    expect(page.value('odradek_thread_responding{thread="worker-0"}')).toBe(1);
    expect((await fetch(`http://${broker.http}/health/ready`)).status).toBe(200);
    await connection.close();
    await broker.close();
  });
});
