// Entry point of the supervisor's thread: wires the SupervisorActor to its thread. What it needs comes by a message and not with
// the thread's start, so that its code can load before the main thread knows what the broker is to do.
import { parentPort } from 'node:worker_threads';
import { RING_SLEEPING_INDEX } from '../src/actor/descriptor-ring.js';
import { SharedDoorbell } from '../src/actor/doorbell.js';
import { ActorReference, exposeActor } from '../src/actor/remote.js';
import { systemClock } from '../src/base/clock.js';
import { systemRandom } from '../src/base/random.js';
import type { CoordinatorMessage } from '../src/broker/coordinator-channel.js';
import { SupervisorThread } from '../src/broker/supervisor-thread.js';
import { threadLogger } from '../src/broker/thread-logger.js';
import type {
  MainThreadCommand,
  SupervisorData,
  SupervisorThreadCommand,
  SupervisorThreadReply,
} from '../src/broker/worker-data.js';
import { openFilesPerThread } from '../src/io/descriptor-limit.js';
import { DiskMeter } from '../src/io/disk-meter.js';
import { NodeDisk } from '../src/io/node-disk.js';
import { NodeJobs } from '../src/io/node-jobs.js';
import { ThreadMeter } from '../src/io/thread-meter.js';

if (!parentPort) throw new Error('This file is the entry point of a worker thread.');

function run({ dataDirectories, absent, config, port, coordinatorPort }: SupervisorData): void {
  const main = new ActorReference<MainThreadCommand, void>(port, systemClock);
  const disk = new NodeDisk({ openFilesMax: openFilesPerThread(config.workers) });
  const thread = new SupervisorThread(
    {
      dataDirectories,
      absent,
      config,
      disk,
      jobs: new NodeJobs(),
      clock: systemClock,
      random: systemRandom,
      logger: threadLogger(),
      tell: (event) => main.tell({ type: 'tell', event }),
      bell: ({ words }) => new SharedDoorbell(words, RING_SLEEPING_INDEX),
      later: setImmediate,
      endOfTurn: queueMicrotask,
      reply: (replies) => coordinatorPort.postMessage(replies),
    },
    [new ThreadMeter('supervisor'), new DiskMeter('supervisor', disk)],
  );
  exposeActor<SupervisorThreadCommand, SupervisorThreadReply>(port, (command, reply) =>
    thread.receive(command, reply),
  );
  coordinatorPort.on('message', (message: CoordinatorMessage) => thread.coordinate(message));
}

parentPort.once('message', run);
