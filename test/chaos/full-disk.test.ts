// Disks that fill up under load of our client, and are freed in each way there is: nothing acknowledged is lost, nothing comes
// twice, reading goes on, other disks do not care, and writing goes on by itself. The brokers are killed and started in between.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, OdradekError } from 'odradek';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { RESERVE_BYTES, RESERVE_FILE } from '../../src/broker/disk-reserve.js';
import { BrokerProcess } from './broker-process.js';
import { ClientLoad, contradictions, type Received, readToEnd } from './client-load.js';
import { chooseSeed } from './seed.js';
import { FILE_SYSTEMS, type FileSystem, SmallDisk } from './small-disk.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const TOPIC = 'load';
const FULL = 'the disk of a data directory is full';
const ROOM = 'the disk of a data directory has room again';
const SETTINGS = {
  'odradek.workers': 2,
  'log.segment.bytes': MIB,
  'log.retention.check.interval.ms': 300,
  'log.segment.delete.delay.ms': 0,
  'group.initial.rebalance.delay.ms': 0,
  'offsets.topic.num.partitions': 1,
};
const wait = { timeout: 30_000, interval: 20 };

const seed = chooseSeed('full disks');

/** A broker with a small disk, which is the first, and one with room. */
class Scene {
  readonly small: SmallDisk;
  readonly large = mkdtempSync(join(tmpdir(), 'odradek-large-'));
  broker: BrokerProcess;
  readonly client: Client;
  readonly #options: { readonly dataDirectory: string; readonly moreDirectories: readonly string[] };

  static async start(kind: FileSystem): Promise<Scene> {
    const small = SmallDisk.mount(kind, 64);
    if (!small) throw new Error(`${kind} cannot be mounted any more`);
    const large = mkdtempSync(join(tmpdir(), 'odradek-large-'));
    const options = { dataDirectory: join(small.path, 'data'), moreDirectories: [large], settings: SETTINGS };
    const broker = await BrokerProcess.start(options);
    return new Scene(small, large, broker, options);
  }

  private constructor(
    small: SmallDisk,
    large: string,
    broker: BrokerProcess,
    options: { readonly dataDirectory: string; readonly moreDirectories: readonly string[] },
  ) {
    this.small = small;
    this.large = large;
    this.broker = broker;
    this.#options = options;
    this.client = new Client({ brokers: [broker.native], requestTimeoutMs: 30_000 });
  }

