// What a fetch of a session over many partitions costs when none, some or all of them have a record. The broker's CPU is looked
// at only around fetches: the records come between them.
import { setTimeout as wait } from 'node:timers/promises';
import type { FetchSessionJob, LoadResult } from '../job.js';
import { type ProcReader, procReader } from '../processor-time.js';
import { percentile } from '../statistics.js';
import { buildRecord } from './batch.js';
import { KafkaConnection } from './kafka-connection.js';
import { measured } from './measured.js';
import { produceOneToEach } from './produce-one-to-each.js';
import { SessionConsumer, type SessionFetch } from './session-consumer.js';

const RECORD_BYTES = 100;
const WAIT_MS = 60_000;
/** Until a fetch of many partitions surely waits. */
const PARKING_MS = 30;
/** Until a broker that has answered is done with it, and has its CPU counted. */
const SETTLE_MS = 2;
/** Fetches until all records of a round have come: the broker may answer with less. */
const FETCHES_MAX = 1_000;

/** What fetches took. */
class Fetches {
  readonly #proc: ProcReader | null;
  readonly #brokerPid: number;
  readonly #tookMs: number[] = [];
  #brokerSeconds: number | null = null;
  #records = 0;

  constructor(brokerPid: number | null) {
    this.#proc = brokerPid === null ? null : procReader();
    this.#brokerPid = brokerPid ?? 0;
  }

  /** Does a fetch, and whatever belongs to it. Returns the records that it brought. */
  async add(fetch: () => Promise<SessionFetch>): Promise<number> {
    await wait(SETTLE_MS);
    const before = this.#proc?.threadsSeconds(this.#brokerPid) ?? null;
    const { records, tookMs } = await fetch();
    await wait(SETTLE_MS);
    const after = this.#proc?.threadsSeconds(this.#brokerPid) ?? null;
    if (before !== null && after !== null) this.#brokerSeconds = (this.#brokerSeconds ?? 0) + after - before;
    this.#tookMs.push(tookMs);
    this.#records += records;
    return records;
  }

  get result(): Pick<LoadResult, 'bytes' | 'records' | 'requests' | 'latency' | 'brokerSeconds'> {
    const tookMs = Float64Array.from(this.#tookMs);
    return {
      bytes: 0,
      records: this.#records,
      requests: tookMs.length,
      latency: { p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99) },
      ...(this.#brokerSeconds !== null && { brokerSeconds: this.#brokerSeconds }),
    };
  }
}

/** Fetches as the job says. Before that each partition gets a record, which opens it, and a session over all of them is opened. */
export async function fetchSession(job: FetchSessionJob): Promise<LoadResult> {
  const { port, topic, partitions, changed, times } = job;
  const record = buildRecord(RECORD_BYTES);
  const producer = await KafkaConnection.open(port);
  const produce = (some: readonly number[]) => produceOneToEach(producer, topic, some, record);
  const ends = await produce(Array.from({ length: partitions }, (_, partition) => partition));
  const offsets = ends.map((offset) => offset + 1);
  const consumer = await SessionConsumer.connect(port, topic, offsets, record);
  await consumer.open();
  const fetches = new Fetches(job.brokerPid);
  const result = await measured(async () => {
    for (let time = 0; time < times; time++) {
      const some = Array.from({ length: changed }, (_, index) => (time * changed + index) % partitions);
      switch (job.fetches) {
        case 'full':
          await fetches.add(() => consumer.open());
          break;
        case 'parks':
          await fetches.add(() => parked(consumer, some, produce));
          break;
        case 'reads':
          await produce(some);
          await readAll(consumer, some.length, fetches);
          break;
      }
    }
    return fetches.result;
  });
  if (result.records !== changed * times)
    throw new Error(`${changed * times} records were produced, and ${result.records} have come.`);
  producer.close();
  await consumer.close();
  return result;
}

/** A fetch that waits, and the records that end the wait, from which on its time counts. */
async function parked(
  consumer: SessionConsumer,
  partitions: readonly number[],
  produce: (partitions: readonly number[]) => Promise<unknown>,
): Promise<SessionFetch> {
  const fetch = consumer.fetch(WAIT_MS);
  // If it fails while it waits, that is told below.
  fetch.catch(() => {});
  await wait(PARKING_MS);
  const producedMs = performance.now();
  const arrival = fetch.then(({ records }) => ({ records, tookMs: performance.now() - producedMs }));
  const [arrived] = await Promise.all([arrival, produce(partitions)]);
  return arrived;
}

/** Fetches until all records have come; once, without a wait, if there are none. */
async function readAll(consumer: SessionConsumer, count: number, fetches: Fetches): Promise<void> {
  if (count === 0) await fetches.add(() => consumer.fetch(0));
  let left = count;
  for (let asked = 0; left > 0; asked++) {
    if (asked === FETCHES_MAX) throw new Error(`${FETCHES_MAX} fetches did not bring ${count} records.`);
    left -= await fetches.add(() => consumer.fetch(WAIT_MS));
  }
}
