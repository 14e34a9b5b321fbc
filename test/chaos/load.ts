// Load for a broker: a producer that keeps a window of requests unanswered and tells the ledger of every answer, a consumer that
// follows it, and the reading back of everything.
import { type Random, seededRandom } from '../../src/base/random.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { CODEC_NAMES } from '../../src/record/compression/codec.js';
import { type Identity, type Ledger, recordOf } from './ledger.js';
import { NativeConnection } from './native-connection.js';

const RECORDS_MAX = 20;
const PARTITIONS_OF_A_REQUEST_MAX = 3;
const FETCH_BYTES = 1024 * 1024;

export interface ProducerLoadOptions {
  readonly address: string;
  readonly topic: string;
  readonly ledger: Ledger;
  readonly seed: number;
  /** Requests that are kept unanswered. */
  readonly window: number;
  /** Where it sends to. Default: everywhere. */
  readonly partitions?: readonly number[];
  /** Called after each answer, with the partitions of it that were appended to, and when the request was sent. */
  readonly onAnswer?: (appended: readonly number[], sentMs: number) => void;
}

interface Shipment {
  readonly partition: number;
  readonly identities: readonly Identity[];
  readonly batch: Buffer;
}

/** Sends without pause until it is stopped or the connection ends. Retries nothing: what is refused stays refused. */
export class ProducerLoad {
  readonly #options: ProducerLoadOptions;
  readonly #connection: NativeConnection;
  readonly #random: Random;
  readonly #sender: number;
  readonly #partitions: readonly number[];
  #stopping = false;
  #idle: () => void = () => {};
  /** Answered requests. */
  answered = 0;
  /** Requests that got no answer before the connection ended. */
  unanswered = 0;
  /** Partitions' batches that were refused, by error. */
  readonly refused = new Map<string, number>();

  static async start(options: ProducerLoadOptions): Promise<ProducerLoad> {
    const load = new ProducerLoad(options, await NativeConnection.open(options.address));
    for (let i = 0; i < options.window; i++) load.#send();
    return load;
  }

  private constructor(options: ProducerLoadOptions, connection: NativeConnection) {
    this.#options = options;
    this.#connection = connection;
    this.#sender = options.ledger.enlist();
    this.#partitions =
      options.partitions ?? Array.from({ length: options.ledger.partitions }, (_, index) => index);
    this.#random = seededRandom(options.seed + this.#sender);
  }

  /** Sends no more; resolves when every request is answered or the connection ended, and closes it. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#connection.unanswered > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#connection.close();
  }

  /** Resolves when the connection has ended and its last answers were taken in. */
  get ended(): Promise<void> {
    return this.#connection.closed;
  }

  #send(): void {
    const shipments = this.#shipments();
    const partitions = shipments.map(({ partition, batch }) => ({
      topic: this.#options.topic,
      partition,
      recordsBytes: batch.length,
    }));
    const payload = shipments.map(({ batch }) => batch);
    const sentMs = performance.now();
    this.#connection.ask({ type: 'produce', acks: 'all', partitions }, payload, (answer) => {
      if (answer === null) this.unanswered++;
      else {
        this.answered++;
        if (answer.body?.type !== 'produce')
          throw new Error(`a produce request was answered ${JSON.stringify(answer)}`);
        const appended: number[] = [];
        answer.body.partitions.forEach((result, index) => {
          const { partition, identities } = shipments[index] ?? noSuchShipment();
          if (result.error) {
            this.refused.set(result.error.error, (this.refused.get(result.error.error) ?? 0) + 1);
            return;
          }
          this.#options.ledger.acknowledge(partition, result.baseOffset, identities);
          appended.push(partition);
        });
        this.#options.onAnswer?.(appended, sentMs);
      }
      if (!this.#stopping && !this.#connection.isClosed) this.#send();
      else if (this.#connection.unanswered === 0) this.#idle();
    });
  }

  #shipments(): Shipment[] {
    const all = this.#partitions;
    const chosen = new Set<number>();
    const count = Math.min(all.length, 1 + this.#random.below(PARTITIONS_OF_A_REQUEST_MAX));
    while (chosen.size < count) chosen.add(all[this.#random.below(all.length)] ?? 0);
    return [...chosen].map((partition) => this.#shipment(partition));
  }

  #shipment(partition: number): Shipment {
    const { ledger } = this.#options;
    const builder = new BatchBuilder();
    const identities: Identity[] = [];
    for (let count = 1 + this.#random.below(RECORDS_MAX); count > 0; count--) {
      const identity = ledger.next(this.#sender);
      identities.push(identity);
      builder.add(recordOf(ledger.seed, identity));
    }
    const codec = CODEC_NAMES[this.#random.below(CODEC_NAMES.length)] ?? 'none';
    return { partition, identities, batch: builder.build({ codec }) };
  }
}

function noSuchShipment(): never {
  throw new Error('an answer names more partitions than its request');
}

/** Reads all partitions as they grow, until the connection ends. What it saw must stay. */
export async function follow(address: string, topic: string, ledger: Ledger): Promise<void> {
  const connection = await NativeConnection.open(address);
  const offsets = Array.from({ length: ledger.partitions }, (_, partition) => ledger.endOf(partition));
  for (;;) {
    const partitions = offsets.map((offset, partition) => ({
      topic,
      partition,
      offset,
      maxBytes: FETCH_BYTES,
    }));
    const fetch = { type: 'fetch', minBytes: 1, maxWaitMs: 1000, maxBytes: FETCH_BYTES, partitions } as const;
    const answer = await connection.request(fetch);
    if (answer === null) return;
    if (answer.body?.type !== 'fetch') throw new Error(`a fetch was answered ${JSON.stringify(answer)}`);
    let position = 0;
    answer.body.partitions.forEach(({ recordsBytes }, partition) => {
      for (const batch of new BatchReader(answer.payload, {
        start: position,
        end: position + recordsBytes,
      })) {
        for (const record of batch.records()) {
          if (record.offset >= (offsets[partition] ?? 0))
            ledger.read(partition, record.offset, ledger.identify(record));
        }
        offsets[partition] = batch.lastOffset + 1;
      }
      position += recordsBytes;
    });
  }
}

/** Reads everything from the start and checks it against the ledger. Returns the number of records. */
export async function readBack(address: string, topic: string, ledger: Ledger): Promise<number> {
  const connection = await NativeConnection.open(address);
  let records = 0;
  for (let partition = 0; partition < ledger.partitions; partition++) {
    const check = ledger.check(partition);
    for (let end = Number.POSITIVE_INFINITY; check.nextOffset < end; ) {
      const { body, payload } = await connection.fetch([
        { topic, partition, offset: check.nextOffset, maxBytes: 0 },
      ]);
      const [result] = body.partitions;
      if (!result || result.error)
        throw new Error(`partition ${partition} cannot be read: ${JSON.stringify(body)}`);
      if (result.logStartOffset !== 0)
        throw new Error(`partition ${partition} begins at ${result.logStartOffset}`);
      end = result.highWatermark;
      for (const batch of new BatchReader(payload)) for (const record of batch.records()) check.add(record);
      if (payload.length === 0 && check.nextOffset < end) {
        throw new Error(
          `partition ${partition} gives nothing at offset ${check.nextOffset}, but ends at ${end}`,
        );
      }
    }
    check.end();
    records += check.nextOffset;
  }
  await connection.close();
  return records;
}
