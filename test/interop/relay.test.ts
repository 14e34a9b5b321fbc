import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Relay } from './relay.js';

const WITHIN = { timeout: 20_000 };
const PRODUCE = 0;
const METADATA = 3;

/** A request or an answer with nothing but its header; 0 stands for the version. */
function frame(words: readonly [number, number] | readonly [number]): Buffer {
  const [correlationId, apiKey] = words;
  const body = Buffer.alloc(apiKey === undefined ? 4 : 8);
  if (apiKey !== undefined) body.writeInt16BE(apiKey, 0);
  body.writeInt32BE(correlationId, body.length - 4);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length, 0);
  return Buffer.concat([length, body]);
}

describe('Relay', () => {
  const atBroker: Buffer[] = [];
  const brokerSockets: Socket[] = [];
  const broker = createServer((socket) => {
    brokerSockets.push(socket);
    socket.on('data', (bytes) => atBroker.push(bytes));
    socket.on('error', () => {});
  });
  let relay: Relay;
  let client: Socket;
  const atClient: Buffer[] = [];

  beforeEach(async () => {
    broker.listen(0, '127.0.0.1');
    await once(broker, 'listening');
    relay = await Relay.start();
    relay.forwardTo(`127.0.0.1:${(broker.address() as AddressInfo).port}`);
    client = connect(Number(relay.address.split(':')[1]), '127.0.0.1');
    client.on('data', (bytes) => atClient.push(bytes));
    client.on('error', () => {});
    await vi.waitUntil(() => brokerSockets.length > 0, WITHIN);
  });

  afterEach(async () => {
    client.destroy();
    relay.close();
    for (const socket of brokerSockets.splice(0)) socket.destroy();
    atBroker.length = 0;
    atClient.length = 0;
    broker.close();
    await once(broker, 'close');
  });

  const answer = (bytes: Buffer) => brokerSockets[0]?.write(bytes);
  const hasCome = (chunks: readonly Buffer[], bytes: Buffer) => () => Buffer.concat(chunks).equals(bytes);

  it('passes requests and answers on', async () => {
    client.write(frame([1, PRODUCE]));
    await vi.waitUntil(hasCome(atBroker, frame([1, PRODUCE])), WITHIN);
    answer(frame([1]));
    await vi.waitUntil(hasCome(atClient, frame([1])), WITHIN);
    expect(relay.produceAnswersHeld).toBe(0);
  });

  it('holds answers back, and counts those to Produce requests that came whole', async () => {
    const requests = Buffer.concat([frame([1, METADATA]), frame([2, PRODUCE]), frame([3, PRODUCE])]);
    for (const byte of requests) client.write(Buffer.from([byte]));
    await vi.waitUntil(hasCome(atBroker, requests), WITHIN);
    relay.hold();
    answer(Buffer.concat([frame([1]), frame([2]), frame([3]).subarray(0, 6)]));
    await vi.waitUntil(() => relay.produceAnswersHeld > 0, WITHIN);
    client.write(frame([4, METADATA]));
    await vi.waitUntil(hasCome(atBroker, Buffer.concat([requests, frame([4, METADATA])])), WITHIN);
    expect(relay.produceAnswersHeld).toBe(1);
    expect(atClient).toEqual([]);
  });

  it('ends with either side, and closes new connections while it is cut', async () => {
    const closed = once(client, 'close');
    brokerSockets[0]?.destroy();
    await closed;
    relay.cut();
    const late = connect(Number(relay.address.split(':')[1]), '127.0.0.1');
    late.on('error', () => {});
    await once(late, 'close');
    expect(brokerSockets).toHaveLength(1);
  });
});
