import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { KeyOffsets } from '../../src/log/compaction/key-offsets.js';
import type { Ground } from '../ground.js';
import type { KeyedJob } from '../job.js';
import { WireConnection } from '../load/wire-connection.js';
import { type Metrics, MIB, perGb, perRequest } from '../metrics.js';
import type { Suite, Turn, Turns } from '../suite.js';
import { peakRss } from './throughput.js';

/** A turn compacts twice what other rows move: 1 GiB, unless it is told otherwise. */
const BYTES_FACTOR = 2;
const VALUE_BYTES = 200;
/** With its key, its length, and its share of the batch's header. */
const RECORD_BYTES = VALUE_BYTES + 20;
const SEGMENT_BYTES = 32 * MIB;
const SEGMENT_BYTES_MIN = MIB;
/** A key must come again, or nothing goes. */
const RECORDS_PER_KEY_MIN = 4;
const WORKERS = 1;
const DEDUPE_BYTES = 128 * MIB;
const SETTINGS = [
  `odradek.workers=${WORKERS}`,
  `log.cleaner.dedupe.buffer.size=${DEDUPE_BYTES}`,
  'log.cleaner.backoff.ms=50',
];
const SAMPLE_MS = 20;
const LOOK_MS = 20;
const BEGIN_DEADLINE_MS = 10_000;

/** Bytes of `.log` files of the topic's only partition, and the base offset of the last of them. */
function logOf(
  ground: Ground,
  topic: string,
): { bytes: number; activeBaseOffset: number; activeBytes: number } {
  const folder = join(ground.broker.dataDirectory, `${topic}-0`);
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .sort();
  const sizes = names.map((name) => statSync(join(folder, name)).size);
  return {
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    activeBaseOffset: Number.parseInt(names.at(-1) ?? '0', 10),
    activeBytes: sizes.at(-1) ?? 0,
  };
}

/** From now on the topic is compacted, whatever there is to gain. */
async function startCompacting(ground: Ground, topic: string): Promise<void> {
  const connection = await WireConnection.open(ground.broker.port);
  const set = (name: string, value: string) => ({ name, operation: 'set' as const, value });
  await connection.ask({
    type: 'alterTopic',
    name: topic,
    changes: [set('cleanup.policy', 'compact'), set('min.cleanable.dirty.ratio', '0')],
    validateOnly: false,
  });
  connection.close();
}

/** Has `work` done, and tells the most memory that the broker had meanwhile, in MiB; null where that cannot be told. */
async function withPeakMemory<Value>(
  { proc, broker }: Ground,
  work: () => Promise<Value>,
): Promise<{ value: Value; peakMib: number | null }> {
  let peakMib: number | null = null;
  const look = () => {
    if (proc) peakMib = Math.max(peakMib ?? 0, proc.memoryMib(broker.pid, 'VmRSS'));
  };
  const timer = setInterval(look, SAMPLE_MS);
  try {
    const value = await work();
    look();
    return { value, peakMib };
  } finally {
    clearInterval(timer);
  }
}

/** A partition of many records and so many keys is compacted at once, with nothing else to do; then it is read and compared. */
export function compactionSuite(label: string, keysMax: number): Suite {
  const row = `compaction.${label}`;
  return {
    name: row,
    rows: [row],
    startsBrokers: true,
    pump: null,
    broker(ground, share): Promise<Turns> {
      const records = Math.floor((BYTES_FACTOR * ground.options.bytes * share) / RECORD_BYTES);
      const keys = Math.min(keysMax, Math.floor(records / RECORDS_PER_KEY_MIN));
      const segmentBytes = Math.max(SEGMENT_BYTES_MIN, Math.min(SEGMENT_BYTES, (records * RECORD_BYTES) / 8));
      const configs = { 'segment.bytes': String(Math.floor(segmentBytes)), 'retention.ms': '-1' };
      ground.warmPages(2 * records * RECORD_BYTES);
      return ground.withBroker({ settings: SETTINGS }, ({ port }) =>
        ground.withTopic(
          1,
          async (topic) => {
            const job = { port, topic, records, keys, valueBytes: VALUE_BYTES };
            return { [row]: await compactOnce(ground, job) };
          },
          configs,
        ),
      );
    },
  };
}

async function compactOnce(ground: Ground, job: Omit<KeyedJob, 'type' | 'compactedTo'>): Promise<Turn> {
  const { topic, records } = job;
  await ground.load({ type: 'keyed-produce', ...job, compactedTo: 0 });
  const before = logOf(ground, topic);
  const bytes = before.bytes - before.activeBytes;
  const idleMib = ground.proc?.memoryMib(ground.broker.pid, 'VmRSS') ?? 0;
  const { result, cpu, others } = await ground.watch(() =>
    withPeakMemory(ground, async () => {
      const compacted = ground.broker.nextLine('log compacted');
      await startCompacting(ground, topic);
      return await compacted;
    }),
  );
  const seconds = Number(result.value['elapsedMs']) / 1000;
  const compactedTo = before.activeBaseOffset;
  await ground.load({ type: 'keyed-check', ...job, compactedTo });
  const keysBytes = Math.min(DEDUPE_BYTES / (WORKERS + 1), KeyOffsets.bytesFor(records));
  const metrics: Metrics = {
    seconds,
    mibPerSecond: bytes / MIB / seconds,
    ...perGb(cpu, bytes),
    ...(result.peakMib === null ? {} : { aboveIdleMib: result.peakMib - idleMib }),
    keysBoundMib: keysBytes / MIB,
    ...peakRss(ground),
  };
  return { metrics, bytes, records: compactedTo, others };
}

