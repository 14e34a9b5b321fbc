// Entry point of a partition worker: wires a PartitionHost to its thread.
import { isMainThread, workerData } from 'node:worker_threads';
import { RING_SLEEPING_INDEX, RingConsumer, RingProducer } from '../src/actor/descriptor-ring.js';
import { SharedDoorbell } from '../src/actor/doorbell.js';
import { ActorReference, exposeActor } from '../src/actor/remote.js';
import { systemClock } from '../src/base/clock.js';
import { systemRandom } from '../src/base/random.js';
import { threadLogger } from '../src/broker/thread-logger.js';
import type { PartitionWorkerData } from '../src/broker/worker-data.js';
import { DiskMeter } from '../src/io/disk-meter.js';
import { NodeDisk } from '../src/io/node-disk.js';
import { NodeJobs } from '../src/io/node-jobs.js';
import { ThreadMeter } from '../src/io/thread-meter.js';
import type { PartitionCommand, PartitionEvent, PartitionReply } from '../src/partition/messages.js';
import { PartitionHost } from '../src/partition/partition-host.js';

if (isMainThread) throw new Error('This file is the entry point of a worker thread.');

/** Scanned in less time than it takes to hand it to a job: a broker with many partitions has many such ends of logs. */
const SCAN_HERE_BYTES = 64 * 1024;

const data = workerData as PartitionWorkerData;
const supervisor = new ActorReference<PartitionEvent, void>(data.port, systemClock);
const bell = (words: Int32Array) => new SharedDoorbell(words, RING_SLEEPING_INDEX);
const thread = `worker-${data.index}`;
const disk = new NodeDisk({ openFilesMax: data.openFilesMax, syncsMax: data.syncsMax });
const host = new PartitionHost({
  submissions: new RingConsumer(data.submissions, bell(data.submissions.words)),
  completions: new RingProducer(data.completions, bell(data.completions.words)),
  views: data.views,
  memory: Buffer.from(data.memory),
  disk,
  jobs: new NodeJobs({ threads: data.jobThreads }),
  clock: systemClock,
  random: systemRandom,
  logger: threadLogger(),
  retentionCheckIntervalMs: data.retentionCheckIntervalMs,
  compaction: data.compaction,
  scanHereBytes: SCAN_HERE_BYTES,
  tell: (event) => supervisor.tell(event),
  later: setImmediate,
  thread,
  sources: [new ThreadMeter(thread, () => host.heldMs), new DiskMeter(thread, disk)],
});
exposeActor<PartitionCommand, PartitionReply>(data.port, (command, reply) => host.receive(command, reply));
