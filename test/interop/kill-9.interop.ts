// Rounds of `kill -9` while librdkafka's idempotent producer sends: it goes on after each restart, and repeats what was not
// answered. Nothing acknowledged may be lost and nothing be there twice. In every other round the broker is killed when it has
// answered what the producer has not received. ROUNDS=5, SEED= draws the same moments again.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'odradek';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { BATCH_HEADER_BYTES, readBatchBytes, readRecordCount } from '../../src/record/batch-header.js';
import { chooseSeed, countFromEnvironment } from '../chaos/seed.js';
import { folder, type StartedBroker, startBroker, stop } from '../cli/executable.js';
import { kafkaTools, python } from './clients.js';
import { dumpLogs } from './kafka-log-tool.js';
import { Relay } from './relay.js';
import { here, type Running, start, type Tool } from './tool.js';

const TOPIC = 'load';
const PARTITIONS = 3;
/** A round's kill comes after so many more acknowledged records, and up to so many more than that. */
const ACKNOWLEDGED_MIN = 10_000;
const ACKNOWLEDGED_MORE = 5_000;

/** In every other life acknowledgements wait for the disk, so that more is in doubt when it ends. */
const settings = (life: number) => [
  ...['--set', `log.segment.bytes=${48 * 1024}`],
  ...['--set', 'log.flush.offset.checkpoint.interval.ms=200'],
  ...['--set', `log.flush.acks=${life % 2 === 0}`],
];

interface LoadReport {
  readonly acknowledged: readonly number[];
  readonly sent: readonly number[];
  readonly problems: readonly string[];
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** The producer's process. */
class Load {
  readonly #running: Running;
  #report: LoadReport | null = null;
  #wanted: ((event: string, count: number) => void) | null = null;
  /** As last said. */
  acknowledged = 0;

  constructor(command: readonly string[], bootstrap: string) {
    const args = [here('python/idempotent_load.py'), bootstrap, TOPIC, String(PARTITIONS)];
    this.#running = start([...command, ...args], { onLine: (line) => this.#read(line), timeoutMs: 600_000 });
  }

  /** Resolves when so many records are acknowledged; rejects if the producer ends before. */
  async until(count: number): Promise<void> {
    await this.#await((_, acknowledged) => acknowledged >= count);
  }

  /** Resolves when it has lost its connection, with the number of records that were acknowledged before. */
  async disconnected(): Promise<number> {
    await this.#await((event) => event === 'disconnected');
    return this.acknowledged;
  }

  async #await(isIt: (event: string, acknowledged: number) => boolean): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#wanted = (event, count) => {
        if (isIt(event, count)) resolve();
      };
    });
    const early = this.#running.ended.then(() => {
      throw new Error(`the producer ended early: ${JSON.stringify(this.#report)}`);
    });
    await Promise.race([reached, early]);
  }

  /** Has it deliver what it has, and end. */
  async finish(): Promise<LoadReport> {
    this.#running.child.stdin.end();
    await this.#running.ended;
    if (!this.#report) throw new Error('the producer did not report');
    return this.#report;
  }

  kill(): void {
    this.#running.child.kill('SIGKILL');
  }

  #read(line: string): void {
    if (line.startsWith('{')) {
      this.#report = JSON.parse(line) as LoadReport;
      return;
    }
    const [event = '', count] = line.split(' ');
    this.acknowledged = Number(count);
    this.#wanted?.(event, this.acknowledged);
  }
}

/** The records of whole batches in the topic's segments, while no broker runs. */
function recordsIn(dataDirectory: string): number {
  const segments = readdirSync(dataDirectory, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.startsWith(`${TOPIC}-`) && name.endsWith('.log'),
  );
  let records = 0;
  for (const segment of segments) {
    const bytes = readFileSync(join(dataDirectory, segment));
    for (let at = 0; at + BATCH_HEADER_BYTES <= bytes.length; at += readBatchBytes(bytes, at)) {
      if (at + readBatchBytes(bytes, at) <= bytes.length) records += readRecordCount(bytes, at);
    }
  }
  return records;
}

