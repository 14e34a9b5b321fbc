// The same records to a real Kafka and to this broker, compacted by both at the same moments: the same records must be left, in
// the same batches, and Kafka's log tool must say the same about both. SEED= makes the same records again.
import './kafkajs-codecs.js';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { BrokerProcess } from '../chaos/broker-process.js';
import { chooseSeed } from '../chaos/seed.js';
import { LibrdkafkaReader, placeOf } from './cleaning-clients.js';
import type { PlacedRecord } from './cleaning-ledger.js';
import { SEQUENCE_HEADER, valueFor } from './cleaning-records.js';
import { kafkaTools, python } from './clients.js';
import { dumpBatches } from './kafka-log-tool.js';
import { type RealKafka, startRealKafka } from './real-kafka.js';
import type { Tool } from './tool.js';

const TOPIC = 'compared';
/** The least that Kafka takes. */
const SEGMENT_BYTES = 1024 * 1024;
const KEYS = 500;
const BATCHES_OF_A_PHASE = 320;
const BATCH_RECORDS_MAX = 120;
const TOMBSTONE_OF = 6;
const NEVER_MS = 86_400_000;
const SETTINGS = { 'log.cleaner.backoff.ms': 100, 'group.initial.rebalance.delay.ms': 0 };
const COMPACTED_WITHIN = { timeout: 60_000, interval: 200 };
const CODECS = [
  CompressionTypes.None,
  CompressionTypes.GZIP,
  CompressionTypes.Snappy,
  CompressionTypes.LZ4,
  CompressionTypes.ZSTD,
] as const;

interface Batch {
  readonly compression: CompressionTypes;
  readonly isIdempotent: boolean;
  readonly records: readonly PlacedRecord[];
}

const nameOf = ({ offset, key, sequence, isTombstone }: PlacedRecord) =>
  `${offset} ${key}/${sequence}${isTombstone ? ' tombstone' : ''}`;

/** Batches of records behind those that were sent. */
function makeBatches(random: Random, sent: readonly PlacedRecord[]): Batch[] {
  const sequences = new Map<string, number>();
  for (const { key } of sent) sequences.set(key, (sequences.get(key) ?? 0) + 1);
  let offset = sent.length;
  const makeRecord = () => {
    const key = `key-${random.below(KEYS)}`;
    const sequence = sequences.get(key) ?? 0;
    sequences.set(key, sequence + 1);
    return { offset: offset++, key, sequence, isTombstone: random.below(TOMBSTONE_OF) === 0 };
  };
  return Array.from({ length: BATCHES_OF_A_PHASE }, () => ({
    compression: CODECS[random.below(CODECS.length)] ?? CompressionTypes.None,
    isIdempotent: random.below(2) === 0,
    records: Array.from({ length: 1 + random.below(BATCH_RECORDS_MAX) }, makeRecord),
  }));
}

/** One of the two, with its client. */
class Side {
  readonly dataDirectory: string;
  readonly #kafka: Kafka;
  readonly #admin: Admin;
  readonly #reader: LibrdkafkaReader;

  constructor(bootstrap: string, dataDirectory: string, command: readonly string[]) {
    this.dataDirectory = dataDirectory;
    this.#reader = new LibrdkafkaReader(command, bootstrap, TOPIC);
    this.#kafka = new Kafka({ brokers: [bootstrap], clientId: 'compared', logLevel: logLevel.NOTHING });
    this.#admin = this.#kafka.admin();
  }

  async connect(): Promise<void> {
    await this.#admin.connect();
    const configs = {
      ...{ 'cleanup.policy': 'compact', 'segment.bytes': SEGMENT_BYTES, 'min.cleanable.dirty.ratio': 0.001 },
      ...{ 'min.compaction.lag.ms': NEVER_MS, 'delete.retention.ms': 1, 'file.delete.delay.ms': 0 },
    };
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value: String(value) }));
    await this.#admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1, configEntries }] });
  }

  async disconnect(): Promise<void> {
    await this.#admin.disconnect();
    await this.#reader.close();
  }

  /** From how old on records are compacted: an hour more than any has, or all of those that can be. */
  async compactFrom(lagMs: number): Promise<void> {
    const configEntries = [{ name: 'min.compaction.lag.ms', value: String(lagMs) }];
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: TOPIC, configEntries }];
    const all = { 'cleanup.policy': 'compact', 'segment.bytes': SEGMENT_BYTES, 'delete.retention.ms': 1 };
    const others = { ...all, 'min.cleanable.dirty.ratio': 0.001, 'file.delete.delay.ms': 0 };
    // AlterConfigs replaces all that was set.
    configEntries.push(...Object.entries(others).map(([name, value]) => ({ name, value: String(value) })));
    await this.#admin.alterConfigs({ validateOnly: false, resources });
  }

  /** Sends batch after batch; each must come where it was made for. */
  async send(batches: readonly Batch[], timestampMs: number): Promise<void> {
    const common = { createPartitioner: Partitioners.DefaultPartitioner, maxInFlightRequests: 1 };
    const plain = this.#kafka.producer(common);
    const idempotent = this.#kafka.producer({ ...common, idempotent: true });
    await Promise.all([plain.connect(), idempotent.connect()]);
    for (const { isIdempotent, compression, records } of batches) {
      const messages = records.map((record) => ({
        ...{ key: record.key, value: record.isTombstone ? null : valueFor(record), partition: 0 },
        headers: { [SEQUENCE_HEADER]: String(record.sequence) },
        timestamp: String(timestampMs + record.offset),
      }));
      const producer = isIdempotent ? idempotent : plain;
      const [answer] = await producer.send({ topic: TOPIC, acks: -1, compression, messages });
      expect(Number(answer?.baseOffset)).toBe(records[0]?.offset);
    }
    await Promise.all([plain.disconnect(), idempotent.disconnect()]);
  }

  /** Everything up to the record at `lastOffset`, which is never compacted away. */
  async read(lastOffset: number): Promise<string[]> {
    const place = placeOf(TOPIC, 0);
    const readings = await this.#reader.read(new Map([[place, lastOffset]]));
    return (readings.get(place)?.records ?? []).map(nameOf);
  }

  /** The base offsets of its segments. */
  segments(): number[] {
    return readdirSync(join(this.dataDirectory, `${TOPIC}-0`))
      .filter((name) => name.endsWith('.log'))
      .map((name) => Number(name.slice(0, -4)))
      .sort((a, b) => a - b);
  }
}

