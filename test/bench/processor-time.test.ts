import { describe, expect, it } from 'vitest';
import {
  parseMachineStat,
  parseProcessStat,
  parseStatusMib,
  procReader,
} from '../../bench/processor-time.js';

describe('parseProcessStat', () => {
  it('finds the times behind a name with spaces and parentheses', () => {
    const text = '42 (a (node) 1) S 1 42 42 0 -1 4194304 100 200 3 4 1234 567 8 9 20 0 11 0 5000 0 0';
    expect(parseProcessStat(text, 100)).toEqual({ user: 12.34, system: 5.67 });
  });

  it('refuses what is no such line', () => {
    expect(() => parseProcessStat('42 (node) S 1 2', 100)).toThrow('proc(5)');
  });
});

describe('parseStatusMib', () => {
  const text = 'Name:\tnode\nVmHWM:\t    2048 kB\nVmRSS:\t    1536 kB\n';

  it('reads a field in MiB', () => {
    expect(parseStatusMib(text, 'VmHWM')).toBe(2);
    expect(parseStatusMib(text, 'VmRSS')).toBe(1.5);
  });

  it('has none for a field that is absent, as in a zombie', () => {
    expect(parseStatusMib('Name:\tnode\nState:\tZ\n', 'VmRSS')).toBeNull();
  });
});

describe('parseMachineStat', () => {
  it('counts user, nice, system and steal as busy, but not waiting and interrupts', () => {
    const text = 'cpu  100 10 200 5000 30 4 6 50 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n';
    expect(parseMachineStat(text, 100)).toEqual({ busy: 3.6, total: 54 });
  });
});

describe.runIf(process.platform === 'linux')('procReader', () => {
  it('agrees with what Node says of this process', () => {
    const reader = procReader();
    if (!reader) throw new Error('Linux has /proc.');
    const { user, system } = process.cpuUsage();
    const { user: userSeconds, system: systemSeconds } = reader.cpu(process.pid);
    expect(userSeconds + systemSeconds).toBeGreaterThan((user + system) / 1e6 - 0.1);
    expect(reader.threadsSeconds(process.pid) ?? Number.NaN).toBeGreaterThan(0);
    const nowMib = reader.memoryMib(process.pid, 'VmRSS');
    expect(reader.memoryMib(process.pid, 'VmHWM')).toBeGreaterThanOrEqual(nowMib);
    const { busy, total } = reader.machine();
    expect(busy).toBeGreaterThan(0);
    expect(total).toBeGreaterThanOrEqual(busy);
  });
});