  /** Kills the broker and starts it again at the same address, unlike any other signal would. */
  async killAndStart(): Promise<void> {
    const { native } = this.broker;
    await this.broker.kill();
    this.broker = await BrokerProcess.start({ ...this.#options, settings: SETTINGS, native });
  }

  /** Partitions of the topic that lie on the small disk. */
  onSmallDisk(topic: string): number[] {
    return readdirSync(this.#options.dataDirectory).flatMap((name) => {
      const [, index] = new RegExp(`^${topic}-(\\d+)$`).exec(name) ?? [];
      return index === undefined ? [] : [Number(index)];
    });
  }

  /** Leaves the small disk next to no room, once the broker has its reserve there. */
  async fill(): Promise<void> {
    const reserve = join(this.#options.dataDirectory, RESERVE_FILE);
    await vi.waitUntil(() => statSync(reserve, { throwIfNoEntry: false })?.size === RESERVE_BYTES, wait);
    this.small.fill(64 * KIB);
  }

  isFull(): Promise<true> {
    return vi.waitUntil(() => this.broker.lines(FULL).length > 0, wait);
  }

  hasRoom(): Promise<true> {
    return vi.waitUntil(() => this.broker.lines(ROOM).length > 0, wait);
  }

  async page(path: string): Promise<string> {
    return (await fetch(`http://${this.broker.http}${path}`)).text();
  }

  async close(): Promise<void> {
    await this.client.close({ timeoutMs: 0 });
    await this.broker.kill();
    this.small.unmount();
    rmSync(this.large, { recursive: true, force: true });
  }
}

let scene: Scene | null = null;

afterEach(async () => {
  await scene?.close();
  scene = null;
});

/** Sends so many values of a KiB to each of these partitions, and forgets them. */
async function stuff(
  client: Client,
  topic: string,
  partitions: readonly number[],
  count: number,
): Promise<void> {
  await using producer = client.producer({ lingerMs: 1 });
  const value = 'x'.repeat(KIB);
  for (const partition of partitions)
    await producer.send({ topic, messages: Array.from({ length: count }, () => ({ value, partition })) });
}

/** Sends messages to the partition until the broker refuses one for its disk, and returns what it said. */
async function refusal(client: Client, topic: string, partition: number): Promise<OdradekError> {
  for (;;) {
    const error = await sendUntilError(client, topic, partition);
    // On a slow machine a message may just be late.
    const { cause } = error;
    if (cause instanceof OdradekError && cause.errorName === 'KAFKA_STORAGE_ERROR') return cause;
  }
}

async function sendUntilError(client: Client, topic: string, partition: number): Promise<OdradekError> {
  const producer = client.producer({ deliveryTimeoutMs: 500 });
  try {
    for (;;) await producer.send({ topic, partition, value: randomBytes(64 * KIB) });
  } catch (error) {
    if (error instanceof OdradekError) return error;
    throw error;
  } finally {
    await producer.close({ timeoutMs: 0 });
  }
}

/** Has a load run into a full disk. `meanwhile` looks around, `free` ends it. */
async function fillUnderLoad(
  current: Scene,
  meanwhile: (error: OdradekError) => Promise<void>,
  free: () => Promise<void>,
): Promise<void> {
  const { client } = current;
  const random = seededRandom(seed);
  const loads = Array.from({ length: 3 }, (_, i) => new ClientLoad(client, TOPIC, `p${i}`, random));
  await current.fill();
  const running = Promise.all(loads.map((load) => load.run(2000, () => {})));
  running.catch(() => {}); // It is looked at below.
  const [partition = -1] = current.onSmallDisk(TOPIC);
  await meanwhile(await refusal(client, TOPIC, partition));
  await free();
  await current.hasRoom();
  await running;
  const count = (of: 'resolved' | 'rejected') => loads.reduce((sum, load) => sum + load[of], 0);
  const received = await readToEnd(client, TOPIC);
  console.log(`${count('resolved')} resolved, ${count('rejected')} rejected, ${received.length} read`);
  expect(contradictions(loads, received)).toEqual([]);
  expect(JSON.parse(await current.page('/health/ready'))).toEqual({ ready: true });
  // Said once when it began and once when it ended, however many were refused.
  for (const line of [FULL, ROOM]) expect(current.broker.lines(line)).toHaveLength(1);
  expect(current.broker.lines('records cannot be written')).toEqual([]);
}

const placeOf = ({ partition, offset, value }: Received): string => `${partition} ${offset} ${value}`;

/** Kills the broker on its full disk: one that starts there serves what the last one did. */
async function restartOnFullDisk(current: Scene): Promise<void> {
  const before = await readToEnd(current.client, TOPIC);
  await current.killAndStart();
  const after = new Set((await readToEnd(current.client, TOPIC)).map(placeOf));
  expect(before.filter((message) => !after.has(placeOf(message)))).toEqual([]);
  await refusal(current.client, TOPIC, current.onSmallDisk(TOPIC)[0] ?? -1);
}

// Mounting needs root, which CI has.
describe.skipIf(FILE_SYSTEMS.length === 0)('A full disk', () => {
  for (const kind of FILE_SYSTEMS) {
    it(`refuses records and nothing else, over kill -9 too, until a topic is deleted: ${kind}`, async () => {
      const current = await Scene.start(kind);
      scene = current;
      const admin = current.client.admin();
      await admin.createTopic({ name: 'doomed', partitions: 2 });
      await admin.createTopic({ name: TOPIC, partitions: 4 });
      await stuff(current.client, 'doomed', [0, 1], 8 * KIB);
      const meanwhile = async (error: OdradekError) => {
        expect(error.retriable).toBe(true);
        expect(error.message).toMatch(
          /The disk of .*data is full: free some space, writing goes on by itself/,
        );
        const full = current.onSmallDisk(TOPIC);
        expect(full).toHaveLength(2);
        const [elsewhere = -1] = [0, 1, 2, 3].filter((index) => !full.includes(index));
        await current.client.producer().send({ topic: TOPIC, partition: elsewhere, value: 'goes elsewhere' });
        expect(JSON.parse(await current.page('/health/ready'))).toMatchObject({
          ready: true,
          full: [expect.stringContaining(current.small.path)],
        });
        expect(await current.page('/metrics')).toMatch(
          /odradek_data_directory_full\{directory="[^"]+data"\} 1/,
        );
        await restartOnFullDisk(current);
      };
      await fillUnderLoad(current, meanwhile, () => admin.deleteTopic('doomed'));
      current.small.clear();
      await current.broker.stop();
    });

    it(`lets groups commit again, and topics be made, once records were deleted: ${kind}`, async () => {
      const current = await Scene.start(kind);
      scene = current;
      const { client } = current;
      const admin = client.admin();
      await admin.createTopic({ name: TOPIC, partitions: 4 });
      await admin.createTopic({ name: 'old', partitions: 2 });
      await stuff(client, 'old', [0, 1], 8 * KIB);
      await admin.createTopic({ name: 'read', partitions: 1 });
      await stuff(client, 'read', [0], 100);
      const commit = (offset: number, by = client) =>
        by.admin().groups.resetOffsets('readers', {
          topics: [{ topic: 'read', partitions: [0] }],
          to: { offset },
        });
      await commit(1);
      const meanwhile = async () => {
        // The reserve is there for such changes; it may be used up by many.
        const made = admin.createTopic({ name: 'made', partitions: 1 });
        await made.catch((error) => expect(error).toMatchObject({ errorName: 'KAFKA_STORAGE_ERROR' }));
        // What the broker gives up of its reserve is room for groups too, as long as it lasts.
        await using hasty = new Client({ brokers: [current.broker.native], requestTimeoutMs: 1000 });
        const commits = async () => {
          for (let attempt = 0; attempt < 5000; attempt++) {
            current.small.fill();
            await commit(2 + (attempt % 90), hasty);
          }
        };
        await expect(commits()).rejects.toThrow();
      };
      await fillUnderLoad(current, meanwhile, async () => {
        await admin.deleteRecords(
          'old',
          [0, 1].map((partition) => ({ partition, before: 'highWatermark' })),
        );
      });
      await commit(99);
      await current.killAndStart();
      expect(await admin.groups.offsets('readers')).toMatchObject([
        { topic: 'read', partition: 0, offset: 99 },
      ]);
    });
  }
});
