// kafkajs as a writer of lots.
import './kafkajs-codecs.js';
import { CompressionTypes, Kafka, logLevel, type Message, Partitioners } from 'kafkajs';
import { type Lot, type LotRecord, recordsOf, TOPIC_CONFIG } from './lot.js';

const CODECS: Readonly<Record<Lot['codec'], CompressionTypes>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
const ACKS: Readonly<Record<Lot['acks'], number>> = { '0': 0, '1': 1, all: -1 };
const RECORDS_PER_SEND = 100;

/** Creates the lots' topics and writes their records. Throws, with the place, if an answer is not what it must be. */
export async function writeWithKafkajs(bootstrap: string, lots: readonly Lot[]): Promise<void> {
  const kafka = new Kafka({
    brokers: [bootstrap],
    clientId: 'interop',
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({
      topics: lots.map(({ topic, partitions }) => ({
        topic,
        numPartitions: partitions,
        configEntries: Object.entries(TOPIC_CONFIG).map(([name, value]) => ({ name, value })),
      })),
    });
    for (const lot of lots) await writeLot(kafka, lot);
  } finally {
    await admin.disconnect();
  }
}

async function writeLot(kafka: Kafka, lot: Lot): Promise<void> {
  const { topic, codec: name, idempotent } = lot;
  const acks = ACKS[lot.acks];
  const producer = kafka.producer({
    idempotent,
    // It cannot number batches that it sends side by side.
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
    retry: { retries: idempotent ? 3 : 0 },
  });
  await producer.connect();
  try {
    const records = recordsOf(lot);
    for (let at = 0; at < records.length; at += RECORDS_PER_SEND) {
      const some = records.slice(at, at + RECORDS_PER_SEND);
      const answers = await producer.send({
        topic,
        acks,
        compression: CODECS[name],
        messages: some.map(messageOf),
      });
      if (acks === 0) continue;
      for (const { partition, baseOffset } of answers) {
        const first = some.find((record) => record.partition === partition);
        if (Number(baseOffset) !== first?.offset) {
          throw new Error(`${topic}-${partition}: appended at ${baseOffset}, expected ${first?.offset}`);
        }
      }
    }
  } finally {
    await producer.disconnect();
  }
}

/** Headers are an object: a name that repeats has a list. */
function messageOf({ partition, timestampMs, key, value, headers }: LotRecord): Message {
  const byName: Record<string, Buffer[]> = {};
  for (const { name, value: bytes } of headers) {
    byName[name] = [...(byName[name] ?? []), bytes ?? Buffer.alloc(0)];
  }
  return { partition, timestamp: String(timestampMs), key, value, headers: byName };
}
