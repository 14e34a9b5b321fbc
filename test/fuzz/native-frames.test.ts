// The native door against clients that are broken or hostile. FRAMES=50000 for more of them, SEED= to send the same again. After
// each attack a well-behaved client, on a connection of its own, must be served; the broker must neither die nor grow.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { BrokerProcess } from '../chaos/broker-process.js';
import { Canary } from '../chaos/canary.js';
import { NativeConnection } from '../chaos/native-connection.js';
import { chooseSeed, countFromEnvironment } from '../chaos/seed.js';
import { ATTACKS } from './attacks.js';

const TARGETS = ['target-a', 'target-b', 'target-c'];
const MIB = 1024 * 1024;
/** Above what an idle broker takes, whatever clients do. */
const MEMORY_ABOVE_IDLE_BYTES = 256 * MIB;
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
    for (const name of TARGETS) {
      const topic = { name, partitions: 1, replicationFactor: 1, configs: [], validateOnly: false };
      await connection.must({ type: 'createTopic', ...topic });
    }
    await connection.close();
    canary = await Canary.hatch(broker.native, 'canary');
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
      await canary.sing(`after ${sent} frames, the last ones ${name}, SEED=${seed}`);
    }
    await connection?.close();
    await canary.sing('in the end');

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
