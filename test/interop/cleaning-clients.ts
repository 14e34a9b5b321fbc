// Who writes to the topics that are compacted and deleted, and who reads them: librdkafka in processes of its own, kafkajs in this one.
import './kafkajs-codecs.js';
import { CompressionTypes, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import type { Random } from '../../src/base/random.js';
import type { PlacedRecord, Reading } from './cleaning-ledger.js';
import { PARTITIONS, partitionOf, SEQUENCE_HEADER, TOPICS, valueFor } from './cleaning-records.js';
import { here, type Running, start } from './tool.js';

const KEYS = 120;
const RECORDS_PER_SEND = 24;
const TOMBSTONE_OF = 8;
const KEYS_AT_A_TIME = 40;
const KEYS_CHANGE_AFTER = 400;
const KEYS_CHANGE_BY = 30;
const CODECS = [
  CompressionTypes.None,
  CompressionTypes.GZIP,
  CompressionTypes.Snappy,
  CompressionTypes.LZ4,
  CompressionTypes.ZSTD,
] as const;
const READ_WITHIN_MS = 60_000;
/** Longer than all rounds. */
const LOAD_WITHIN_MS = 3_600_000;

/** TOPIC PARTITION. */
export type Place = string;
export const placeOf = (topic: string, partition: number): Place => `${topic} ${partition}`;
export const PLACES: readonly Place[] = TOPICS.flatMap(({ name }) =>
  Array.from({ length: PARTITIONS }, (_, partition) => placeOf(name, partition)),
);

export type OnRecord = (place: Place, record: PlacedRecord) => void;

/** Reads a line that tells a record. */
function parseRecord(line: string): readonly [Place, PlacedRecord] {
  const [topic = '', partition, offset, key = '', sequence, kind] = line.split(' ');
  const record = { offset: Number(offset), key, sequence: Number(sequence), isTombstone: kind === 'T' };
  return [placeOf(topic, Number(partition)), record];
}

interface Plan {
  readonly bootstrap: string;
  readonly topics: readonly string[];
  readonly partitions: number;
  readonly keys: number;
  readonly seed: number;
}
const TOPIC_NAMES = TOPICS.map(({ name }) => name);
const planOf = (bootstrap: string, seed = 0, topics = TOPIC_NAMES, partitions = PARTITIONS): string => {
  const plan: Plan = { bootstrap, topics, partitions, keys: KEYS, seed };
  return JSON.stringify(plan);
};

/** What a load sends until it is finished. Each record that is acknowledged is told. */
export interface CleaningLoad {
  /** It may send so many more records from now on; at first none. */
  allow(count: number): void;
  /** Rejects when it cannot go on. */
  readonly failed: Promise<never>;
  /** Has it deliver what it has sent, and end; throws if it cannot. Returns how many records were sent. */
  finish(): Promise<number>;
  kill(): void;
}

export function loadWithLibrdkafka(
  command: readonly string[],
  bootstrap: string,
  seed: number,
  onRecord: OnRecord,
): CleaningLoad {
  let report: { sent: number; acknowledged: number; problems: readonly string[] } | null = null;
  const onLine = (line: string) => {
    if (line.startsWith('{')) report = JSON.parse(line) as typeof report;
    else onRecord(...parseRecord(line));
  };
  const args = [here('python/cleaning.py'), 'load', planOf(bootstrap, seed)];
  const running = start([...command, ...args], { onLine, timeoutMs: LOAD_WITHIN_MS });
  const failed = running.ended.then(() => {
    throw new Error(`librdkafka's load ended: ${JSON.stringify(report)}`);
  });
  failed.catch(() => {}); // It is told where it is awaited.
  return {
    failed,
    allow: (count) => void running.child.stdin.write(`${count}\n`),
    finish: async () => {
      running.child.stdin.end();
      await running.ended;
      if (!report || report.problems.length > 0 || report.sent !== report.acknowledged) {
        throw new Error(`librdkafka: ${JSON.stringify(report)}`);
      }
      return report.sent;
    },
    kill: () => running.child.kill('SIGKILL'),
  };
}

const clientOf = (bootstrap: string, clientId: string) =>
  new Kafka({
    brokers: [bootstrap],
    clientId,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 20_000,
    // Until the broker is back.
    retry: { retries: 1000, initialRetryTime: 30, maxRetryTime: 200 },
  });

/** Records of one sender: it counts them by key, and tells of those that were acknowledged. */
class KafkajsSender {
  readonly #producer: Producer;
  readonly #sequences = new Map<string, number>();
  readonly #onRecord: OnRecord;

  private constructor(producer: Producer, onRecord: OnRecord) {
    this.#producer = producer;
    this.#onRecord = onRecord;
  }

  static async connect(bootstrap: string, name: string, onRecord: OnRecord): Promise<KafkajsSender> {
    const producer = clientOf(bootstrap, name).producer({
      idempotent: true,
      // It cannot number batches that it sends side by side.
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    return new KafkajsSender(producer, onRecord);
  }

  disconnect(): Promise<void> {
    return this.#producer.disconnect();
  }

  /** Sends one batch to each partition that is named; resolves when all are acknowledged. */
  async send(
    what: readonly { topic: string; partition: number; key: string; isTombstone: boolean }[],
    compression: CompressionTypes,
  ): Promise<void> {
    const records = what.map((record) => {
      const id = `${record.topic} ${record.key}`;
      const sequence = this.#sequences.get(id) ?? 0;
      this.#sequences.set(id, sequence + 1);
      return { ...record, sequence };
    });
    const topicMessages = TOPICS.map(({ name }) => ({
      topic: name,
      messages: records
        .filter(({ topic }) => topic === name)
        .map((record) => ({
          partition: record.partition,
          key: record.key,
          value: record.isTombstone ? null : valueFor(record),
          headers: { [SEQUENCE_HEADER]: String(record.sequence) },
        })),
    })).filter(({ messages }) => messages.length > 0);
    const answers = await this.#producer.sendBatch({ acks: -1, compression, topicMessages });
    for (const { topicName, partition, baseOffset } of answers) {
      const sent = records.filter((record) => record.topic === topicName && record.partition === partition);
      for (const [index, { key, sequence, isTombstone }] of sent.entries()) {
        const offset = Number(baseOffset) + index;
        this.#onRecord(placeOf(topicName, partition), { offset, key, sequence, isTombstone });
      }
    }
  }
}

/** Key n of a topic is `kafkajs-n`. */
export async function loadWithKafkajs(
  bootstrap: string,
  random: Random,
  onRecord: OnRecord,
): Promise<CleaningLoad> {
  const sender = await KafkajsSender.connect(bootstrap, 'load', onRecord);
  let isStopping = false;
  let sent = 0;
  let allowed = 0;
  let wake = () => {};
  const run = async () => {
    while (!isStopping) {
      if (sent >= allowed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const records = Array.from({ length: RECORDS_PER_SEND }, () => {
        // Some keys at a time, so that others keep their newest record, or its tombstone, for long.
        const first = Math.floor(sent / KEYS_CHANGE_AFTER) * KEYS_CHANGE_BY;
        const index = (first + random.below(KEYS_AT_A_TIME)) % KEYS;
        const isTombstone = random.below(TOMBSTONE_OF) === 0;
        const topic = TOPICS[random.below(TOPICS.length)]?.name ?? '';
        return { topic, partition: partitionOf(index), key: `kafkajs-${index}`, isTombstone };
      });
      await sender.send(records, CODECS[random.below(CODECS.length)] ?? CompressionTypes.None);
      sent += records.length;
    }
  };
  const running = run();
  const failed = running.then(() => new Promise<never>(() => {}));
  failed.catch(() => {}); // It is told where it is awaited.
  const allow = (count: number) => {
    allowed = sent + count;
    wake();
  };
  const finish = async () => {
    isStopping = true;
    wake();
    await running;
    await sender.disconnect();
    return sent;
  };
  return { failed, allow, finish, kill: () => void finish().catch(() => {}) };
}

/** Writes a record to the end of each partition, so that a reader knows when it has seen what was there before. */
export class Marker {
  readonly #sender: KafkajsSender;
  readonly #ends = new Map<Place, number>();

  private constructor(sender: KafkajsSender) {
    this.#sender = sender;
  }

  static async connect(bootstrap: string, onRecord: OnRecord): Promise<Marker> {
    const marker: Marker = new Marker(
      await KafkajsSender.connect(bootstrap, 'marker', (place, record) => {
        onRecord(place, record);
        marker.#ends.set(place, record.offset);
      }),
    );
    return marker;
  }

  /** Returns their offsets. */
  async mark(): Promise<ReadonlyMap<Place, number>> {
    const marks = TOPICS.flatMap(({ name: topic }) =>
      Array.from({ length: PARTITIONS }, (_, partition) => ({
        ...{ topic, partition, key: `mark-${partition}`, isTombstone: false },
      })),
    );
    await this.#sender.send(marks, CompressionTypes.None);
    return new Map(this.#ends);
  }

  close(): Promise<void> {
    return this.#sender.disconnect();
  }
}

/** Reads all partitions from their starts with a new consumer until it has reached these offsets. */
export interface CleaningReader {
  readonly name: string;
  read(ends: ReadonlyMap<Place, number>): Promise<ReadonlyMap<Place, Reading>>;
  close(): Promise<void>;
}

type Records = ReadonlyMap<Place, PlacedRecord[]>;
const noRecords = (): Records => new Map(PLACES.map((place) => [place, []]));

export class LibrdkafkaReader implements CleaningReader {
  readonly name = 'librdkafka';
  readonly #running: Running;
  #records = new Map<Place, PlacedRecord[]>();
  #readings = new Map<Place, Reading>();
  #done: () => void = () => {};

  /** Reads the topics of cleaning-records.ts, or another one of one partition. */
  constructor(command: readonly string[], bootstrap: string, topic?: string) {
    const plan = topic === undefined ? planOf(bootstrap) : planOf(bootstrap, 0, [topic], 1);
    const args = [here('python/cleaning.py'), 'read', plan];
    this.#running = start([...command, ...args], {
      onLine: (line) => this.#take(line),
      timeoutMs: LOAD_WITHIN_MS,
    });
  }

  async read(ends: ReadonlyMap<Place, number>): Promise<ReadonlyMap<Place, Reading>> {
    this.#records = new Map();
    this.#readings = new Map();
    const done = new Promise<void>((resolve) => {
      this.#done = resolve;
    });
    this.#running.child.stdin.write(`${JSON.stringify(Object.fromEntries(ends))}\n`);
    const ended = this.#running.ended.then(() => {
      throw new Error("librdkafka's reader ended");
    });
    await Promise.race([done, ended]);
    return this.#readings;
  }

  async close(): Promise<void> {
    this.#running.child.kill('SIGKILL');
    await this.#running.ended.catch(() => {}); // It was killed.
  }

  #take(line: string): void {
    if (line === 'done') this.#done();
    else if (line.startsWith('low ')) {
      const [, topic = '', partition, before, after] = line.split(' ');
      const place = placeOf(topic, Number(partition));
      const records = this.#records.get(place) ?? [];
      this.#readings.set(place, { logStartBefore: Number(before), logStartAfter: Number(after), records });
    } else {
      const [place, record] = parseRecord(line);
      const records = this.#records.get(place) ?? [];
      this.#records.set(place, records);
      records.push(record);
    }
  }
}

