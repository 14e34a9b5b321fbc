import type { CpuSeconds } from '../metrics.js';
import { procReader } from '../processor-time.js';

/** Reads the CPU that a process takes from now on; undefined where it cannot be read. */
export function cpuFromNow(pid: number | null): () => CpuSeconds | undefined {
  const reader = pid === null ? null : procReader();
  if (pid === null || reader === null) return () => undefined;
  const before = reader.cpu(pid);
  return () => {
    const { user, system } = reader.cpu(pid);
    return { user: user - before.user, system: system - before.system };
  };
}
