// A Kafka client's way to change topics: kafkajs's admin.
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

describe("kafkajs's admin", () => {
  let broker: TestBroker;
  let kafka: Kafka;

  beforeAll(async () => {
    broker = await startBroker({ workers: 1 });
    kafka = new Kafka({ clientId: 'admin', brokers: [broker.kafka], logLevel: logLevel.NOTHING });
  });

  afterAll(() => broker.close());

  it('alters configs, adds partitions and deletes records', async () => {
    const admin = kafka.admin();
    const producer = kafka.producer();
    await Promise.all([admin.connect(), producer.connect()]);
    try {
      const topic = 'changed';
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
      await producer.send({ topic, messages: ['a', 'b', 'c'].map((value) => ({ value, partition: 0 })) });

      const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '123456' }] }],
      });
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ ...resource, configNames: ['retention.ms'] }],
      });
      expect(resources[0]?.configEntries).toMatchObject([
        { configName: 'retention.ms', configValue: '123456' },
      ]);
      const wrong = { ...resource, configEntries: [{ name: 'retention.ms', value: 'soon' }] };
      await expect(admin.alterConfigs({ validateOnly: false, resources: [wrong] })).rejects.toMatchObject({
        type: 'INVALID_CONFIG',
      });

      await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
      expect((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions).toHaveLength(3);
      await expect(admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] })).rejects.toMatchObject({
        type: 'INVALID_PARTITIONS',
      });

      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
      const offsets = await admin.fetchTopicOffsets(topic);
      expect(offsets.find(({ partition }) => partition === 0)).toMatchObject({ low: '2', high: '3' });
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '-1' }] });
      expect((await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0)?.low).toBe('3');
    } finally {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    }
  });
});