/** What compaction leaves in a log whose active segment begins at `activeOffset`, and in which tombstones `isPast` are gone. */
function compacted(
  sent: readonly PlacedRecord[],
  activeOffset: number,
  isPast: (offset: number) => boolean,
): PlacedRecord[] {
  const newest = new Map<string, number>();
  for (const { offset, key } of sent) if (offset < activeOffset) newest.set(key, offset);
  return sent.filter(
    ({ offset, key, isTombstone }) =>
      offset >= activeOffset || (newest.get(key) === offset && !(isTombstone && isPast(offset))),
  );
}

describe('Compaction by Kafka and by this broker', () => {
  const random = seededRandom(chooseSeed('compaction compared'));
  const folder = mkdtempSync(join(tmpdir(), 'odradek-compared-'));
  const timestampMs = Date.now();
  const sent: PlacedRecord[] = [];
  let tool: Tool = { missing: 'not looked for' };
  let kafka: RealKafka | null = null;
  let broker: BrokerProcess | null = null;
  let theirs: Side;
  let ours: Side;
  /** Where their active segment began at the last compaction. */
  let compactedTo = 0;

  const need = (skip: (reason: string) => never): readonly string[] =>
    'missing' in tool ? skip(tool.missing) : tool.command;

  beforeAll(async () => {
    tool = await kafkaTools();
    const reader = await python();
    if ('missing' in reader) tool = reader;
    if ('missing' in tool || 'missing' in reader) return;
    kafka = await startRealKafka(tool.command, join(folder, 'kafka'), SETTINGS);
    const dataDirectory = join(folder, 'odradek');
    broker = await BrokerProcess.start({ dataDirectory, settings: SETTINGS });
    theirs = new Side(kafka.bootstrap, kafka.dataDirectory, reader.command);
    ours = new Side(broker.kafka, dataDirectory, reader.command);
    await theirs.connect();
    await ours.connect();
  });

  afterAll(async () => {
    await broker?.kill();
    await kafka?.end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  for (const phase of [1, 2, 3]) {
    it(`leaves the same records, compaction ${phase}`, async ({ skip }) => {
      need(skip);
      const batches = makeBatches(random, sent);
      sent.push(...batches.flatMap(({ records }) => records));
      const sides = [theirs, ours];
      for (const side of sides) await side.compactFrom(NEVER_MS);
      for (const side of sides) await side.send(batches, timestampMs);
      const active = theirs.segments().at(-1) ?? 0;
      expect(ours.segments().at(-1)).toBe(active);
      expect(active).toBeGreaterThan(compactedTo);
      const before = compactedTo;
      const expected = compacted(sent, active, (offset) => offset < before).map(nameOf);
      compactedTo = active;
      for (const side of sides) await side.compactFrom(0);
      const last = sent.length - 1;
      const isDone = async (side: Side) => (await side.read(last)).length <= expected.length;
      for (const side of sides) await vi.waitUntil(() => isDone(side), COMPACTED_WITHIN);
      expect(await theirs.read(last)).toEqual(expected);
      expect(await ours.read(last)).toEqual(expected);
      console.log(
        `compaction ${phase}: ${expected.length} of ${sent.length} records are left, ` +
          `${expected.filter((name) => name.endsWith(' tombstone')).length} of them tombstones; ` +
          `segments of Kafka ${theirs.segments()}, of Odradek ${ours.segments()}`,
      );
    });
  }

  it("makes the same batches, and Kafka's tool says the same of both", async ({ skip }) => {
    const command = need(skip);
    await theirs.disconnect();
    await ours.disconnect();
    await broker?.stop();
    await kafka?.end('SIGTERM');
    const [kafkas, odradeks] = await Promise.all(
      [theirs, ours].map(({ dataDirectory }) => dumpBatches(command, join(dataDirectory, `${TOPIC}-0`))),
    );
    console.log(`Kafka: ${JSON.stringify(kafkas?.complaints.slice(0, 5))}`);
    console.log(`Odradek: ${JSON.stringify(odradeks?.complaints.slice(0, 5))}`);
    const isEmpty = (line: string) => line.includes(' count: 0 ');
    const [theirEmpty = [], ourEmpty = []] = [kafkas, odradeks].map((dump) => dump?.batches.filter(isEmpty));
    console.log(`batches without records: ${theirEmpty.length} of Kafka, ${ourEmpty.length} of Odradek`);
    // Ours are left where a segment would lose its last offset, too.
    expect(ourEmpty).toEqual(expect.arrayContaining(theirEmpty));
    expect(theirEmpty.length).toBeGreaterThan(0);
    expect(odradeks?.batches.filter((line) => !isEmpty(line))).toEqual(
      kafkas?.batches.filter((line) => !isEmpty(line)),
    );
    expect(odradeks?.complaints).toEqual(kafkas?.complaints);
  });
});
