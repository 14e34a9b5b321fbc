// A broker with many more partitions than it may have files open. `PARTITIONS` says how many.
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client } from '../../src/client/index.js';
import { BrokerProcess } from './broker-process.js';

const PARTITIONS = Number(process.env['PARTITIONS'] ?? 300);
/** A thread may have an eighth of them open. */
const DESCRIPTORS_MAX = PARTITIONS > 5000 ? 1024 : 160;
const TIMEOUT_MS = 170_000;
const TOPIC = 'many';
const SETTINGS = { 'odradek.workers': 2 };
/** A segment for each record: each is rolled, flushed and closed. */
const CONFIGS = { 'segment.bytes': '1100', 'file.delete.delay.ms': '0' };
const ROUNDS = 3;
const VALUE = 'x'.repeat(900);

describe.skipIf(process.platform !== 'linux')(
  `${PARTITIONS} partitions with ${DESCRIPTORS_MAX} descriptors`,
  () => {
    let folder: string;
    let broker: BrokerProcess;
    let client: Client;
    let descriptorsMost = 0;
    let watch: NodeJS.Timeout;

    const start = async (): Promise<void> => {
      broker = await BrokerProcess.start({
        dataDirectory: folder,
        settings: SETTINGS,
        descriptorsMax: DESCRIPTORS_MAX,
      });
      client = new Client({ brokers: [broker.native] });
    };
    const descriptors = (): string[] => {
      try {
        const path = `/proc/${broker.pid}/fd`;
        return readdirSync(path).map((name) => readlinkSync(join(path, name)));
      } catch {
        return []; // One was closed in the midst of it, or the process has ended.
      }
    };
    /** One message of the same key to each partition. */
    const produce = async (round: number): Promise<void> => {
      const producer = client.producer();
      const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({
        ...{ partition, key: 'same', value: `${round} ${VALUE}` },
      }));
      await producer.send({ topic: TOPIC, messages });
      await producer.close();
    };
    /** The last value of each partition. */
    const consume = async (): Promise<ReadonlyMap<number, string>> => {
      const last = new Map<number, string>();
      for await (const { partition, value } of client.consumer({ topic: TOPIC, until: 'end' }))
        last.set(partition, value?.toString().split(' ')[0] ?? '');
      return last;
    };
    const expectAll = async (round: number): Promise<void> => {
      const last = await consume();
      expect(last.size).toBe(PARTITIONS);
      expect(new Set(last.values())).toEqual(new Set([String(round)]));
    };

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'odradek-many-'));
      watch = setInterval(() => {
        descriptorsMost = Math.max(descriptorsMost, descriptors().length);
      }, 50);
      await start();
    });

    afterAll(async () => {
      clearInterval(watch);
      await client.close();
      await broker.kill();
      rmSync(folder, { recursive: true, force: true });
    });

    it(
      'are made, written and read',
      async () => {
        await client.admin().createTopic({ name: TOPIC, partitions: PARTITIONS, configs: CONFIGS });
        for (let round = 1; round <= ROUNDS; round++) await produce(round);
        await expectAll(ROUNDS);
      },
      TIMEOUT_MS,
    );

    it(
      'are there after a clean stop, and after none',
      async () => {
        await client.close();
        await broker.stop();
        await start();
        await expectAll(ROUNDS);
        await produce(ROUNDS + 1);
        await client.close();
        await broker.kill();
        await start();
        await expectAll(ROUNDS + 1);
      },
      TIMEOUT_MS,
    );

    it(
      'can be deleted, and leave nothing',
      async () => {
        await client.admin().deleteTopic(TOPIC);
        const isGone = () => !readdirSync(folder).some((name) => name.startsWith(`${TOPIC}-`));
        await vi.waitUntil(isGone, { timeout: 60_000, interval: 100 });
        const ofLogs = () => descriptors().filter((path) => path.includes(`/${TOPIC}-`));
        await vi.waitUntil(() => ofLogs().length === 0, { timeout: 10_000, interval: 100 });
      },
      TIMEOUT_MS,
    );

    it('had as many files open as they may, and no more', () => {
      console.log(`${descriptorsMost} descriptors at most`);
      expect(descriptorsMost).toBeGreaterThan(DESCRIPTORS_MAX / 4);
      expect(descriptorsMost).toBeLessThan(DESCRIPTORS_MAX);
      expect(broker.output).not.toMatch(/EMFILE/);
    });
  },
);
