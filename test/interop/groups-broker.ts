// The broker that groups are tried on: ours, or with BROKER=kafka a real Kafka, to see what clients do there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { vi } from 'vitest';
import { folder, startBroker } from '../cli/executable.js';
import { kafkaTools } from './clients.js';
import { run } from './tool.js';

export interface GroupBroker {
  /** HOST:PORT of Kafka's door; the same after a restart. */
  readonly bootstrap: string;
  /** Ends it as kill -9 does. */
  kill(): Promise<void>;
  /** Starts it again on the same files. */
  restart(): Promise<void>;
  /** Ends it as its users do. */
  stop(): Promise<void>;
}

export const isRealKafka = process.env['BROKER'] === 'kafka';

/** Starts the broker that BROKER names, with an empty folder. */
export function startGroupBroker(name: string, settings: readonly string[] = []): Promise<GroupBroker> {
  return isRealKafka ? startKafka(name) : startOdradek(name, settings);
}

async function startOdradek(name: string, settings: readonly string[]): Promise<GroupBroker> {
  const args = settings.flatMap((setting) => ['--set', setting]);
  let broker = await startBroker(name, args);
  const bootstrap = broker.ready.kafka ?? '';
  const end = async (signal: NodeJS.Signals) => {
    const exit = once(broker.child, 'exit');
    broker.child.kill(signal);
    await exit;
  };
  return {
    bootstrap,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    restart: async () => {
      broker = await startBroker(name, [...args, '--kafka-listen', bootstrap]);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function properties(port: number, controllerPort: number, data: string): string {
  const values = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': data,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

async function startKafka(name: string): Promise<GroupBroker> {
  const tool = await kafkaTools();
  if ('missing' in tool) throw new Error(`Kafka: ${tool.missing}`);
  const [port, controllerPort] = [await freePort(), await freePort()];
  const path = join(folder, name);
  const config = join(path, 'server.properties');
  mkdirSync(path, { recursive: true });
  writeFileSync(config, properties(port, controllerPort, join(path, 'data')));
  const clusterId = 'MkU3OEVBNTcwNTJENDM2Qk';
  await run([...tool.command, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config]);
  const bootstrap = `127.0.0.1:${port}`;
  const startProcess = async () => {
    const [file = '', ...args] = [...tool.command, 'kafka.Kafka', config];
    const child = spawn(file, args, { stdio: 'ignore' });
    process.once('exit', () => child.kill('SIGKILL'));
    await untilItAnswers(bootstrap);
    return child;
  };
  let child = await startProcess();
  const end = async (signal: NodeJS.Signals) => {
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  };
  return {
    bootstrap,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
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
  await vi.waitUntil(answers, { timeout: 60_000, interval: 200 });
}
