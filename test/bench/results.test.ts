import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../bench/options.js';
import { RowReport } from '../../bench/report.js';
import { resultLine, storeResults } from '../../bench/results.js';

describe('storeResults', () => {
  const circumstances = {
    time: '2026-03-04T05:06:07.000Z',
    commit: { commit: 'abc', dirty: true },
    base: null,
    node: 'v20.0.0',
    machine: { cpu: 'Z80', cores: 1, memoryGib: 0.1, kernel: 'CP/M 2.2', fileSystem: 'tape' },
    options: parseOptions(['node', 'bench', '--quick']),
  };

  it('appends a line per row with every value and where it comes from', () => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-'));
    try {
      const report = new RowReport('produce.1MiB.p1');
      for (const [broker, pump] of [
        [1, 2],
        [2, 1 / 3],
      ] as const) {
        report.add('broker', { metrics: { mibPerSecond: broker }, bytes: 5, records: 1, others: 0.1 });
        report.add('pump', { metrics: { mibPerSecond: pump }, bytes: 5, records: 0, others: null });
      }
      const path = storeResults(join(folder, 'results'), [report], circumstances);
      storeResults(join(folder, 'results'), [report, report], circumstances);
      expect(basename(path)).toBe('2026-03.ndjson');
      const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
      expect(lines).toHaveLength(3);
      expect(JSON.parse(lines[2] ?? '')).toMatchObject({
        row: 'produce.1MiB.p1',
        time: '2026-03-04T05:06:07.000Z',
        commit: 'abc',
        dirty: true,
        node: 'v20.0.0',
        cpu: 'Z80',
        fileSystem: 'tape',
        moved: { bytes: 10, records: 2 },
        others: [0.1, 0.1],
        metrics: {
          mibPerSecond: {
            broker: { median: 1.5, values: [1, 2] },
            pump: { median: 1.16667, values: [2, 0.333333] },
            ratio: { median: 3.25, values: [0.5, 6] },
          },
        },
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names the commit that stands beside it, and what the ratios say', () => {
    const report = new RowReport('requests', 'base');
    for (const base of [2, 3, 4, 5, 6, 7, 8]) {
      report.add('broker', { metrics: { p50Ms: base / 2 }, bytes: 5, records: 1, others: null });
      report.add('base', { metrics: { p50Ms: base }, bytes: 5, records: 1, others: null });
    }
    const base = { commit: 'def', dirty: false };
    expect(JSON.parse(resultLine(report, { ...circumstances, base }))).toMatchObject({
      commit: 'abc',
      base,
      metrics: {
        p50Ms: {
          broker: { median: 2.5 },
          base: { median: 5, values: [2, 3, 4, 5, 6, 7, 8] },
          ratio: { median: 0.5 },
          verdict: 'better',
          probability: 1 / 64,
        },
      },
    });
  });
});
