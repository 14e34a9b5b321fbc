import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { inspectWorkers, type ThreadReport, WORKER_INSPECTION_MS } from '../../src/broker/inspect-workers.js';
import { OWN_WORKER, type PartitionWorker } from '../../src/broker/placement.js';
import type { PartitionReply } from '../../src/partition/messages.js';

const SAMPLE = { metric: 'odradek_partitions_open', labels: ['x'], value: 3 };

/** A worker as the supervisor reaches it: it answers after some time, or never; then the deadline does. */
function workerOf(clock: SimulatedClock, afterMs: number, reply: PartitionReply): PartitionWorker {
  return {
    ask: (_command, deadlineMs, answer) => {
      const failed = { type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER', detail: 'no reply' } as const;
      clock.after(Math.min(afterMs, deadlineMs), () => answer(afterMs < deadlineMs ? reply : failed));
    },
  };
}

describe('inspectWorkers', () => {
  it('reports each worker, and one that is stuck as such after its deadline', () => {
    const clock = new SimulatedClock();
    const reply = { type: 'inspected', logsOffline: 1, samples: [SAMPLE] } as const;
    const reports: (readonly ThreadReport[])[] = [];
    inspectWorkers(
      new Map([
        [OWN_WORKER, workerOf(clock, 1, reply)],
        [0, workerOf(clock, Number.POSITIVE_INFINITY, reply)],
        [3, workerOf(clock, 20, reply)],
      ]),
      'partitions',
      (result) => reports.push(result),
    );
    clock.advance(WORKER_INSPECTION_MS - 1);
    expect(reports).toEqual([]);
    clock.advance(1);
    expect(reports).toEqual([
      [
        { thread: 'supervisor', responding: true, logsOffline: 1, samples: [SAMPLE] },
        { thread: 'worker-0', responding: false, logsOffline: 0, samples: [] },
        { thread: 'worker-3', responding: true, logsOffline: 1, samples: [SAMPLE] },
      ],
    ]);
  });

  it('answers at once if there are none', () => {
    const reports: (readonly ThreadReport[])[] = [];
    inspectWorkers(new Map(), 'none', (result) => reports.push(result));
    expect(reports).toEqual([[]]);
  });
});
