// What is measured. One row of numbers per turn: a metric that could not be measured (no /proc, no pump) is absent.

import type { LoadResult } from './job.js';

interface Metric {
  readonly unit: string;
  readonly better: 'higher' | 'lower' | 'neither';
}

/** Every metric, in the order of the table. GB is 10^9 bytes, MiB 2^20. */
export const METRICS = {
  mibPerSecond: { unit: 'MiB/s', better: 'higher' },
  recordsPerSecond: { unit: 'records/s', better: 'higher' },
  requestsPerSecond: { unit: 'requests/s', better: 'higher' },
  p50Ms: { unit: 'ms p50', better: 'lower' },
  p99Ms: { unit: 'ms p99', better: 'lower' },
  lateP50Ms: { unit: 'ms p50 sent late', better: 'neither' },
  cpuSecondsPerGb: { unit: 'CPU s/GB', better: 'lower' },
  userSecondsPerGb: { unit: 'user s/GB', better: 'lower' },
  systemSecondsPerGb: { unit: 'sys s/GB', better: 'lower' },
  cpuMicrosPerRequest: { unit: 'CPU µs/request', better: 'lower' },
  userMicrosPerRequest: { unit: 'user µs/request', better: 'lower' },
  systemMicrosPerRequest: { unit: 'sys µs/request', better: 'lower' },
  recordsPerRequest: { unit: 'records/request', better: 'neither' },
  coreShare: { unit: '% of a core', better: 'lower' },
  syncsPerSecond: { unit: 'fdatasync/s', better: 'neither' },
  requestsPerSync: { unit: 'requests/fdatasync', better: 'neither' },
  recordsPerLoadCpuSecond: { unit: 'records/CPU s of the client', better: 'higher' },
  loadUserMicrosPerRecord: { unit: 'client user µs/record', better: 'lower' },
  loadMicrosPerRecord: { unit: 'client CPU µs/record', better: 'lower' },
  loadCores: { unit: 'cores busy with load', better: 'neither' },
  readyMs: { unit: 'ms to ready', better: 'lower' },
  helloMs: { unit: 'ms to first answer', better: 'lower' },
  offsetsMs: { unit: 'ms to all offsets', better: 'lower' },
  seconds: { unit: 's', better: 'lower' },
  aboveIdleMib: { unit: 'MiB RSS above idle', better: 'lower' },
  keysBoundMib: { unit: 'MiB for keys at most', better: 'neither' },
  recoveredMs: { unit: 'ms to all recovered', better: 'lower' },
  firstUseMs: { unit: 'ms for a first use meanwhile', better: 'lower' },
  recoveryMibPerSecond: { unit: 'MiB/s recovered', better: 'higher' },
  recoveryCpuSeconds: { unit: 'CPU s of the recovery', better: 'lower' },
  cleanReadyMs: { unit: 'ms to ready after a clean stop', better: 'lower' },
  cleanUseMs: { unit: 'ms to use all after a clean stop', better: 'lower' },
  createMs: { unit: 'ms to create', better: 'lower' },
  firstRecordsMs: { unit: 'ms to the first record in each', better: 'lower' },
  secondRecordsMs: { unit: 'ms to another one in each', better: 'lower' },
  openCpuSeconds: { unit: 'CPU s to create and use all', better: 'lower' },
  idleRssMib: { unit: 'MiB RSS idle', better: 'lower' },
  rssPerThousandMib: { unit: 'MiB RSS/1,000 partitions', better: 'lower' },
  mainHeapPerThousandMib: { unit: 'MiB heap/1,000 partitions, main', better: 'lower' },
  supervisorHeapPerThousandMib: { unit: 'MiB heap/1,000 partitions, supervisor', better: 'lower' },
  workersHeapPerThousandMib: { unit: 'MiB heap/1,000 partitions, workers', better: 'lower' },
  peakRssMib: { unit: 'MiB RSS peak', better: 'lower' },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;
export type Metrics = Readonly<Partial<Record<MetricName, number>>>;

export const METRIC_NAMES = Object.keys(METRICS) as readonly MetricName[];

/** CPU of a process, in seconds. */
export interface CpuSeconds {
  readonly user: number;
  readonly system: number;
}

/** The kernel counts the sum to a nanosecond and tells it in ticks; its split into user and system is sampled. */
export function perGb(cpu: CpuSeconds | null, bytes: number): Metrics {
  if (!cpu) return {};
  const gb = bytes / 1e9;
  return {
    cpuSecondsPerGb: (cpu.user + cpu.system) / gb,
    userSecondsPerGb: cpu.user / gb,
    systemSecondsPerGb: cpu.system / gb,
  };
}

export function perRequest(cpu: CpuSeconds | null, requests: number): Metrics {
  if (!cpu) return {};
  return {
    cpuMicrosPerRequest: ((cpu.user + cpu.system) / requests) * 1e6,
    userMicrosPerRequest: (cpu.user / requests) * 1e6,
    systemMicrosPerRequest: (cpu.system / requests) * 1e6,
  };
}

/** What a load generator that is a client took of its own processor. */
export function perRecordOfLoad({
  records,
  userSeconds,
  systemSeconds,
}: Pick<LoadResult, 'records' | 'userSeconds' | 'systemSeconds'>): Metrics {
  const loadSeconds = userSeconds + systemSeconds;
  return {
    recordsPerLoadCpuSecond: records / loadSeconds,
    loadUserMicrosPerRecord: (userSeconds / records) * 1e6,
    loadMicrosPerRecord: (loadSeconds / records) * 1e6,
  };
}

export const MIB = 2 ** 20;
