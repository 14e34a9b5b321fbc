import { describe, expect, it } from 'vitest';
import { DISK_METRICS, DiskMeter } from '../../src/io/disk-meter.js';

describe('DiskMeter', () => {
  it('tells what the disk of its thread has synced', () => {
    const meter = new DiskMeter('worker-3', { syncs: { count: 7, seconds: 0.25 } });
    expect(meter.samples()).toMatchObject([
      { metric: DISK_METRICS.syncs.name, labels: ['worker-3'], value: 7 },
      { metric: DISK_METRICS.syncSeconds.name, labels: ['worker-3'], value: 0.25 },
    ]);
  });
});
