import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initProducerId } from '../../../src/protocol/kafka/messages/22-init-producer-id.js';
import { KafkaConnection } from './kafka-connection.js';
import { append, batchOf, createTopic, versionsOf } from './kafka-scene.js';

describe('InitProducerId', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({ workers: 1 });
    connection = await KafkaConnection.open(broker.kafka);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  const ask = (version: number, transactionalId: string | null = null, producerId = -1, producerEpoch = -1) =>
    connection.ask(initProducerId, version, {
      ...{ transactionalId, transactionTimeoutMs: 60_000, producerId, producerEpoch },
    });

  it('gives an id that nobody else has, in every version', async () => {
    const ids = new Set<number>();
    for (const version of versionsOf(initProducerId)) {
      const answer = await ask(version);
      expect(answer, `v${version}`).toMatchObject({ errorCode: 0, producerEpoch: 0 });
      ids.add(answer.producerId);
      ids.add((await ask(version, null, answer.producerId, 3)).producerId);
    }
    expect(ids.size).toBe(2 * versionsOf(initProducerId).length);
  });

  it('serves no transactions, and says so', async () => {
    for (const version of versionsOf(initProducerId)) {
      expect(await ask(version, 'mine')).toMatchObject({ errorCode: 53, producerId: -1, producerEpoch: -1 });
      expect(await ask(version, '')).toMatchObject({ errorCode: 42 });
    }
  });

  it('gives ids whose batches are appended once', async () => {
    const topic = await createTopic(connection, 'orders');
    const { producerId } = await ask(4);
    const batch = (baseSequence: number) => batchOf(['x'], { producerId, producerEpoch: 0, baseSequence });
    for (const sequence of [0, 1, 2]) {
      expect(await append(connection, topic, batch(sequence))).toMatchObject({
        ...{ errorCode: 0, baseOffset: sequence },
      });
    }
    expect(await append(connection, topic, batch(1))).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect((await append(connection, topic, batch(9))).errorCode).toBe(45);
    expect(await append(connection, topic, batch(3))).toMatchObject({ errorCode: 0, baseOffset: 3 });
  });
});
