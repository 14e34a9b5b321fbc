// The client library while brokers are killed, connections are cut and workers die. SEED= draws the same load and the same
// moments again; what the machine makes of it is a little different each time. ROUNDS= for more of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'odradek';
import { startBroker } from 'odradek/testing';
import { describe, expect, it, vi } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { BrokerProcess } from './broker-process.js';
import {
  ClientLoad,
  contradictions,
  isPrefixOf,
  type Received,
  readSlowly,
  readToEnd,
} from './client-load.js';
import { chooseSeed, countFromEnvironment } from './seed.js';
import { stableAddress } from './stable-address.js';

const TOPIC = 'load';
const PRODUCERS = 4;
const MESSAGES = 1000;
const TROUBLES = 4;

const rounds = countFromEnvironment('ROUNDS', 1);
const seed = chooseSeed('clients');

interface Scene {
  readonly client: Client;
  /** Does something bad to the broker, or to the connections. */
  trouble(): Promise<void>;
}

/** Runs the load, with troubles at random moments of it, and judges it. */
async function judge({ client, trouble }: Scene, random: Random): Promise<void> {
  await client.admin().createTopic({ name: TOPIC, partitions: 3 });
  const loads = Array.from({ length: PRODUCERS }, (_, i) => new ClientLoad(client, TOPIC, `p${i}`, random));
  const moments = Array.from({ length: TROUBLES }, () => random.below(PRODUCERS * MESSAGES)).sort(
    (a, b) => a - b,
  );
  let troubles: Promise<void> = Promise.resolve();
  let sent = 0;
  const onSend = () => {
    sent++;
    while (moments[0] !== undefined && sent > moments[0] / 3) {
      moments.shift();
      troubles = troubles.then(trouble);
    }
  };
  const stop = new AbortController();
  const following = Promise.all([1, 2].map(() => readSlowly(client, TOPIC, stop.signal)));
  // What goes wrong there is told where it is awaited.
  following.catch(() => {});
  await Promise.all(loads.map((load) => load.run(MESSAGES, onSend)));
  await troubles;
  const received: Received[] = await readToEnd(client, TOPIC);
  stop.abort();
  const followed = await following;
  const count = (of: 'resolved' | 'rejected') => loads.reduce((sum, load) => sum + load[of], 0);
  const seen = followed.map(({ length }) => length).join(' and ');
  console.log(
    `${count('resolved')} resolved, ${count('rejected')} rejected, ${received.length} read, ${seen} followed`,
  );
  expect(contradictions(loads, received)).toEqual([]);
  expect(count('resolved')).toBeGreaterThan(PRODUCERS);
  for (const messages of followed) expect(isPrefixOf(messages, received)).toBe(true);
}

describe('Clients', () => {
  for (let round = 0; round < rounds; round++) {
    it(`lose and repeat nothing while brokers are killed and connections cut, round ${round}`, async () => {
      const random = seededRandom(seed + round);
      const folder = mkdtempSync(join(tmpdir(), 'odradek-clients-'));
      const options = { dataDirectory: folder, settings: { 'odradek.workers': 2 } };
      const native = await stableAddress();
      let broker = await BrokerProcess.start({ ...options, native });
      const port = Number(native.split(':')[1]);
      const client = new Client({ brokers: [native], requestTimeoutMs: 30_000 });
      const restart = async () => {
        await broker.kill();
        broker = await BrokerProcess.start({ ...options, native });
      };
      const cut = async () => {
        for (const handle of activeSockets()) if (handle.remotePort === port) handle.destroy();
      };
      try {
        await judge({ client, trouble: () => (random.below(2) === 0 ? restart() : cut()) }, random);
      } finally {
        await client.close({ timeoutMs: 0 });
        await broker.kill();
        rmSync(folder, { recursive: true, force: true });
      }
    });

    it(`lose and repeat nothing while workers die, round ${round}`, async () => {
      const random = seededRandom(seed - 1 - round);
      const broker = await startBroker({ workers: 2 });
      const client = new Client({ brokers: [broker.native], requestTimeoutMs: 30_000 });
      const trouble = async () => {
        // Both may have died just now.
        const running = () => (broker.partitionWorkers.length > 0 ? broker.partitionWorkers : null);
        const workers = await vi.waitUntil(running, { timeout: 20_000 });
        const worker = workers[random.below(workers.length)];
        if (worker !== undefined) await broker.killPartitionWorker(worker);
      };
      try {
        await judge({ client, trouble }, random);
      } finally {
        await client.close({ timeoutMs: 0 });
        await broker.close();
      }
    });
  }
});

/** Sockets that keep this process alive: those of a client that waits for something. */
function activeSockets(): Socket[] {
  const handles: unknown = Reflect.get(process, '_getActiveHandles')?.call(process);
  return Array.isArray(handles) ? handles.filter((handle) => handle instanceof Socket) : [];
}
