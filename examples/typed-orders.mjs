// Orders with types: checked when they are sent and when they are received, with headers, a deletion, and what happens to
// a message that is not an order.
//
//   npm start                              a broker, in one terminal
//   node examples/typed-orders.mjs         this, in another
//
// ODRADEK_BROKERS names other brokers (HOST:PORT,…).
import { adviceFor, Client, json, OdradekError, text } from 'odradek';

const topic = 'typed-orders-example';
const brokers = (process.env.ODRADEK_BROKERS ?? '127.0.0.1:9091').split(',');

/** A validator by hand; one of Zod, Valibot or ArkType can stand here as it is. */
const order = {
  '~standard': {
    version: 1,
    vendor: 'example',
    validate(value) {
      const issues = [];
      if (typeof value?.item !== 'string') issues.push({ message: 'must be text', path: ['item'] });
      if (!(value?.quantity > 0)) issues.push({ message: 'must be above zero', path: ['quantity'] });
      return issues.length > 0 ? { issues } : { value };
    },
  },
};

const client = new Client({ brokers, clientId: 'typed-orders-example' });
const producer = client.producer({ key: text(), value: json(order) });

const sent = await producer.send({
  topic,
  messages: [
    { key: 'a-1', value: { item: 'lamp', quantity: 1 }, headers: { source: 'web' } },
    { key: 'a-2', value: { item: 'rug', quantity: 2 }, headers: { source: 'shop' } },
    // The order a-1 is taken back: for topics with cleanup.policy=compact, nothing of it stays.
    { key: 'a-1', value: null },
  ],
});
console.log(`sent ${sent.length} messages`);

try {
  await producer.send({ topic, key: 'a-3', value: { item: 'chair', quantity: 0 } });
} catch (error) {
  if (!(error instanceof OdradekError) || error.code !== 'ODR_FORMAT') throw error;
  console.log(`refused: ${error.message}`);
  console.log(adviceFor(error));
}

// From what this run has sent.
const from = new Map();
for (const { partition, offset } of sent) {
  from.set(partition, { offset: Math.min(offset, from.get(partition)?.offset ?? offset) });
}
const orders = new Map();
const partitions = [...from.keys()];
for await (const message of client.consumer({
  topic,
  key: text(),
  value: json(order),
  from,
  partitions,
  until: 'end',
})) {
  if (message.value === null) orders.delete(message.key);
  else orders.set(message.key, { ...message.value, source: String(message.headers[0]?.value) });
}
for (const [id, { item, quantity, source }] of orders)
  console.log(`${id}: ${quantity} × ${item}, by ${source}`);
await client.close();