export class KafkajsReader implements CleaningReader {
  readonly name = 'kafkajs';
  readonly #kafka: Kafka;
  #readings = 0;

  constructor(bootstrap: string) {
    this.#kafka = clientOf(bootstrap, 'reader');
  }

  async read(ends: ReadonlyMap<Place, number>): Promise<ReadonlyMap<Place, Reading>> {
    const admin = this.#kafka.admin();
    await admin.connect();
    const logStarts = async () => {
      const starts = new Map<Place, number>();
      for (const { name } of TOPICS) {
        for (const { partition, low } of await admin.fetchTopicOffsets(name)) {
          starts.set(placeOf(name, partition), Number(low));
        }
      }
      return starts;
    };
    const before = await logStarts();
    const records = await this.#readRecords(ends);
    const after = await logStarts();
    await admin.disconnect();
    return new Map(
      PLACES.map((place) => [
        place,
        {
          logStartBefore: before.get(place) ?? 0,
          logStartAfter: after.get(place) ?? 0,
          records: records.get(place) ?? [],
        },
      ]),
    );
  }

  async close(): Promise<void> {}

  async #readRecords(ends: ReadonlyMap<Place, number>): Promise<Records> {
    const records = noRecords();
    const left = new Map(ends);
    const consumer = this.#kafka.consumer({
      groupId: `kafkajs-${++this.#readings}`,
      maxWaitTimeInMs: 20,
      maxBytesPerPartition: this.#readings % 2 === 0 ? 20_000 : 1_000_000,
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: TOPICS.map(({ name }) => name), fromBeginning: true });
      await new Promise<void>((resolve, reject) => {
        const late = () => reject(new Error(`kafkajs did not reach ${JSON.stringify([...left])}`));
        timer = setTimeout(late, READ_WITHIN_MS);
        const eachBatch = async ({ batch: { topic, partition, messages } }: { batch: KafkajsBatch }) => {
          const place = placeOf(topic, partition);
          try {
            const some = messages.map((message) => readMessage(place, message));
            records.get(place)?.push(...some);
            const offset = some.at(-1)?.offset ?? -1;
            if (offset >= (left.get(place) ?? Number.POSITIVE_INFINITY)) left.delete(place);
            if (left.size === 0) resolve();
          } catch (error) {
            reject(error);
          }
        };
        consumer.run({ autoCommit: false, eachBatch }).catch(reject);
      });
    } finally {
      clearTimeout(timer);
      await consumer.disconnect();
    }
    return records;
  }
}

interface KafkajsMessage {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}
interface KafkajsBatch {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly KafkajsMessage[];
}

function readMessage(place: Place, { offset, key, value, headers }: KafkajsMessage): PlacedRecord {
  const sequence = Number(String(headers?.[SEQUENCE_HEADER]));
  const record = { offset: Number(offset), key: String(key), sequence, isTombstone: value === null };
  if (value !== null && String(value) !== valueFor(record)) {
    throw new Error(`${place}, offset ${offset} is not what was sent: ${value}`);
  }
  return record;
}
