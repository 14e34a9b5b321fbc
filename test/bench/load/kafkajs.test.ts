import { Client } from 'odradek';
import { startBroker } from 'odradek/testing';
import { describe, expect, it } from 'vitest';
import { clientConsume, clientProduce } from '../../../bench/load/client.js';
import { kafkaJsConsume, kafkaJsProduce } from '../../../bench/load/kafkajs.js';

const RECORDS = 2500;
const RECORD_BYTES = 100;
const MOVED = { records: RECORDS, bytes: RECORDS * RECORD_BYTES };

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(':') + 1));

describe('kafkajs as a load generator', () => {
  it('moves the same as the client library does, and either reads what the other has written', async () => {
    await using broker = await startBroker({ config: { 'group.initial.rebalance.delay.ms': 0 } });
    await using client = new Client({ brokers: [broker.native] });
    const common = { partitions: 2, recordBytes: RECORD_BYTES, records: RECORDS };
    const ours = { port: portOf(broker.native), ...common, batches: false };
    const theirs = { port: portOf(broker.kafka), ...common };
    await client.admin().createTopic({ name: 'ours', partitions: 2 });
    await client.admin().createTopic({ name: 'theirs', partitions: 2 });

    expect(await clientProduce({ type: 'client-produce', topic: 'ours', ...ours })).toMatchObject(MOVED);
    expect(await kafkaJsProduce({ type: 'kafkajs-produce', topic: 'theirs', ...theirs })).toMatchObject(
      MOVED,
    );
    expect(await clientConsume({ type: 'client-consume', topic: 'theirs', ...ours })).toMatchObject(MOVED);
    expect(await kafkaJsConsume({ type: 'kafkajs-consume', topic: 'ours', ...theirs })).toMatchObject(MOVED);
  });
});
