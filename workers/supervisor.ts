// Entry point of the supervisor's thread: wires the SupervisorActor to its thread.
import { isMainThread, workerData } from 'node:worker_threads';
import { ActorReference, exposeActor } from '../src/actor/remote.js';
import { systemClock } from '../src/base/clock.js';
import { systemRandom } from '../src/base/random.js';
import { SupervisorThread } from '../src/broker/supervisor-thread.js';
import { threadLogger } from '../src/broker/thread-logger.js';
import type {
  MainThreadCommand,
  SupervisorData,
  SupervisorThreadCommand,
  SupervisorThreadReply,
} from '../src/broker/worker-data.js';
import { NodeDisk } from '../src/io/node-disk.js';
import { NodeJobs } from '../src/io/node-jobs.js';

if (isMainThread) throw new Error('This file is the entry point of a worker thread.');

const { dataDirectory, config, port } = workerData as SupervisorData;
const main = new ActorReference<MainThreadCommand, void>(port, systemClock);
const thread = new SupervisorThread({
  dataDirectory,
  config,
  disk: new NodeDisk(),
  jobs: new NodeJobs(),
  clock: systemClock,
  random: systemRandom,
  logger: threadLogger(),
  tell: (event) => main.tell({ type: 'tell', event }),
});
exposeActor<SupervisorThreadCommand, SupervisorThreadReply>(port, (command, reply) =>
  thread.receive(command, reply),
);