const PRODUCING_ROW = 'compaction-produce';
const PACED_RECORD_BYTES = 1024;
const PACED_SECONDS_MIN = 2;
const LOAD_SHARE = 0.3;
/** Small records and little memory for keys: so the compaction takes many passes, and longer than the load. */
const SMALL_VALUE_BYTES = 20;
const SMALL_RECORD_BYTES = 42;
const SMALL_RECORDS_MAX = 4_000_000;
const PASSES_SETTINGS = ['log.cleaner.dedupe.buffer.size=1048576', 'log.cleaner.backoff.ms=50'];
/** With one request in flight each. */
const SATURATION_CONNECTIONS = 32;

/** One record a request at 30 % of what the broker takes: while another topic is compacted, and while it is not. */
class Producing {
  #requestsPerSecond: number | null = null;

  async turn(ground: Ground, share: number, compacts: boolean): Promise<Turns> {
    const bytes = ground.options.bytes * share;
    const records = Math.min(SMALL_RECORDS_MAX, Math.floor(bytes / SMALL_RECORD_BYTES));
    const segmentBytes = Math.max(SEGMENT_BYTES_MIN, Math.floor((records * SMALL_RECORD_BYTES) / 16));
    return await ground.withBroker({ settings: PASSES_SETTINGS }, ({ port }) =>
      ground.withTopic(
        1,
        async (topic) => {
          const job = { port, topic, records, keys: Math.ceil(records / 2), valueBytes: SMALL_VALUE_BYTES };
          await ground.load({ type: 'keyed-produce', ...job, compactedTo: 0 });
          this.#requestsPerSecond ??= await this.#affordableRate(ground);
          return { [PRODUCING_ROW]: await this.#paced(ground, share, compacts ? topic : null) };
        },
        { 'segment.bytes': String(segmentBytes), 'retention.ms': '-1' },
      ),
    );
  }

  /** Requests a second; the same for both sides and all rounds. */
  async #affordableRate(ground: Ground): Promise<number> {
    const { result } = await ground.withTopic(1, (topic) =>
      ground.load({
        type: 'requests',
        port: ground.broker.port,
        topic,
        partitions: 1,
        recordBytes: PACED_RECORD_BYTES,
        connections: SATURATION_CONNECTIONS,
        requests: ground.options.requests,
        pump: false,
      }),
    );
    return Math.max(1, Math.floor((LOAD_SHARE * result.records) / result.seconds));
  }

  async #paced(ground: Ground, share: number, compactedTopic: string | null): Promise<Turn> {
    let isOver = false;
    if (compactedTopic !== null) {
      ground.broker.nextLine('log compacted').then(
        () => {
          isOver = true;
        },
        () => {},
      );
      await startCompacting(ground, compactedTopic);
      await compactionBegun(ground, compactedTopic);
    }
    const { result, cpu, others } = await ground.withTopic(1, (topic) =>
      ground.load({
        type: 'paced',
        port: ground.broker.port,
        topic,
        pump: false,
        recordBytes: PACED_RECORD_BYTES,
        requestsPerSecond: this.#requestsPerSecond ?? 1,
        seconds: Math.max(PACED_SECONDS_MIN, Math.round(ground.options.latencySeconds * share)),
      }),
    );
    if (isOver) throw new Error('The compaction was over before the load: give it more --bytes.');
    const rate = { requestsPerSecond: result.records / result.seconds };
    const metrics = { ...rate, ...result.latency, ...perRequest(cpu, result.records), ...peakRss(ground) };
    return { metrics, bytes: result.bytes, records: result.records, others };
  }
}

/** Waits until the broker writes the first compacted segment. */
async function compactionBegun(ground: Ground, topic: string): Promise<void> {
  const folder = join(ground.broker.dataDirectory, `${topic}-0`);
  const deadlineMs = performance.now() + BEGIN_DEADLINE_MS;
  while (!readdirSync(folder).some((name) => name.endsWith('.cleaned'))) {
    if (performance.now() > deadlineMs)
      throw new Error(`No compaction began within ${BEGIN_DEADLINE_MS / 1000} s.`);
    await wait(LOOK_MS);
  }
}

const producing = new Producing();

/** The second column is not a pump but the same load without a compaction. */
export const producingSuite: Suite = {
  name: PRODUCING_ROW,
  rows: [PRODUCING_ROW],
  startsBrokers: true,
  broker: (ground, share) => producing.turn(ground, share, true),
  pump: (ground, share) => producing.turn(ground, share, false),
};
