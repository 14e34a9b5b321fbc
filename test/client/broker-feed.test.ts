import { describe, expect, it } from 'vitest';
import { Client } from '../../src/client/client.js';
import { ScriptedBroker } from './scripted-broker.js';
import { type BegunStream, batchAt, scriptedLog } from './scripted-log.js';

describe('BrokerFeed', () => {
  it('drops what was on its way for a stream that ended: after a seek back nothing is passed over', async () => {
    const streams: BegunStream[] = [];
    const begun = (stream: BegunStream): boolean => {
      streams.push(stream);
      if (stream.start.offset === 5) stream.push(batchAt(5, ['5']));
      else {
        streams[0]?.push(batchAt(6, ['too late']));
        stream.push(batchAt(2, ['2']));
      }
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 9, begun }));
    const client = new Client({ brokers: [broker.address] });
    const consumer = client.consumer({ topic: 'orders', partitions: [0], from: { offset: 5 } });
    const messages = consumer[Symbol.asyncIterator]();
    const values = [String((await messages.next()).value?.value)];
    consumer.seek(0, 2);
    values.push(String((await messages.next()).value?.value));
    await client.close({ timeoutMs: 0 });
    expect(values).toEqual(['5', '2']);
  });
});
