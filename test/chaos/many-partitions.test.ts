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
/** Many times what it takes: the machine may have other things to do. */
const TIMEOUT_MS = 200_000;
const TOPIC = 'many';
const SETTINGS = { 'odradek.workers': 2, 'log.cleaner.backoff.ms': 100 };
/** A segment for each record: each is rolled, flushed and closed. */
const CONFIGS = { 'segment.bytes': '1100', 'file.delete.delay.ms': '0' };
const ROUNDS = 3;
const VALUE = 'x'.repeat(900);
const COMPACTED_TOPIC = 'compacted';
/** Several for each descriptor that a thread may have open. */
const COMPACTED_PARTITIONS = Math.max(100, Math.floor(PARTITIONS / 20));
const COMPACTED_CONFIGS = {
  ...CONFIGS,
  'segment.bytes': '2200',
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.01',
};

describe.skipIf(process.platform !== 'linux')(
  `${PARTITIONS} partitions with ${DESCRIPTORS_MAX} descriptors`,
  () => {
    let folder: string;
    let broker: BrokerProcess;
    let client: Client;
    /** The most that were open at a time since the test began. */
    let descriptorsMost = 0;
    let watch: NodeJS.Timeout;
    /** What the brokers said of files and compactions. */
    let compactions = 0;
    const complaints: string[] = [];

    const start = async (): Promise<void> => {
      broker = await BrokerProcess.start({
        dataDirectory: folder,
        settings: SETTINGS,
        descriptorsMax: DESCRIPTORS_MAX,
        onLine: (line) => {
          if (line.msg === 'log compacted') compactions++;
          if (line.msg === 'a compaction failed' || JSON.stringify(line).includes('EMFILE'))
            complaints.push(JSON.stringify(line));
        },
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
    const timed = async <Result>(what: string, run: () => Promise<Result>): Promise<Result> => {
      const begunMs = performance.now();
      const result = await run();
      console.log(`${what}: ${((performance.now() - begunMs) / 1000).toFixed(1)} s`);
      return result;
    };
    const expectDescriptors = (): void => {
      console.log(`${descriptorsMost} descriptors at most`);
      expect(descriptorsMost).toBeGreaterThan(DESCRIPTORS_MAX / 4);
      expect(descriptorsMost).toBeLessThan(DESCRIPTORS_MAX);
      expect(complaints).toEqual([]);
      descriptorsMost = 0;
    };

    /** A message for each of the keys to each partition. */
    const produce = async (
      topic: string,
      partitions: number,
      round: number,
      keys = ['same'],
    ): Promise<void> => {
      const producer = client.producer();
      const messages = Array.from({ length: partitions }, (_, partition) =>
        keys.map((key) => ({ partition, key, value: `${round} ${VALUE}` })),
      );
      await producer.send({ topic, messages: messages.flat() });
      await producer.close();
    };
    /** The keys and rounds of what each partition holds. */
    const consume = async (topic: string): Promise<ReadonlyMap<number, string[]>> => {
      const found = new Map<number, string[]>();
      for await (const { partition, key, value } of client.consumer({ topic, until: 'end' })) {
        const text = `${key?.toString()} ${value?.toString().split(' ')[0]}`;
        const known = found.get(partition);
        if (known) known.push(text);
        else found.set(partition, [text]);
      }
      return found;
    };
    /** What the partitions hold that hold the same. */
    const contents = async (topic: string, partitions: number): Promise<ReadonlySet<string>> => {
      const found = await consume(topic);
      expect(found.size).toBe(partitions);
      return new Set([...found.values()].map((texts) => texts.join(', ')));
    };
    const expectAll = async (rounds: number): Promise<void> => {
      const all = Array.from({ length: rounds }, (_, index) => `same ${index + 1}`);
      expect(await contents(TOPIC, PARTITIONS)).toEqual(new Set([all.join(', ')]));
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
        for (let round = 1; round <= ROUNDS; round++)
          await timed(`round ${round}`, () => produce(TOPIC, PARTITIONS, round));
        await timed('all read', () => expectAll(ROUNDS));
        expectDescriptors();
      },
      TIMEOUT_MS,
    );

    it(
      'are there after a clean stop',
      async () => {
        await client.close();
        await timed('clean stop', () => broker.stop());
        await start();
        await timed('all opened and read after it', () => expectAll(ROUNDS));
        expectDescriptors();
      },
      TIMEOUT_MS,
    );

    it(
      'are there after none',
      async () => {
        await timed('another round', () => produce(TOPIC, PARTITIONS, ROUNDS + 1));
        await client.close();
        await broker.kill();
        await start();
        await timed('all recovered and read', () => expectAll(ROUNDS + 1));
        expectDescriptors();
      },
      TIMEOUT_MS,
    );

    it(
      'leave room for the compaction of others, which loses nothing',
      async () => {
        const partitions = COMPACTED_PARTITIONS;
        const name = COMPACTED_TOPIC;
        await client.admin().createTopic({ name, partitions, configs: COMPACTED_CONFIGS });
        for (let round = 1; round <= ROUNDS; round++)
          await produce(name, partitions, round, ['same', `only-${round}`]);
        // Of one key the newest stays below the active segment, which is left alone; of the others all.
        const only = (round: number) => `only-${round} ${round}`;
        const compacted = `${only(1)}, same 2, ${only(2)}, same 3, ${only(3)}`;
        const isCompacted = async () => {
          const found = await contents(name, partitions);
          for (const content of found)
            for (let round = 1; round <= ROUNDS; round++) expect(content).toContain(only(round));
          return found.size === 1 && found.has(compacted);
        };
        const patiently = { timeout: TIMEOUT_MS / 2, interval: 500 };
        await timed(`${partitions} compacted`, () => vi.waitUntil(isCompacted, patiently));
        await vi.waitUntil(() => compactions >= partitions, patiently);
        console.log(`${compactions} compactions`);
        expectDescriptors();
        await client.close();
        await broker.kill();
        await start();
        expect(await contents(name, partitions)).toEqual(new Set([compacted]));
        await expectAll(ROUNDS + 1);
        expectDescriptors();
      },
      TIMEOUT_MS,
    );

    it(
      'can be deleted, and leave nothing',
      async () => {
        await timed('deletion', () => client.admin().deleteTopic(TOPIC));
        await client.admin().deleteTopic(COMPACTED_TOPIC);
        const isOfTopic = (name: string) =>
          [TOPIC, COMPACTED_TOPIC].some((topic) => name.startsWith(`${topic}-`));
        const isGone = () => !readdirSync(folder).some(isOfTopic);
        await vi.waitUntil(isGone, { timeout: 60_000, interval: 100 });
        const ofLogs = () =>
          descriptors().filter(
            (path) => path.includes(`/${TOPIC}-`) || path.includes(`/${COMPACTED_TOPIC}-`),
          );
        await vi.waitUntil(() => ofLogs().length === 0, { timeout: 10_000, interval: 100 });
        expect(complaints).toEqual([]);
      },
      TIMEOUT_MS,
    );
  },
);
