// What a thread's disk had to sync: fdatasync is what durability costs.
import { type MetricsSource, metric, type Sample, sample } from '../base/metric.js';
import type { NodeDisk } from './node-disk.js';

export const DISK_METRICS = {
  syncs: metric({
    name: 'odradek_disk_syncs_total',
    type: 'counter',
    help: 'Files that the thread has forced to the disk with fdatasync: for flush.acks, flush.ms and flush.messages, at rolls, checkpoints and stops.',
    labels: ['thread'],
  }),
  syncSeconds: metric({
    name: 'odradek_disk_sync_seconds_total',
    type: 'counter',
    help: 'What those took together, the wait for a thread of the pool included; several run at a time. Its rate by that of odradek_disk_syncs_total is what one takes.',
    labels: ['thread'],
  }),
} as const;

export class DiskMeter implements MetricsSource {
  readonly #thread: string;
  readonly #disk: Pick<NodeDisk, 'syncs'>;

  /** `thread` is the label by which operators know the thread. */
  constructor(thread: string, disk: Pick<NodeDisk, 'syncs'>) {
    this.#thread = thread;
    this.#disk = disk;
  }

  samples(): readonly Sample[] {
    const { count, seconds } = this.#disk.syncs;
    const labels = [this.#thread] as const;
    return [sample(DISK_METRICS.syncs, labels, count), sample(DISK_METRICS.syncSeconds, labels, seconds)];
  }
}
