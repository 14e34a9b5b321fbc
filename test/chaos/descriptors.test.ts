// A broker whose process has no file descriptors left for a moment, in the midst of flushes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client } from '../../src/client/index.js';
import { BrokerProcess } from './broker-process.js';

/** Several for each descriptor that a thread may have open, an eighth of all. */
const PARTITIONS = 60;
const DESCRIPTORS_MAX = 160;
/** Fewer than are open at any time. */
const NO_DESCRIPTORS = 10;
const TOPIC = 'orders';
const ROUNDS = 2;
const PATIENTLY = { timeout: 60_000, interval: 20 };
/** Of util-linux. */
const PRLIMIT = '/usr/bin/prlimit';

describe.skipIf(!existsSync(PRLIMIT))('A broker without file descriptors', () => {
  let folder: string;
  let broker: BrokerProcess;
  let client: Client;
  const limit = (descriptors: number): unknown =>
    execFileSync(PRLIMIT, ['--pid', String(broker.pid), `--nofile=${descriptors}:`]);
  const waits = (): number => broker.lines('a flush waits for a file descriptor').length;
  const recoveryPoints = (): string[] => {
    const path = join(folder, 'recovery-point-offset-checkpoint');
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    return lines.filter((line) => line.startsWith(`${TOPIC} `)).map((line) => line.split(' ')[2] ?? '');
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-descriptors-'));
    const settings = { 'odradek.workers': 1 };
    broker = await BrokerProcess.start({ dataDirectory: folder, settings, descriptorsMax: DESCRIPTORS_MAX });
    client = new Client({ brokers: [broker.native] });
  });

  afterAll(async () => {
    await client.close();
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('flushes later what it could not, and loses no partition', async () => {
    const configs = { 'flush.ms': '1000' };
    await client.admin().createTopic({ name: TOPIC, partitions: PARTITIONS, configs });
    // The code of the coordinators is loaded when it is first needed, and that takes a descriptor.
    await client.admin().groups.list();
    const producer = client.producer();
    for (let round = 1; round <= ROUNDS; round++) {
      const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({
        partition,
        value: `${round}`,
      }));
      const waitsBefore = waits();
      await producer.send({ topic: TOPIC, messages });
      limit(NO_DESCRIPTORS);
      await vi.waitUntil(() => waits() > waitsBefore, PATIENTLY);
      limit(DESCRIPTORS_MAX);
      const isFlushed = () =>
        recoveryPoints().filter((offset) => offset === `${round}`).length === PARTITIONS;
      await vi.waitUntil(isFlushed, PATIENTLY);
    }
    await producer.close();
    expect(broker.lines('the log is offline: its files are in doubt')).toEqual([]);
    const found: string[] = [];
    for await (const { value } of client.consumer({ topic: TOPIC, until: 'end' })) found.push(String(value));
    expect(found.length).toBe(ROUNDS * PARTITIONS);
    console.log(`${waits()} flushes waited`);
  }, 120_000);
});
