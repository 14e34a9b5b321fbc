import { setTimeout as wait } from 'node:timers/promises';
import { JobProcess } from '../child-process.js';
import type { PumpResult } from '../job.js';
import type { Metrics } from '../metrics.js';
import type { Suite } from '../suite.js';

const PUMP_DEADLINE_MS = 60_000;

/** A broker with an empty data directory; beside it a Node process that only listens. */
export const startupSuite: Suite = {
  name: 'startup',
  rows: ['startup'],
  startsBrokers: true,
  async broker(ground) {
    const broker = await ground.startBroker();
    try {
      await wait(ground.options.idleSeconds * 1000);
      const { readyMs, helloMs } = broker;
      const idle: Metrics = ground.proc ? { idleRssMib: ground.proc.memoryMib(broker.pid, 'VmRSS') } : {};
      return { startup: { metrics: { readyMs, helloMs, ...idle }, bytes: 0, records: 0, others: null } };
    } finally {
      await broker.stop();
    }
  },
  async pump(ground) {
    const startMs = performance.now();
    const pump = new JobProcess<PumpResult>('pump', { type: 'idle' }, PUMP_DEADLINE_MS);
    try {
      await pump.port;
      const readyMs = performance.now() - startMs;
      await wait(ground.options.idleSeconds * 1000);
      const idle: Metrics = ground.proc ? { idleRssMib: ground.proc.memoryMib(pump.pid, 'VmRSS') } : {};
      await pump.finish();
      return { startup: { metrics: { readyMs, ...idle }, bytes: 0, records: 0, others: null } };
    } finally {
      pump.kill();
    }
  },
};
