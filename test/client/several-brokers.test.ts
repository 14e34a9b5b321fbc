import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../../src/client/client.js';
import type { ProducePartitionResult } from '../../src/protocol/native/messages.js';
import { hello, ScriptedBroker, topicOf } from './scripted-broker.js';

const appended = (baseOffset: number): ProducePartitionResult => ({
  ...{ error: null, baseOffset, logAppendTimeMs: -1, logStartOffset: 0 },
});

/** Two brokers of one cluster: partition 0 of `orders` is led by the first, partition 1 by the second, until that changes. */
class Pair implements AsyncDisposable {
  readonly leaders = [1, 2];
  readonly produced: string[] = [];
  readonly brokers: ScriptedBroker[] = [];

  static async start(): Promise<Pair> {
    const pair = new Pair();
    for (const id of [1, 2]) {
      const broker = await ScriptedBroker.start({
        hello: ({ answer }) => answer({ ...hello, brokerId: id }),
        metadata: ({ body, answer }) => {
          const brokers = pair.brokers.map(({ address }, index) => {
            const [host = '', port] = address.split(':');
            return { id: index + 1, host, port: Number(port) };
          });
          const topics = body.topics.map((name) => ({
            ...topicOf(name),
            partitions: topicOf(name).partitions.map((each, i) => ({
              ...each,
              leader: pair.leaders[i] ?? -1,
            })),
          }));
          answer({ type: 'metadata', clusterId: 'c', controllerId: 1, brokers, topics });
        },
        produce: ({ body, answer }) => {
          const results = body.partitions.map(({ partition }) => {
            const isLeader = pair.leaders[partition] === id;
            pair.produced.push(`${partition} at ${id}: ${isLeader ? 'taken' : 'refused'}`);
            const error = isLeader ? null : ({ error: 'NOT_LEADER_OR_FOLLOWER' } as const);
            return { ...appended(7), error };
          });
          answer({ type: 'produce', partitions: results });
        },
      });
      pair.brokers.push(broker);
    }
    return pair;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.brokers) await broker[Symbol.asyncDispose]();
  }
}

describe('A client of several brokers', () => {
  const clients: Client[] = [];
  const clientOf = (brokers: readonly string[]) => {
    const client = new Client({ brokers });
    clients.push(client);
    return client;
  };

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close({ timeoutMs: 0 })));
  });

  it('sends to the leader of each partition, and to the next one when it has moved', async () => {
    await using pair = await Pair.start();
    const producer = clientOf([pair.brokers[0]?.address ?? '']).producer({ lingerMs: 0 });
    const send = (partition: number) => producer.send({ topic: 'orders', partition, value: 'a' });
    await Promise.all([send(0), send(1)]);
    expect([...pair.produced].sort()).toEqual(['0 at 1: taken', '1 at 2: taken']);
    pair.leaders[0] = 2;
    await expect(send(0)).resolves.toMatchObject({ partition: 0, offset: 7 });
    // It may ask the old one again before it has heard of the new one.
    expect([...new Set(pair.produced.slice(2))]).toEqual(['0 at 1: refused', '0 at 2: taken']);
    expect(pair.produced.filter((line) => line === '0 at 2: taken')).toHaveLength(1);
  });

  it('begins at the first of its addresses that answers', async () => {
    await using pair = await Pair.start();
    const nobody = await ScriptedBroker.start();
    await nobody[Symbol.asyncDispose]();
    const client = clientOf([nobody.address, pair.brokers[1]?.address ?? '']);
    await client.connect();
    expect(client.metrics.connections).toBe(1);
    await expect(
      client.producer().send({ topic: 'orders', partition: 1, value: 'a' }),
    ).resolves.toMatchObject({ offset: 7 });
  });

  it('names every address if none answers', async () => {
    const gone = [await ScriptedBroker.start(), await ScriptedBroker.start()];
    for (const broker of gone) await broker[Symbol.asyncDispose]();
    const addresses = gone.map(({ address }) => address);
    const error: unknown = await clientOf(addresses)
      .connect()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ODR_CONNECTION', retriable: true });
    for (const address of addresses) expect(String(error)).toContain(address);
  });
});
