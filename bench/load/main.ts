// The entry point of a load generator, a process of its own: does the job that its argument says. See ../job.ts.
import { assertNever } from '../../src/base/assert.js';
import type { LoadJob, LoadResult } from '../job.js';
import { clientConsume, clientProduce } from './client.js';
import { consume } from './consume.js';
import { crowd } from './crowd.js';
import { fetchSession } from './fetch-session.js';
import { groupCommits } from './group-commits.js';
import { groupHeartbeats } from './group-heartbeats.js';
import { groupOffsets } from './group-offsets.js';
import { kafkaPaced } from './kafka-paced.js';
import { kafkaJsConsume, kafkaJsProduce } from './kafkajs.js';
import { keyedCheck, keyedProduce } from './keyed.js';
import { paced } from './paced.js';
import { receive, send } from './peer.js';
import { produce } from './produce.js';
import { requests } from './requests.js';

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function run(job: LoadJob): Promise<LoadResult> {
  switch (job.type) {
    case 'produce':
      return produce(job);
    case 'consume':
      return consume(job);
    case 'requests':
      return requests(job);
    case 'paced':
      return paced(job);
    case 'kafka-paced':
      return kafkaPaced(job);
    case 'crowd':
      return crowd(job, { ready: () => print({ ready: true }), until: inputEnd() });
    case 'fetch-session':
      return fetchSession(job);
    case 'client-produce':
      return clientProduce(job);
    case 'client-consume':
      return clientConsume(job);
    case 'kafkajs-produce':
      return kafkaJsProduce(job);
    case 'kafkajs-consume':
      return kafkaJsConsume(job);
    case 'keyed-produce':
      return keyedProduce(job);
    case 'keyed-check':
      return keyedCheck(job);
    case 'group-heartbeats':
      return groupHeartbeats(job);
    case 'group-commits':
      return groupCommits(job);
    case 'group-offsets':
      return groupOffsets(job);
    case 'send':
      return send(job, (port) => print({ port }));
    case 'receive':
      return receive(job);
    default:
      return assertNever(job);
  }
}

function inputEnd(): Promise<void> {
  return new Promise((resolve) => {
    process.stdin.resume().on('end', resolve);
  });
}

try {
  // The bench itself wrote the job.
  const result = await run(JSON.parse(process.argv[2] ?? '') as LoadJob);
  const { user, system } = process.cpuUsage();
  print({ result: { ...result, processSeconds: (user + system) / 1e6 } });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
  // A failed job may leave sockets open.
  setImmediate(() => process.exit());
}
