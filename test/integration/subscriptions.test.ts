// Consumers of a broker that is restarted, whose workers die and whose connections break: every message from where they
// began, once and in order. SEED= for the same faults again, ROUNDS= for more of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type Consumer, type SendResult } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { present } from '../../src/base/assert.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import { chooseSeed, countFromEnvironment } from '../chaos/seed.js';
import { stableAddress } from '../chaos/stable-address.js';

const TOPIC = 'orders';
const PARTITIONS = 4;
const GIVE_UP_MS = 60_000;

/** What was acknowledged: values by partition and offset. */
type Ledger = string[][];

const pick = <Item>(random: Random, items: readonly Item[]): Item =>
  present(items[random.below(items.length)], 'something to choose from');

/** The client's ends of connections to this port. */
function socketsTo(port: number): Socket[] {
  const handles: unknown = Reflect.get(process, '_getActiveHandles').call(process);
  if (!Array.isArray(handles)) throw new Error('this Node tells nothing of its handles');
  return handles.filter(
    (handle): handle is Socket => handle instanceof Socket && handle.remotePort === port && !handle.destroyed,
  );
}

/** A consumer that checks what it gets, and pauses, resumes and seeks in between. */
class Reader {
  readonly consumer: Consumer;
  readonly read: (string | undefined)[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly #next: number[] = Array.from({ length: PARTITIONS }, () => 0);
  readonly #random: Random;
  readonly done: Promise<void>;
  seeks = 0;
  pauses = 0;
  /** From here on it only reads. */
  isCalm = false;

  constructor(client: Client, random: Random) {
    this.#random = random;
    this.consumer = client.consumer({
      topic: TOPIC,
      prefetchBytesMax: pick(random, [1, 2000, 50_000, 8_000_000]),
      maxBytesPerPush: pick(random, [1, 1000, 1_000_000]),
    });
    this.done = random.below(2) === 0 ? this.#readMessages() : this.#readBatches();
  }

  hasAll(ledger: Ledger): boolean {
    return ledger.every((values, partition) => (this.#next[partition] ?? 0) >= values.length);
  }

  async #readMessages(): Promise<void> {
    for await (const { partition, offset, value } of this.consumer) {
      this.#take(partition, offset, String(value));
      if (this.#random.below(20) === 0) await this.#dawdle();
      this.#act();
    }
  }

  async #readBatches(): Promise<void> {
    for await (const { messages } of this.consumer.batches()) {
      for (const { partition, offset, value } of messages) this.#take(partition, offset, String(value));
      if (this.#random.below(5) === 0) await this.#dawdle();
      this.#act();
    }
  }

  #take(partition: number, offset: number, value: string): void {
    expect(offset).toBe(this.#next[partition]);
    this.#next[partition] = offset + 1;
    present(this.read[partition], 'a partition')[offset] = value;
  }

  /** Reads nothing for some turns. */
  async #dawdle(): Promise<void> {
    for (let turns = this.#random.below(30); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #act(): void {
    if (this.isCalm) return;
    const partition = this.#random.below(PARTITIONS);
    const action = this.#random.below(120);
    if (action === 0 && this.consumer.position(partition) !== null) {
      const offset = this.#random.below((this.#next[partition] ?? 0) + 1);
      this.consumer.seek(partition, offset);
      this.#next[partition] = offset;
      this.seeks++;
    } else if (action < 3 && this.consumer.position(partition) !== null) {
      this.consumer.pause([partition]);
      this.pauses++;
      // All paused would be the end of this loop.
      if (this.consumer.paused.length === PARTITIONS) this.consumer.resume();
    } else if (action < 8) this.consumer.resume();
  }
}

describe('Consumers on subscriptions', () => {
  const rounds = countFromEnvironment('ROUNDS', 2);
  const seed = chooseSeed('subscriptions');
  const folder = mkdtempSync(join(tmpdir(), 'odradek-subscriptions-'));
  let broker: TestBroker;
  let listen: string;

  const start = async () => {
    broker = await startBroker({
      dataDirectory: folder,
      workers: 2,
      config: { 'odradek.native.listen': listen, 'log.segment.bytes': 60_000, 'num.partitions': PARTITIONS },
    });
  };

  beforeAll(async () => {
    listen = await stableAddress();
    await start();
  });

  afterAll(async () => {
    await broker.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const faults: Readonly<Record<string, (random: Random) => Promise<void> | void>> = {
    'a connection breaks': (random) => {
      const port = Number(listen.split(':').at(-1));
      for (const socket of socketsTo(port)) if (random.below(3) > 0) socket.destroy();
    },
    'a worker dies': async (random) => {
      const workers = broker.partitionWorkers;
      if (workers.length > 0) await broker.killPartitionWorker(pick(random, workers));
    },
    'the broker is restarted': async () => {
      await broker.close();
      await start();
    },
  };

  it(`deliver everything once and in order, in ${rounds} rounds`, {
    timeout: rounds * 3 * GIVE_UP_MS,
  }, async () => {
    const random = seededRandom(seed);
    const ledger: Ledger = Array.from({ length: PARTITIONS }, () => []);
    const clients = Array.from({ length: 3 }, () => new Client({ brokers: [listen] }));
    const [writer, ...readers] = clients;
    const producer = present(writer, 'a client').producer({ lingerMs: 1, batchBytes: 10_000 });
    const record = ({ partition, offset }: SendResult, value: string) => {
      present(ledger[partition], 'a partition')[offset] = value;
    };
    const send = async (count: number) => {
      const sent = Array.from({ length: count }, async (_, at) => {
        const value = `${at} ${random.uint32()} ${'x'.repeat(random.below(300))}`;
        record(await producer.send({ topic: TOPIC, value }), value);
      });
      await Promise.all(sent);
    };
    try {
      await send(100);
      const reading = readers.map((client) => new Reader(client, seededRandom(random.uint32())));
      const failed = Promise.race(reading.map(({ done }) => done)).then(() => {
        throw new Error('a consumer has ended');
      });
      const counts = new Map<string, number>();
      for (let round = 0; round < rounds; round++) {
        for (const [name, fault] of Object.entries(faults)) {
          const times = name === 'a connection breaks' ? 3 : 1;
          for (let time = 0; time < times; time++) {
            const sending = send(200 + random.below(400));
            await fault(random);
            counts.set(name, (counts.get(name) ?? 0) + 1);
            await Promise.race([sending, failed]);
          }
        }
      }
      for (const one of reading) {
        one.isCalm = true;
        one.consumer.resume();
      }
      const isOver = vi.waitUntil(() => reading.every((one) => one.hasAll(ledger)), { timeout: GIVE_UP_MS });
      await Promise.race([isOver, failed]);
      // What a seek passed over was read before.
      for (const { read } of reading) expect(read, `SEED=${seed}`).toEqual(ledger);
      const sum = (of: (reader: Reader) => number) => reading.reduce((total, one) => total + of(one), 0);
      console.log(
        `${ledger.flat().length} messages; ${[...counts].map((entry) => entry.join(': ')).join(', ')}; ` +
          `${sum(({ seeks }) => seeks)} seeks, ${sum(({ pauses }) => pauses)} pauses`,
      );
      failed.catch(() => {});
      await Promise.all(reading.map(({ consumer }) => consumer.close()));
    } finally {
      await Promise.all(clients.map((client) => client.close({ timeoutMs: 0 })));
    }
  });
});
