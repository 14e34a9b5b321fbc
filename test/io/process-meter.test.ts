import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PROCESS_METRICS, ProcessMeter } from '../../src/io/process-meter.js';

const measured = (name: string, label?: string): number => {
  const found = new ProcessMeter()
    .samples()
    .find(({ metric, labels }) => metric === name && (label === undefined || labels[0] === label));
  return Number(found?.value);
};

describe('ProcessMeter', () => {
  it('tells CPU time, memory and the start', () => {
    expect(measured(PROCESS_METRICS.cpu.name, 'user')).toBeGreaterThan(0);
    expect(measured(PROCESS_METRICS.cpu.name, 'system')).toBeGreaterThanOrEqual(0);
    expect(measured(PROCESS_METRICS.resident.name)).toBeGreaterThan(10_000_000);
    const startedMs = measured(PROCESS_METRICS.started.name) * 1000;
    expect(Math.abs(startedMs - (Date.now() - process.uptime() * 1000))).toBeLessThan(60_000);
  });

  it.runIf(process.platform === 'linux')('counts open files, and knows the limit', () => {
    const before = measured(PROCESS_METRICS.openFiles.name);
    const files = Array.from({ length: 50 }, () => openSync('/dev/null', 'r'));
    const open = measured(PROCESS_METRICS.openFiles.name);
    for (const file of files) closeSync(file);
    expect(open).toBeGreaterThanOrEqual(before + 40);
    expect(measured(PROCESS_METRICS.openFilesMax.name)).toBeGreaterThan(open);
  });
});
