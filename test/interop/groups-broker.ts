// The broker that groups are tried on: ours, or with BROKER=kafka a real Kafka, to see what clients do there.
import { once } from 'node:events';
import { join } from 'node:path';
import { stableAddress } from '../chaos/stable-address.js';
import { folder, startBroker } from '../cli/executable.js';
import { kafkaTools } from './clients.js';
import { startRealKafka } from './real-kafka.js';

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
  const bootstrap = await stableAddress();
  args.push('--kafka-listen', bootstrap);
  let broker = await startBroker(name, args);
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
      broker = await startBroker(name, args);
    },
  };
}

async function startKafka(name: string): Promise<GroupBroker> {
  const tool = await kafkaTools();
  if ('missing' in tool) throw new Error(`Kafka: ${tool.missing}`);
  const kafka = await startRealKafka(tool.command, join(folder, name));
  const { bootstrap, restart } = kafka;
  return { bootstrap, restart, kill: () => kafka.end('SIGKILL'), stop: () => kafka.end('SIGTERM') };
}
