// Reads a topic to its end, for a while not at all and then at its own pace, with little memory: run by
// subscription-memory.test.ts. Prints what was read and the most memory that it took, in bytes.
import { Client } from 'odradek';

const [, , native, topic, prefetchBytesMax] = process.argv;
const client = new Client({ brokers: [native] });
await client.connect();

/** Of JavaScript's objects and of the bytes that came. */
const memoryBytes = () => {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};
const idleBytes = memoryBytes();
let peakBytes = 0;
let records = 0;
let valueBytes = 0;
const look = () => {
  peakBytes = Math.max(peakBytes, memoryBytes() - idleBytes);
};

const consumer = client.consumer({ topic, until: 'end', prefetchBytesMax: Number(prefetchBytesMax) });
for await (const { value } of consumer) {
  records++;
  valueBytes += value.length;
  if (records === 1) {
    // The broker has all the time to send more than it may.
    for (let turn = 0; turn < 2000; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      look();
    }
  }
  if (records % 1000 === 0) look();
}
await client.close();
process.stdout.write(`${JSON.stringify({ records, valueBytes, peakBytes })}\n`);
