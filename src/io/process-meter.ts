// What the process as a whole costs.
import { readdirSync, readFileSync } from 'node:fs';
import { type MetricsSource, metric, type Sample, sample } from '../base/metric.js';

export const PROCESS_METRICS = {
  cpu: metric({
    name: 'odradek_process_cpu_seconds_total',
    type: 'counter',
    help: 'CPU time of the whole process, with helper threads and garbage collection; by mode: user or system.',
    labels: ['mode'],
  }),
  resident: metric({
    name: 'odradek_process_resident_memory_bytes',
    type: 'gauge',
    help: 'Memory of the process that lies in RAM. The write and read buffers count as far as they were ever used.',
    labels: [],
  }),
  openFiles: metric({
    name: 'odradek_process_open_files',
    type: 'gauge',
    help: 'Open file descriptors: connections, segments and their indexes. Missing where /proc is.',
    labels: [],
  }),
  openFilesMax: metric({
    name: 'odradek_process_open_files_max',
    type: 'gauge',
    help: 'How many file descriptors the process may open (LimitNOFILE, ulimit -n). Missing where /proc is.',
    labels: [],
  }),
  started: metric({
    name: 'odradek_process_start_time_seconds',
    type: 'gauge',
    help: 'When the process started, in seconds since 1970.',
    labels: [],
  }),
} as const;

export class ProcessMeter implements MetricsSource {
  readonly #startedSeconds = (Date.now() - performance.now()) / 1000;

  samples(): readonly Sample[] {
    const { user, system } = process.cpuUsage();
    return [
      sample(PROCESS_METRICS.cpu, ['user'], user / 1e6),
      sample(PROCESS_METRICS.cpu, ['system'], system / 1e6),
      sample(PROCESS_METRICS.resident, [], process.memoryUsage.rss()),
      sample(PROCESS_METRICS.started, [], this.#startedSeconds),
      ...openFiles(),
    ];
  }
}

function openFiles(): Sample[] {
  try {
    const open = readdirSync('/proc/self/fd').length;
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return [
      sample(PROCESS_METRICS.openFiles, [], open),
      ...(limit === undefined ? [] : [sample(PROCESS_METRICS.openFilesMax, [], Number(limit))]),
    ];
  } catch {
    return []; // Not Linux: the metrics are documented to be missing then.
  }
}
