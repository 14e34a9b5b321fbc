// Copies a topic into another one, every message with its key, headers and time: a consumer, a transform, and the producer
// as a stream. Nothing is read faster than it is written.
//
//   npm start                                        a broker, in one terminal
//   node examples/copy-topic.mjs FROM TO             this, in another; without names it makes a topic to copy first
//
// ODRADEK_BROKERS names other brokers (HOST:PORT,…).
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'odradek';

const brokers = (process.env.ODRADEK_BROKERS ?? '127.0.0.1:9091').split(',');
const client = new Client({ brokers, clientId: 'copy-topic-example' });
const [from = 'copy-example', to = `${from}-copy`] = process.argv.slice(2);
if (process.argv.length < 3) {
  const messages = Array.from({ length: 1000 }, (_, i) => ({ key: `key-${i % 10}`, value: `message ${i}` }));
  await client.producer().send({ topic: from, messages });
}

let copied = 0;
const asSent = new Transform({
  objectMode: true,
  transform({ key, value, headers, timestampMs }, _encoding, done) {
    copied++;
    done(null, {
      topic: to,
      key,
      value,
      timestampMs,
      headers: headers.map((header) => [header.key, header.value]),
    });
  },
});
const source = Readable.from(client.consumer({ topic: from, until: 'end' }));
await pipeline(source, asSent, client.producer({ compression: 'gzip' }).writable());
console.log(`copied ${copied} messages from ${from} to ${to}`);
await client.close();
