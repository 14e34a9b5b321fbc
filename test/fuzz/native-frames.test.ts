// The native door against clients that are broken or hostile. FRAMES=50000 for more of them, SEED= to send the same again. After
// each attack a well-behaved client, on a connection of its own, must be served; the broker must neither die nor grow.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { BrokerProcess } from '../chaos/broker-process.js';
import { NativeConnection } from '../chaos/native-connection.js';
import { chooseSeed, countFromEnvironment } from '../chaos/seed.js';
import { ATTACKS } from './attacks.js';

const TARGETS = ['target-a', 'target-b', 'target-c'];
const CANARY = 'canary';
const MIB = 1024 * 1024;
/** Above what an idle broker takes, whatever clients do. */
const MEMORY_ABOVE_IDLE_BYTES = 256 * MIB;
/** How long a well-behaved client may wait before that counts as not being served. */
const SERVED_WITHIN_MS = 20_000;

/** A client that does everything right: it produces a record and reads it. */
class Canary {
  readonly #connection: NativeConnection;
  #count = 0;

  constructor(connection: NativeConnection) {
    this.#connection = connection;
  }

  async sing(): Promise<void> {
    const song = `song ${this.#count++}`;
    const builder = new BatchBuilder();
    builder.add({ timestampMs: Date.now(), key: null, value: Buffer.from(song), headers: [] });
    const [produced] = await this.#connection.produce([
      { topic: CANARY, partition: 0, batch: builder.build() },
    ]);
    expect(produced?.error).toBeNull();
    const offset = produced?.baseOffset ?? -1;
    const { payload } = await this.#connection.fetch([{ topic: CANARY, partition: 0, offset, maxBytes: 0 }]);
    const [record] = [...new BatchReader(payload)].flatMap((batch) => [...batch.records()]);
    expect(String(record?.value)).toBe(song);
  }
}

async function within<Result>(what: string, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not served`)), SERVED_WITHIN_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

describe('The native door', () => {
  const frames = countFromEnvironment('FRAMES', 2000);
  const seed = chooseSeed('native frames');
  const folder = mkdtempSync(join(tmpdir(), 'odradek-fuzz-'));
  let broker: BrokerProcess;
  let canary: Canary;
  let frameBytesMax = 0;

  beforeAll(async () => {
    // Data of hostile batches is not to fill the disk.
    const settings = {
      'odradek.workers': 2,
      'log.segment.bytes': 1_100_000,
      'log.retention.bytes': 4_000_000,
      'log.retention.check.interval.ms': 1000,
    };
    broker = await BrokerProcess.start({ dataDirectory: folder, settings });
    const connection = await NativeConnection.open(broker.native, { hello: false });
    const hello = await connection.hello();
    if (hello.body?.type === 'hello') frameBytesMax = hello.body.frameBytesMax;
    for (const name of [...TARGETS, CANARY]) {
      const topic = { name, partitions: 1, replicationFactor: 1, configs: [], validateOnly: false };
      await connection.must({ type: 'createTopic', ...topic });
    }
    canary = new Canary(connection);
    await canary.sing();
  });

  afterAll(async () => {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (random: Random) => NativeConnection.open(broker.native, { hello: random.below(10) > 0 });

  it(`serves others, lives and stays small, whatever ${frames} frames bring`, {
    timeout: 30 * 60_000,
  }, async () => {
    const idleBytes = broker.memoryBytes();
    const random = seededRandom(seed);
    const names = Object.keys(ATTACKS);
    const counts = new Map<string, number>();
    let sent = 0;
    let attacks = 0;
    let connections = 0;
    let connection: NativeConnection | null = null;
    while (sent < frames) {
      if (
        !connection ||
        connection.isClosed ||
        connection.socket.writableLength > MIB ||
        random.below(4) === 0
      ) {
        await connection?.close();
        connection = await open(random);
        connections++;
      }
      // Each kind once, then as it comes.
      const name = names[attacks < names.length ? attacks : random.below(names.length)] ?? '';
      attacks++;
      const attack = ATTACKS[name];
      if (!attack) throw new Error(`there is no attack ${name}`);
      const count = attack({ random, connection, topics: TARGETS, frameBytesMax });
      sent += count;
      counts.set(name, (counts.get(name) ?? 0) + count);
      await within(`after ${sent} frames, the last ones ${name}, SEED=${seed}`, canary.sing());
    }
    await connection?.close();
    await within('in the end', canary.sing());

    const memoryBytes = broker.memoryBytes('VmHWM');
    console.log(
      `${sent} frames on ${connections} connections: ${[...counts].map((entry) => entry.join(' ')).join(', ')}`,
    );
    console.log(
      `memory: ${Math.round(idleBytes / MIB)} MiB idle, ${Math.round(broker.memoryBytes() / MIB)} MiB at the end, ` +
        `${Math.round(memoryBytes / MIB)} MiB at most`,
    );
    expect(counts.size).toBe(names.length);
    expect(broker.hasEnded).toBe(false);
    expect(broker.lines('partition worker died')).toEqual([]);
    expect(memoryBytes).toBeLessThan(idleBytes + MEMORY_ABOVE_IDLE_BYTES);
    await broker.stop();
  });
});
