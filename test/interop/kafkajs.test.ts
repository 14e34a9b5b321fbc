// kafkajs produces through Kafka's door, our client reads through its own.
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseSeed } from '../chaos/seed.js';
import { writeWithKafkajs } from './kafkajs-writer.js';
import { lotsOf } from './lot.js';
import { readWithNativeClient, untilWritten } from './native-client.js';

describe('kafkajs', () => {
  const lots = lotsOf('kafkajs', chooseSeed('kafkajs'), false);
  let broker: TestBroker;

  beforeAll(async () => {
    broker = await startBroker();
  });

  afterAll(() => broker.close());

  for (const lot of lots) {
    const how = `acks ${lot.acks}${lot.idempotent ? ', idempotent' : ''}`;
    it(`produces records compressed with ${lot.codec}, ${how}, that are read as they were sent`, async () => {
      await writeWithKafkajs(broker.kafka, [lot]);
      await untilWritten(broker.native, [lot]);
      expect(await readWithNativeClient(broker.native, [lot])).toEqual([
        { topic: lot.topic, records: lot.records, problem: null },
      ]);
    });
  }
});
