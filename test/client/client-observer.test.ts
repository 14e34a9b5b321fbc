import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/log.js';
import { Client } from '../../src/client/client.js';
import type { ClientObserver } from '../../src/client/client-observer.js';
import type { ProducePartitionResult } from '../../src/protocol/native/messages.js';
import { ScriptedBroker } from './scripted-broker.js';

const appended: ProducePartitionResult = {
  ...{ error: null, baseOffset: 3, logAppendTimeMs: -1, logStartOffset: 0 },
};

function recorder() {
  const events: [string, object][] = [];
  const record = (name: string) => (event: object) => void events.push([name, event]);
  const observer: ClientObserver = {
    onConnect: record('connect'),
    onDisconnect: record('disconnect'),
    onRequest: record('request'),
    onDelivery: record('delivery'),
    onRetry: record('retry'),
  };
  const of = (name: string) => events.filter(([type]) => type === name).map(([, event]) => event);
  return { observer, of };
}

describe('ClientObserver', () => {
  it('is told of connections, requests, retries and deliveries, and the client counts them', async () => {
    let tries = 0;
    await using broker = await ScriptedBroker.start({
      produce: (request) => {
        tries++;
        if (tries === 1)
          request.answer({
            type: 'produce',
            partitions: [{ ...appended, error: { error: 'LEADER_NOT_AVAILABLE' } }],
          });
        else request.answer({ type: 'produce', partitions: [appended] });
      },
    });
    const { observer, of } = recorder();
    const client = new Client({ brokers: [broker.address], observer });
    const producer = client.producer({ lingerMs: 0 });
    const sent = producer.send({ topic: 'orders', partition: 0, value: 'hello' });
    expect(client.metrics).toMatchObject({ producers: 1, connections: 0, recordsDelivered: 0 });
    await sent;
    expect(client.metrics).toMatchObject({
      ...{ connections: 1, connects: 1, disconnects: 0, requestErrors: 0 },
      ...{ recordsDelivered: 1, recordsFailed: 0, retries: 1, bufferedBytes: 0, producers: 1 },
    });
    expect(of('connect')).toEqual([{ broker: 1, address: broker.address, reason: null }]);
    expect(of('retry')).toEqual([
      expect.objectContaining({ topic: 'orders', partition: 0, records: 1, failures: 1 }),
    ]);
    expect(of('delivery')).toEqual([
      expect.objectContaining({
        topic: 'orders',
        records: 1,
        failures: 1,
        error: null,
        bytes: expect.any(Number),
      }),
    ]);
    const requests = of('request');
    expect(requests).toHaveLength(client.metrics.requests);
    expect(requests.at(-1)).toMatchObject({ type: 'produce', broker: 1, error: null });
    const sum = (name: string) =>
      requests.reduce((total, event) => total + Number(Reflect.get(event, name)), 0);
    expect(sum('requestBytes')).toBe(client.metrics.requestBytes);
    expect(sum('responseBytes')).toBe(client.metrics.responseBytes);
    await client.close();
    expect(client.metrics).toMatchObject({ connections: 0, disconnects: 1, producers: 0 });
    expect(of('disconnect')).toEqual([
      expect.objectContaining({ reason: expect.objectContaining({ code: 'ODR_CLOSED' }) }),
    ]);
  });

  it('is told of messages that are given up', async () => {
    await using broker = await ScriptedBroker.start({
      produce: ({ refuse }) => refuse({ error: 'MESSAGE_TOO_LARGE' }),
    });
    const { observer, of } = recorder();
    await using client = new Client({ brokers: [broker.address], observer });
    await client
      .producer()
      .send({ topic: 'orders', value: 'a' })
      .catch(() => {});
    expect(of('delivery')).toEqual([
      expect.objectContaining({ error: expect.objectContaining({ errorName: 'MESSAGE_TOO_LARGE' }) }),
    ]);
    expect(client.metrics).toMatchObject({ recordsFailed: 1, recordsDelivered: 0, requestErrors: 1 });
  });

  it('does no harm when it throws', async () => {
    await using broker = await ScriptedBroker.start({
      produce: ({ answer }) => answer({ type: 'produce', partitions: [appended] }),
    });
    const fail = () => {
      throw new Error('of the observer');
    };
    const errors: unknown[] = [];
    const logger = { ...silentLogger, error: (_: string, fields?: object) => void errors.push(fields) };
    const observer = {
      onConnect: fail,
      onDisconnect: fail,
      onRequest: fail,
      onDelivery: fail,
      onRetry: fail,
    };
    await using client = new Client({ brokers: [broker.address], observer, logger });
    await expect(client.producer().send({ topic: 'orders', value: 'a' })).resolves.toMatchObject({
      offset: 3,
    });
    expect(errors).toContainEqual({ error: 'Error: of the observer' });
  });
});
