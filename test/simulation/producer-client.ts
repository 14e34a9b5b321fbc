import type { ErrorName } from '../../src/base/errors.js';
import type { Random } from '../../src/base/random.js';
import type { Acks } from '../../src/protocol/native/messages.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import type { RecordInput } from '../../src/record/record.js';
import { Client, type ClientWorld } from './client.js';
import type { KeyedRecord } from './keyed-log.js';
import type { SentBatch } from './model.js';
import { between, chance, pick } from './streams.js';
import type { WireClient } from './wire-client.js';

interface Habits {
  readonly acks: readonly Acks[];
  readonly unansweredMax: number;
  readonly pauseMsMax: number;
  readonly recordsMax: number;
  readonly paddingBytesMax: number;
  readonly flawed: number;
}

const CODECS = ['none', 'none', 'none', 'none', 'gzip', 'snappy', 'lz4'] as const;
const PADDING = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(120);

/** Sends batches, pipelined, to several partitions. Nothing is ever sent twice: what was lost stays in doubt. */
export class ProducerClient extends Client {
  readonly #habits: Habits;
  readonly #builder = new BatchBuilder();
  #connection = 0;
  #abandoned: WireClient | null = null;

  constructor(world: ClientWorld, name: string, random: Random) {
    super(world, name, random);
    this.#habits = {
      acks: pick(random, [['all'], ['all'], ['all', 'leader'], ['all', 'all', 'none']] as const),
      unansweredMax: between(random, 2, 12),
      pauseMsMax: pick(random, [10, 30, 60]),
      recordsMax: pick(random, [2, 5, 12]),
      paddingBytesMax: pick(random, [10, 100, 600]),
      flawed: pick(random, [0, 0.02]),
    };
  }

  protected override connected(wire: WireClient): void {
    this.#connection = this.world.model.newConnection();
    this.#next(wire);
  }

  #next(wire: WireClient): void {
    this.soon(0, this.#habits.pauseMsMax, () => {
      if (wire.unanswered < this.#habits.unansweredMax) this.#send(wire);
      this.#next(wire);
    });
  }

  /** Sends the first half of a request, and nothing more; false if there is no connection. */
  sendHalf(): boolean {
    const { wire } = this;
    if (!wire || wire === this.#abandoned) return false;
    const batch = Buffer.alloc(between(this.random, 10, 3000));
    const partitions = [
      { topic: pick(this.random, this.world.topicNames), partition: 0, recordsBytes: batch.length },
    ];
    wire.tellHalf(
      { type: 'produce', acks: 'all', partitions },
      { payload: batch },
      this.random.below(1000) / 1000,
    );
    // Nothing may follow: the broker would take it for the rest.
    this.#abandoned = wire;
    // Else the broker has to end the connection.
    if (chance(this.random, 0.5)) this.world.clock.after(this.random.below(1500), () => wire.close());
    return true;
  }

  #send(wire: WireClient): void {
    if (this.#abandoned === wire) return;
    const { random, world } = this;
    const acks = pick(random, this.#habits.acks);
    const batches: SentBatch[] = [];
    const count = chance(random, 0.7) ? 1 : between(random, 2, 4);
    const used = new Set<string>();
    for (let i = 0; i < count; i++) {
      const batch = this.#batch();
      if (!batch || used.has(`${batch.topic}-${batch.partition}`)) continue;
      used.add(`${batch.topic}-${batch.partition}`);
      batches.push(batch);
    }
    if (batches.length === 0) return;
    const partitions = batches.map(({ topic, partition, bytes }) => ({
      topic,
      partition,
      recordsBytes: bytes.length,
    }));
    const body = { type: 'produce', acks, partitions } as const;
    const payload = Buffer.concat(batches.map(({ bytes }) => bytes));
    world.trace.add(
      () =>
        `${this.name} sends ${batches.map(({ id, topic, partition, timestampsMs }) => `#${id} (${timestampsMs.length}) to ${topic}-${partition}`).join(', ')} acks ${acks} on connection ${this.#connection}`,
    );
    if (acks === 'none') {
      wire.tell(body, { payload });
      return;
    }
    const timeoutMs = chance(random, 0.1) ? between(random, 1, 200) : 0;
    wire.request(body, { payload, timeoutMs }, (reply) => {
      if (reply.type === 'lost') {
        world.trace.add(
          () => `${this.name} lost the answer for ${batches.map(({ id }) => `#${id}`).join(', ')}`,
        );
        return;
      }
      const { error, body: answer } = reply.header;
      if (error) this.#refused(batches, error.error);
      else if (answer?.type === 'produce')
        for (const [index, result] of answer.partitions.entries()) this.#answered(batches[index], result);
      else throw new Error(`a produce request is answered with ${answer?.type}`);
    });
  }

  #refused(batches: readonly SentBatch[], error: ErrorName): void {
    for (const batch of batches) {
      this.world.trace.add(() => `${this.name} hears ${error} for #${batch.id}`);
      this.world.model.refused(batch, error);
    }
  }

  #answered(
    batch: SentBatch | undefined,
    result: {
      error: { error: ErrorName } | null;
      baseOffset: number;
      logAppendTimeMs: number;
      logStartOffset: number;
    },
  ): void {
    if (!batch) throw new Error('an answer names more partitions than the request');
    if (result.error) this.#refused([batch], result.error.error);
    else {
      this.world.trace.add(() => `${this.name} hears that #${batch.id} is at ${result.baseOffset}`);
      this.world.model.acknowledged(batch, result.baseOffset, result.logAppendTimeMs, result.logStartOffset);
    }
  }

  #batch(): SentBatch | null {
    const { random, world } = this;
    const { recordsMax, paddingBytesMax, flawed } = this.#habits;
    const topic = pick(random, world.topicNames);
    const settings = world.model.topic(topic)?.settings;
    if (!settings) return null;
    const partition = random.below(settings.partitions);
    const id = world.model.nextBatchId;
    const timestampsMs: number[] = [];
    const records = between(random, 1, recordsMax);
    const nowMs = world.clock.wallMs();
    const keyed: KeyedRecord[] = [];
    const { compaction } = settings;
    // A compacted topic refuses what has no key.
    const lacksKeys = compaction !== null && chance(random, flawed);
    for (let i = 0; i < records; i++) {
      const timestampMs = nowMs - (chance(random, 0.2) ? random.below(500) : 0);
      const value = Buffer.from(`${id}/${i} ${PADDING.slice(0, random.below(paddingBytesMax))}`, 'latin1');
      let record: RecordInput = { timestampMs, key: null, value, headers: [] };
      if (compaction && !lacksKeys) {
        const drawn = this.#keyed(record, `${id}/${i}`, compaction.keys);
        ({ record } = drawn);
        keyed.push(drawn.keyed);
      }
      if (this.#builder.bytesWith(record) > settings.segmentBytes) break;
      this.#builder.add(record);
      timestampsMs.push(timestampMs);
    }
    keyed.length = Math.min(keyed.length, timestampsMs.length);
    const bytes = this.#builder.build({ codec: pick(random, CODECS) });
    const spoilt = chance(random, flawed) ? this.#spoil(bytes) : null;
    const flaw = spoilt ?? (lacksKeys ? 'INVALID_RECORD' : null);
    return world.model.sending({
      ...{ connection: this.#connection, topic, partition, bytes, timestampsMs, keyed, flaw },
    });
  }

  /** The record with a key, its name in a header, and maybe without a value. */
  #keyed(
    record: RecordInput,
    name: string,
    keys: number,
  ): { readonly record: RecordInput; readonly keyed: KeyedRecord } {
    const key = `k${this.random.below(keys)}`;
    const isDeletion = chance(this.random, 0.15);
    const value = isDeletion ? null : record.value;
    const headers = [{ key: 'name', value: Buffer.from(name) }];
    return { record: { ...record, key: Buffer.from(key), value, headers }, keyed: { key, isDeletion } };
  }

  #spoil(bytes: Buffer): ErrorName {
    if (chance(this.random, 0.5)) {
      bytes[7] = 1; // The base offset.
      return 'INVALID_RECORD';
    }
    const at = between(this.random, 40, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ 0x40;
    return 'CORRUPT_MESSAGE';
  }
}
