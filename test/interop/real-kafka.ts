// A real Kafka of one node, from the jars that its tools come in: to see what it does, and that ours does the same.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { vi } from 'vitest';
import { stableAddress } from '../chaos/stable-address.js';
import { run } from './tool.js';

export interface RealKafka {
  /** HOST:PORT; the same after a restart. */
  readonly bootstrap: string;
  /** Where its logs are. */
  readonly dataDirectory: string;
  end(signal: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
}

function properties(
  address: string,
  controller: string,
  more: Readonly<Record<string, string | number>>,
): string {
  const values = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${controller}`,
    listeners: `PLAINTEXT://${address},CONTROLLER://${controller}`,
    'advertised.listeners': `PLAINTEXT://${address}`,
    'controller.listener.names': 'CONTROLLER',
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    ...more,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** Starts a Kafka with its files in the folder. `command` runs a class of its jars; it ends with this process at the latest. */
export async function startRealKafka(
  command: readonly string[],
  folder: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<RealKafka> {
  const bootstrap = await stableAddress();
  const dataDirectory = join(folder, 'data');
  const config = join(folder, 'server.properties');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    config,
    properties(bootstrap, await stableAddress(), { ...settings, 'log.dirs': dataDirectory }),
  );
  const clusterId = 'MkU3OEVBNTcwNTJENDM2Qk';
  await run([...command, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config]);
  const startProcess = async () => {
    const [file = '', ...args] = [...command, 'kafka.Kafka', config];
    const child = spawn(file, args, { stdio: 'ignore' });
    process.once('exit', () => child.kill('SIGKILL'));
    await untilItAnswers(bootstrap);
    return child;
  };
  let child = await startProcess();
  return {
    bootstrap,
    dataDirectory,
    end: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    },
    restart: async () => {
      child = await startProcess();
    },
  };
}

async function untilItAnswers(bootstrap: string): Promise<void> {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 0 } });
  const answers = async () => {
    const admin = kafka.admin();
    try {
      await admin.connect();
      await admin.listTopics();
      return true;
    } catch {
      return false;
    } finally {
      await admin.disconnect();
    }
  };
  await vi.waitUntil(answers, { timeout: 120_000, interval: 200 });
}
