// A hundred clients in one process, each with a producer and a consumer; all are closed, and the process is left to end by
// itself. Prints what the first client received and what is left open.
import { readdirSync } from 'node:fs';
import { Client } from 'odradek';

const openFiles = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
// The pipe is made when it is first asked for.
process.stdout.write('');
const before = openFiles();
/** Handles that keep the process alive, but for its own pipes. What is destroyed is gone at the end of the turn. */
const handles = () =>
  process
    ._getActiveHandles()
    .filter((handle) => handle !== process.stdout && handle !== process.stderr && !handle.destroyed).length;

const brokers = [process.argv[2]];
const maker = new Client({ brokers });
for (let i = 0; i < 10; i++) await maker.admin().createTopic({ name: `topic-${i}` });
await maker.close();
const clients = Array.from({ length: 100 }, (_, i) => new Client({ brokers, clientId: `client-${i}` }));
const received = await Promise.all(
  clients.map(async (client, i) => {
    const topic = `topic-${i % 10}`;
    const { partition, offset } = await client.producer({ lingerMs: 0 }).send({ topic, value: `from ${i}` });
    for await (const { value } of client.consumer({ topic, partitions: [partition], from: { offset } })) {
      return value.toString() === `from ${i}`;
    }
  }),
);
const openSockets = openFiles() - before;
await Promise.all(clients.map((client) => client.close()));
// Sockets are closed in a later turn.
for (let turn = 0; turn < 1000 && (openFiles() > before || handles() > 0); turn++)
  await new Promise((resolve) => setImmediate(resolve));
console.log(
  JSON.stringify({
    received: received.filter(Boolean).length,
    // Of a system that tells of open files by another way only, nothing is known.
    wereOpen: before === 0 || openSockets >= 100,
    socketsLeft: openFiles() - before,
    handlesLeft: handles(),
  }),
);
