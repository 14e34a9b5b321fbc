// Starts a broker, uses it and closes everything, four times, and does not call process.exit(): run by life.test.ts with
// --expose-gc. Prints what is left.
import { readdirSync } from 'node:fs';
import { Client } from 'odradek';
import { startBroker } from 'odradek/testing';

async function use() {
  const broker = await startBroker({ config: { 'num.partitions': 3 } });
  const client = new Client({ brokers: [broker.native] });
  const producer = client.producer({ compression: 'zstd' });
  const sent = Array.from({ length: 100 }, (_, i) =>
    producer.send({ topic: 't', key: `${i}`, value: `${i}` }),
  );
  await Promise.all(sent);
  let received = 0;
  for await (const { key, value } of client.consumer({ topic: 't', until: 'end' })) {
    if (!key.equals(value)) throw new Error(`${key} came with ${value}`);
    received++;
  }
  // By time within a compressed batch: that takes a job thread.
  const [first] = await client.admin().listOffsets('t', { timestampMs: 1 });
  const health = await fetch(`http://${broker.http}/health/ready`, { headers: { connection: 'close' } });
  await health.text();
  await client.close();
  await broker.close();
  return { received, firstOffset: first.offset, health: health.status };
}

async function footprint() {
  // Sockets and threads let go of what they had in a later turn.
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc();
  const openFiles = process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
  return { openFiles, mebibytes: Math.round(process.memoryUsage().arrayBuffers / 2 ** 20) };
}

// Made when they are first asked for, which the threads' own may do.
const ownPipes = [process.stdout, process.stderr];
const before = process.getActiveResourcesInfo();
const uses = [await use()];
const first = await footprint();
uses.push(await use(), await use(), await use());
const last = await footprint();
// This script runs in an immediate of its own.
const left = process.getActiveResourcesInfo().filter((resource) => resource !== 'Immediate');
for (const resource of before) if (left.includes(resource)) left.splice(left.indexOf(resource), 1);
ownPipes[0].write(`${JSON.stringify({ uses, left, first, last })}\n`);
