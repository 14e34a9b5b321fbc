// Whatever is rejected here is rejected to the one who called: nothing is left that nobody handles. The broker of the first
// argument is there, that of the second is not.
import { getEventListeners } from 'node:events';
import { Client } from 'odradek';

const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(String(error)));

const outcomes = [];
const note = (promise) =>
  promise.then(
    () => outcomes.push('resolved'),
    (error) => outcomes.push(error.code ?? error.name),
  );

for (const address of process.argv.slice(2)) {
  const client = new Client({ brokers: [address], requestTimeoutMs: 2000, connectTimeoutMs: 2000 });
  const producer = client.producer({ lingerMs: 0, bufferBytesMax: 5000, deliveryTimeoutMs: 60_000 });
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [
    client.connect({ signal }),
    producer.send({ topic: 'rejections', value: 'a' }, { signal }),
    producer.sendBatch(
      { topic: 'rejections', messages: [{ value: 'a', partition: 99 }, { value: 'b' }] },
      { signal },
    ),
    producer.send({ topic: 'rejections', value: 'x'.repeat(9000) }),
    producer.ready({ signal }),
    producer.flush({ signal }),
    client.admin().listTopics(),
    (async () => {
      for await (const _ of client.consumer({ topic: 'rejections', signal })) break;
    })(),
  ];
  const done = Promise.all(calls.map(note));
  await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  await client.close({ timeoutMs: 10 });
  await done;
}
// One signal for all that a program does: no warning of a leak, and nothing left that listens.
const { signal } = new AbortController();
const client = new Client({ brokers: [process.argv[2]] });
const producer = client.producer({ lingerMs: 0 });
const consumers = Array.from({ length: 20 }, () => client.consumer({ topic: 'rejections', signal }));
await Promise.all(
  Array.from({ length: 100 }, () => producer.send({ topic: 'rejections', value: 'a' }, { signal })),
);
await Promise.all(consumers.map((consumer) => consumer.close()));
await client.close();
await new Promise((resolve) => setImmediate(resolve));
const listeners = getEventListeners(signal, 'abort').length;
console.log(JSON.stringify({ unhandled, listeners, settled: outcomes.length }));
