// What a thread costs and how quickly its event loop turns, measured by the thread itself.
import { readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { LatencyCounts } from '../base/latency-counts.js';
import { histogramValue, type MetricsSource, metric, type Sample, sample } from '../base/metric.js';

export const THREAD_METRICS = {
  cpu: metric({
    name: 'odradek_thread_cpu_seconds_total',
    type: 'counter',
    help: 'CPU time that the thread has used. Its rate is the part of a core that it keeps busy: a thread near 1 is a bottleneck. Missing where neither Node (23.9) nor Linux tells it.',
    labels: ['thread'],
  }),
  loopActive: metric({
    name: 'odradek_thread_event_loop_active_seconds_total',
    type: 'counter',
    help: 'Time that the event loop of the thread was not waiting for work. Its rate is the utilisation of the loop, from 0 to 1.',
    labels: ['thread'],
  }),
  loopDelay: metric({
    name: 'odradek_thread_event_loop_delay_seconds',
    type: 'histogram',
    help: 'By how much timers of the thread fired too late, looked at ten times a second from the first scrape on. Whatever the thread does waits for so long.',
    labels: ['thread'],
  }),
  heap: metric({
    name: 'odradek_thread_heap_bytes',
    type: 'gauge',
    help: 'JavaScript heap of the thread that is in use, garbage included.',
    labels: ['thread'],
  }),
} as const;

const TICK_MS = 100;
/** On Linux, the calling thread; reading the file happens on it. The first number is its CPU time in nanoseconds. */
const CPU_FILE = '/proc/thread-self/schedstat';

/** Measures the thread that calls it. */
export class ThreadMeter implements MetricsSource {
  readonly #thread: string;
  readonly #heldMs: () => number;
  readonly #delays = new LatencyCounts();
  #ticking = false;
  #cpuFileMissing = false;

  /**
   * `thread` is the label by which operators know the thread; `heldMs` says how long it waited for work beside its event loop, which takes
   * that for activity.
   */
  constructor(thread: string, heldMs: () => number = () => 0) {
    this.#thread = thread;
    this.#heldMs = heldMs;
  }

  samples(): readonly Sample[] {
    // A broker that nobody scrapes does not wake up for this.
    if (!this.#ticking) this.#tick(performance.now());
    this.#ticking = true;
    const labels = [this.#thread] as const;
    const { active } = performance.eventLoopUtilization();
    const cpu = this.#cpuSeconds();
    return [
      ...(cpu === null ? [] : [sample(THREAD_METRICS.cpu, labels, cpu)]),
      sample(THREAD_METRICS.loopActive, labels, (active - this.#heldMs()) / 1000),
      sample(THREAD_METRICS.loopDelay, labels, histogramValue(this.#delays)),
      sample(THREAD_METRICS.heap, labels, getHeapStatistics().used_heap_size),
    ];
  }

  #tick(sinceMs: number): void {
    setTimeout(() => {
      const nowMs = performance.now();
      this.#delays.record(nowMs - sinceMs - TICK_MS);
      this.#tick(nowMs);
    }, TICK_MS).unref();
  }

  #cpuSeconds(): number | null {
    if ('threadCpuUsage' in process && typeof process.threadCpuUsage === 'function') {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1e6;
    }
    if (this.#cpuFileMissing) return null;
    try {
      return Number(readFileSync(CPU_FILE, 'utf8').split(' ', 1)[0]) / 1e9;
    } catch {
      this.#cpuFileMissing = true; // Not Linux, or /proc is hidden: the metric is documented to be missing then.
      return null;
    }
  }
}
