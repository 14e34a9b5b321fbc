import type { LoadResult } from '../job.js';

/** Runs `work` and adds what it took of time and of this process's CPU to its result. */
export async function measured(
  work: () => Promise<
    Pick<LoadResult, 'bytes' | 'records' | 'latency' | 'broker' | 'brokerSeconds' | 'requests'>
  >,
): Promise<LoadResult> {
  const startMs = performance.now();
  const cpuAtStart = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(cpuAtStart);
  const seconds = (performance.now() - startMs) / 1000;
  // The system counts it in KiB.
  const peakRssMib = process.resourceUsage().maxRSS / 1024;
  return { ...result, seconds, userSeconds: user / 1e6, systemSeconds: system / 1e6, peakRssMib };
}

/** Runs `run` with a means to make it fail from a callback. */
export function failing<Value>(run: (fail: (error: unknown) => void) => Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    run(reject).then(resolve, reject);
  });
}
