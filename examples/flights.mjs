// Twenty thousand real flights, keyed by the airport they leave from: sent, read back and counted.
//
//   npm start                            a broker, in one terminal
//   node examples/flights.mjs            this, in another
//
// ODRADEK_BROKERS names other brokers (HOST:PORT,…), the first argument another file with an array of flights.
//
// The data is flights-20k.json of vega-datasets: domestic flights in the United States in 2001, each like
// {"date":"2001/01/01 00:47","delay":66,"distance":1750,"origin":"DTW","destination":"LAS"}.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client, OdradekError } from 'odradek';

const topic = 'flights';
const brokers = (process.env.ODRADEK_BROKERS ?? '127.0.0.1:9091').split(',');
const standardFile = new URL('../node_modules/vega-datasets/data/flights-20k.json', import.meta.url);
const flights = JSON.parse(await readFile(process.argv[2] ?? fileURLToPath(standardFile), 'utf8'));

const client = new Client({ brokers, clientId: 'flights-example' });

// A topic is made by its first use, but with the broker's default of partitions. We want six of them.
try {
  await client.admin().createTopic({ name: topic, partitions: 6 });
} catch (error) {
  const exists = error instanceof OdradekError && error.errorName === 'TOPIC_ALREADY_EXISTS';
  if (!exists) throw error;
}

// All flights with the same key go to the same partition and stay in order there. send() takes as many as it is given;
// the producer makes batches of them, and waits for the broker where it must.
const producer = client.producer({ compression: 'zstd' });
const messages = flights.map((flight) => ({ key: flight.origin, value: JSON.stringify(flight) }));
const sent = await producer.send({ topic, messages });
console.log(
  `sent ${sent.length} flights to ${new Set(sent.map(({ partition }) => partition)).size} partitions`,
);

// Where this run begins in each partition: others may have sent flights before.
const from = new Map();
for (const { partition, offset } of sent) {
  from.set(partition, { offset: Math.min(offset, from.get(partition)?.offset ?? offset) });
}

// Read them back. `until: 'end'` stops where the partitions end now; without it the loop waits for more.
const airports = new Map();
let received = 0;
for await (const { key, value } of client.consumer({
  topic,
  from,
  partitions: [...from.keys()],
  until: 'end',
})) {
  const { delay } = JSON.parse(value.toString());
  const airport = airports.get(key.toString()) ?? { flights: 0, delay: 0 };
  airport.flights++;
  airport.delay += delay;
  airports.set(key.toString(), airport);
  received++;
}
console.log(`received ${received} flights from ${airports.size} airports; the ten with the most:`);

const busiest = [...airports].sort(([, a], [, b]) => b.flights - a.flights).slice(0, 10);
for (const [name, { flights: count, delay }] of busiest) {
  console.log(
    `  ${name} ${String(count).padStart(5)} flights, ${(delay / count).toFixed(1).padStart(5)} minutes late on average`,
  );
}

await client.close();
