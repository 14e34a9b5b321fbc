// Our own client as a writer and as a reader of lots.
import { Client, type Producer, type ReceivedMessage } from 'odradek';
import { difference, type Lot, type LotRecord, partitionOf, recordsOf, TOPIC_CONFIG } from './lot.js';

const ACKS = { '0': 'none', '1': 'leader', all: 'all' } as const;
const READ_FROM_THE_MIDDLE = 20;

/** Creates the lots' topics and writes their records. Throws, with the place, if an answer is not what it must be. */
export async function writeWithNativeClient(address: string, lots: readonly Lot[]): Promise<void> {
  const client = new Client({ brokers: [address] });
  try {
    for (const lot of lots) {
      await client
        .admin()
        .createTopic({ name: lot.topic, partitions: lot.partitions, configs: TOPIC_CONFIG });
      const producer = client.producer({
        acks: ACKS[lot.acks],
        compression: lot.codec,
        idempotent: lot.idempotent,
      });
      await Promise.all(recordsOf(lot).map((record) => send(producer, lot, record)));
    }
  } finally {
    await client.close();
  }
}

async function send(producer: Producer, { topic, acks }: Lot, record: LotRecord): Promise<void> {
  const { partition, timestampMs, key, value } = record;
  const headers = record.headers.map((header) => [header.name, header.value] as const);
  const { offset } = await producer.send({ topic, partition, timestampMs, key, value, headers });
  if (acks !== '0' && offset !== record.offset) {
    throw new Error(`${topic}-${partition}: appended at ${offset}, expected ${record.offset}`);
  }
}

/** Waits until as many records are there as were sent with acks 0, when no answer says so. */
export async function untilWritten(address: string, lots: readonly Lot[]): Promise<void> {
  const client = new Client({ brokers: [address] });
  try {
    for (const { topic, records } of lots.filter(({ acks }) => acks === '0')) {
      let missing = records;
      for await (const _ of client.consumer({ topic })) if (--missing === 0) break;
    }
  } finally {
    await client.close();
  }
}

/** What one lot looked like to a reader. */
export interface LotReport {
  readonly topic: string;
  /** Read from the start. */
  readonly records: number;
  /** The first difference; null if there is none. */
  readonly problem: string | null;
}

/** Reads lots as README.md says. */
export async function readWithNativeClient(address: string, lots: readonly Lot[]): Promise<LotReport[]> {
  const client = new Client({ brokers: [address] });
  try {
    const reports: LotReport[] = [];
    for (const lot of lots) {
      let records = 0;
      const problems: string[] = [];
      for (let partition = 0; partition < lot.partitions; partition++) {
        const expected = partitionOf(lot, partition);
        const read = await fromStart(client, lot.topic, partition);
        records += read.length;
        const problem =
          compare(read, expected) ??
          (await fromOffset(client, lot.topic, partition, expected)) ??
          (await byTime(client, lot.topic, partition, expected));
        if (problem !== null) problems.push(problem);
      }
      reports.push({ topic: lot.topic, records, problem: problems[0] ?? null });
    }
    return reports;
  } finally {
    await client.close();
  }
}

async function fromStart(client: Client, topic: string, partition: number): Promise<LotRecord[]> {
  const read: LotRecord[] = [];
  const consumer = client.consumer({ topic, partitions: [partition], until: 'end' });
  for await (const message of consumer) read.push(recordOf(message));
  return read;
}

async function fromOffset(client: Client, topic: string, partition: number, expected: readonly LotRecord[]) {
  const offset = Math.floor((2 * expected.length) / 5);
  const read: LotRecord[] = [];
  const from = new Map([[partition, { offset }]]);
  for await (const message of client.consumer({ topic, partitions: [partition], from, until: 'end' })) {
    if (read.push(recordOf(message)) === READ_FROM_THE_MIDDLE) break;
  }
  return compare(read, expected.slice(offset, offset + READ_FROM_THE_MIDDLE));
}

async function byTime(
  client: Client,
  topic: string,
  partition: number,
  expected: readonly LotRecord[],
): Promise<string | null> {
  const offsetAt = async (timestampMs: number) =>
    (await client.admin().listOffsets(topic, { timestampMs }, [partition]))[0]?.offset;
  const timestampMs = (expected[Math.floor((3 * expected.length) / 5)]?.timestampMs ?? 0) + 1;
  const offset = expected.findIndex((record) => record.timestampMs >= timestampMs);
  const late = Math.max(...expected.map((record) => record.timestampMs)) + 1;
  const found = [await offsetAt(timestampMs), await offsetAt(0), await offsetAt(late)];
  const wanted = [offset, 0, -1];
  if (found.join() !== wanted.join())
    return `partition ${partition}: offsets by time ${found}, not ${wanted}`;
  const read: LotRecord[] = [];
  const from = { timestampMs };
  for await (const message of client.consumer({ topic, partitions: [partition], from, until: 'end' })) {
    if (read.push(recordOf(message)) === READ_FROM_THE_MIDDLE) break;
  }
  return compare(read, expected.slice(offset, offset + READ_FROM_THE_MIDDLE));
}

function compare(read: readonly LotRecord[], expected: readonly LotRecord[]): string | null {
  for (const [index, record] of expected.entries()) {
    const other = read[index];
    const problem = other
      ? difference(other, record)
      : `read ${read.length} records, expected ${expected.length}`;
    if (problem !== null) return problem;
  }
  return read.length === expected.length ? null : `read ${read.length} records, expected ${expected.length}`;
}

function recordOf({ partition, offset, timestampMs, key, value, headers }: ReceivedMessage): LotRecord {
  return {
    partition,
    offset,
    timestampMs,
    key,
    value,
    headers: headers.map((header) => ({
      name: header.key,
      value: header.value && Buffer.from(header.value),
    })),
  };
}
