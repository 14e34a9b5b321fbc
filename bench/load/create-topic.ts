import { WireConnection } from './wire-connection.js';

/** A topic with the settings of the broker. */
export async function createTopic(port: number, name: string, partitions: number): Promise<void> {
  const connection = await WireConnection.open(port);
  const topic = { name, partitions, replicationFactor: 1, configs: [] };
  await connection.ask({ type: 'createTopic', ...topic, validateOnly: false });
  connection.close();
}
