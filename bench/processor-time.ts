// CPU and memory of other processes, from Linux's /proc (proc(5)). Elsewhere there is no such thing: the readers return null.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { CpuSeconds } from './metrics.js';

// Fields of /proc/PID/stat, counted from the state, which follows the name in parentheses.
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/** User and system time of all threads of a process, ended ones included, from the text of its /proc/PID/stat. */
export function parseProcessStat(text: string, ticksPerSecond: number): CpuSeconds {
  // The name may hold spaces and parentheses of its own.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    user: toCount(fields[USER_TICKS], text) / ticksPerSecond,
    system: toCount(fields[SYSTEM_TICKS], text) / ticksPerSecond,
  };
}

/** A field in kB of /proc/PID/status, as VmRSS or VmHWM, in MiB; null if it is absent. */
export function parseStatusMib(text: string, field: string): number | null {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text);
  return found ? toCount(found[1], text) / 1024 : null;
}

export interface MachineTime {
  /** Seconds of all cores that somebody used. Interrupts are left out: they serve the loopback, for us. */
  readonly busy: number;
  /** Seconds of all cores that have passed. */
  readonly total: number;
}

/** The first line of /proc/stat: user nice system idle iowait irq softirq steal. */
export function parseMachineStat(text: string, ticksPerSecond: number): MachineTime {
  const fields = text.slice(0, text.indexOf('\n')).split(/\s+/).slice(1, 9);
  const [user = 0, nice = 0, system = 0, , , , , steal = 0] = fields.map((field) => toCount(field, text));
  const total = fields.reduce((sum, field) => sum + Number(field), 0);
  return { busy: (user + nice + system + steal) / ticksPerSecond, total: total / ticksPerSecond };
}

function toCount(field: string | undefined, text: string): number {
  if (field === undefined || !/^\d+$/.test(field))
    throw new Error(`Not what proc(5) describes: ${text.slice(0, 200)}`);
  return Number(field);
}

/** Reads the times and memory of processes of this machine. */
export interface ProcReader {
  cpu(pid: number): CpuSeconds;
  /**
   * CPU of all threads that a process has now, to some microseconds, where {@link cpu} is as coarse as a tick: for differences between
   * moments at which the process has nothing to do. null if the kernel does not tell.
   */
  threadsSeconds(pid: number): number | null;
  memoryMib(pid: number, field: 'VmRSS' | 'VmHWM'): number;
  machine(): MachineTime;
}

/** The first number is the time that the thread had a core, in nanoseconds. */
function threadSeconds(path: string): number {
  try {
    const text = readFileSync(path, 'utf8');
    return toCount(text.split(' ', 1)[0], text) / 1e9;
  } catch (error) {
    // It ended since the list was read.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return 0;
    throw error;
  }
}

/** Null where there is no /proc as Linux has it. */
export function procReader(): ProcReader | null {
  if (process.platform !== 'linux') return null;
  const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const read = (path: string) => readFileSync(path, 'utf8');
  return {
    cpu: (pid) => parseProcessStat(read(`/proc/${pid}/stat`), ticksPerSecond),
    threadsSeconds(pid) {
      if (!existsSync(`/proc/${pid}/schedstat`)) return null;
      const threads = readdirSync(`/proc/${pid}/task`);
      return threads.reduce((sum, thread) => sum + threadSeconds(`/proc/${pid}/task/${thread}/schedstat`), 0);
    },
    memoryMib(pid, field) {
      const mib = parseStatusMib(read(`/proc/${pid}/status`), field);
      if (mib === null) throw new Error(`/proc/${pid}/status has no ${field}: the process has ended.`);
      return mib;
    },
    machine: () => parseMachineStat(read('/proc/stat'), ticksPerSecond),
  };
}