/** The values in a partition, in their order; throws at a gap between offsets. */
async function valuesOf(native: string, partition: number): Promise<number[]> {
  const client = new Client({ brokers: [native] });
  try {
    const values: number[] = [];
    for await (const { offset, value } of client.consumer({
      topic: TOPIC,
      partitions: [partition],
      until: 'end',
    })) {
      if (offset !== values.length) throw new Error(`offset ${offset} follows ${values.length - 1}`);
      values.push(Number(value));
    }
    return values;
  } finally {
    await client.close();
  }
}

describe("librdkafka's idempotent producer", () => {
  const rounds = countFromEnvironment('ROUNDS', 5);
  const random = seededRandom(chooseSeed('kill -9 with librdkafka'));
  let tool: Tool = { missing: 'not looked for' };
  let relay: Relay;
  let broker: StartedBroker | null = null;
  let load: Load | null = null;
  let report: LoadReport | null = null;

  const need = (skip: (reason: string) => never): readonly string[] =>
    'missing' in tool ? skip(`confluent-kafka: ${tool.missing}`) : tool.command;

  beforeAll(async () => {
    tool = await python();
    relay = await Relay.start();
  });

  afterAll(() => {
    load?.kill();
    relay.close();
  });

  async function startLife(life: number): Promise<StartedBroker> {
    const started = await startBroker('kill-9', [...settings(life), '--advertise', relay.address]);
    relay.forwardTo(started.ready.kafka ?? '');
    return started;
  }

  async function begin(
    command: readonly string[],
  ): Promise<{ readonly victim: StartedBroker; readonly load: Load }> {
    const victim = await startLife(0);
    const client = new Client({ brokers: [victim.ready.native ?? ''] });
    await client.admin().createTopic({ name: TOPIC, partitions: PARTITIONS });
    await client.close();
    return { victim, load: new Load(command, relay.address) };
  }

  for (let round = 1; round <= rounds; round++) {
    it(`goes on after a kill and a restart, round ${round}`, async ({ skip }) => {
      const command = need(skip);
      const { victim, load: producer } = broker && load ? { victim: broker, load } : await begin(command);
      load = producer;
      await producer.until(producer.acknowledged + ACKNOWLEDGED_MIN + random.below(ACKNOWLEDGED_MORE));
      const holdsBack = round % 2 === 1;
      if (holdsBack) {
        relay.hold();
        await vi.waitUntil(() => relay.produceAnswersHeld > 0, { timeout: 60_000 });
      }
      const disconnected = producer.disconnected();
      victim.child.kill('SIGKILL');
      await once(victim.child, 'exit');
      relay.cut();
      const acknowledged = await disconnected;
      const written = recordsIn(join(folder, 'kill-9'));
      // What is in the log and not acknowledged is sent again to the next broker, which has to know it.
      expect(written).toBeGreaterThanOrEqual(acknowledged + (holdsBack ? 1 : 0));
      console.log(`round ${round}: ${acknowledged} acknowledged, ${written - acknowledged} more in the log`);
      broker = await startLife(round);
      await producer.until(acknowledged + ACKNOWLEDGED_MIN);
    });
  }

  it('has everything acknowledged in the log, once and in order', async ({ skip }) => {
    need(skip);
    expect(load).not.toBeNull();
    report = (await load?.finish()) ?? null;
    console.log(`librdkafka: ${JSON.stringify(report)}`);
    expect(report?.problems).toEqual([]);
    expect(report?.acknowledged).toEqual(report?.sent);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const values = await valuesOf(broker?.ready.native ?? '', partition);
      expect(values.length).toBe(report?.acknowledged[partition]);
      expect(values.findIndex((value, offset) => value !== offset)).toBe(-1);
    }
  });

  it("leaves logs in which Kafka's tool finds nothing wrong", async ({ skip }) => {
    need(skip);
    const tools = await kafkaTools();
    if ('missing' in tools) skip(`DumpLogSegments: ${tools.missing}`);
    else {
      if (!broker) throw new Error('there is no broker');
      expect(await stop(broker)).toBe(0);
      const dump = await dumpLogs(tools.command, join(folder, 'kill-9'));
      console.log(`DumpLogSegments: ${JSON.stringify(dump)}`);
      expect(dump.complaints).toEqual([]);
      expect(dump.records).toBe(sum(report?.acknowledged ?? []));
      expect(dump.segments).toBeGreaterThan(3 * PARTITIONS);
      expect(dump.indexesThatPassed).toBe(dump.indexes);
    }
  });
});
