import { describe, expect, it } from 'vitest';
import { comparisonTable, conclusion, judge } from '../../bench/comparison.js';
import type { Metrics } from '../../bench/metrics.js';
import { RowReport } from '../../bench/report.js';

const times = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);

/** A row with one metric, whose rounds have these ratios. */
function rowOf(row: string, metric: keyof Metrics, ratios: readonly number[]): RowReport {
  const report = new RowReport(row, 'base');
  const turn = (value: number) => ({ metrics: { [metric]: value }, bytes: 1, records: 1, others: 0 });
  for (const ratio of ratios) {
    report.add('broker', turn(10 * ratio));
    report.add('base', turn(10));
  }
  return report;
}

describe('judge', () => {
  it('calls what leans to one side in seven rounds better or worse, as the metric has it', () => {
    expect(judge('mibPerSecond', times(7, 1.01)).verdict).toBe('better');
    expect(judge('mibPerSecond', times(7, 0.99)).verdict).toBe('worse');
    expect(judge('cpuSecondsPerGb', times(7, 0.99))).toEqual({ verdict: 'better', probability: 1 / 64 });
    expect(judge('p99Ms', times(7, 1.5)).verdict).toBe('worse');
  });

  it('takes one round on the other side for noise, however far the median is', () => {
    expect(judge('mibPerSecond', [...times(6, 2), 0.9]).verdict).toBe('noise');
    expect(judge('mibPerSecond', [...times(6, 2), 1]).verdict).toBe('noise');
  });

  it('bears a round or two on the other side if there are more rounds', () => {
    expect(judge('mibPerSecond', [...times(9, 1.2), 0.95, 0.9]).verdict).toBe('better');
    expect(judge('mibPerSecond', [...times(6, 1.2), ...times(5, 0.9)]).verdict).toBe('noise');
  });

  it('takes a ratio of 0 for the farthest', () => {
    expect(judge('cpuSecondsPerGb', [...times(6, 0.9), 0]).verdict).toBe('better');
    expect(judge('cpuSecondsPerGb', [...times(6, 1.1), 0]).verdict).toBe('noise');
  });

  it('weighs a ratio and its inverse alike', () => {
    expect(judge('mibPerSecond', [2, 0.5, 4, 0.25, 8, 0.125, 1]).probability).toBe(1);
  });

  it('says nothing with too few rounds, and of metrics that are neither good nor bad', () => {
    expect(judge('mibPerSecond', times(6, 5)).verdict).toBe('too few rounds');
    expect(judge('mibPerSecond', []).verdict).toBe('too few rounds');
    expect(judge('loadCores', times(20, 5)).verdict).toBe('not judged');
  });
});

describe('comparisonTable', () => {
  it('has a line per metric with both medians, the ratios and the verdict', () => {
    const slower = rowOf('produce', 'mibPerSecond', [0.5, 0.6, 0.7, 0.5, 0.6, 0.7, 0.6]);
    const same = rowOf('latency', 'p50Ms', [0.9, 1.1, 1, 1.2, 0.8, 1.1, 0.9]);
    expect(comparisonTable([slower, same], false)).toBe(
      [
        'row             candidate  base  candidate ÷ base            verdict',
        'produce  6.00 [5.00–7.00]  10.0  0.60 [0.50–0.70]  ↑ MiB/s   WORSE',
        'latency  10.0 [8.00–12.0]  10.0  1.00 [0.80–1.20]  ↓ ms p50',
        '',
      ].join('\n'),
    );
  });
});

describe('conclusion', () => {
  it('counts what is beyond the noise, and how much chance makes of it', () => {
    const reports = [
      rowOf('a', 'mibPerSecond', times(7, 0.5)),
      rowOf('b', 'mibPerSecond', times(7, 2)),
      rowOf('c', 'p50Ms', times(7, 0.5)),
      ...Array.from({ length: 7 }, () => rowOf('d', 'p50Ms', [2, 0.5, 2, 0.5, 2, 0.5, 1])),
      rowOf('e', 'loadCores', times(7, 2)),
    ];
    expect(conclusion(reports)).toBe(
      'Beyond the noise: 2 better, 1 worse, of 10 ratios; by chance 0.2 would be, were the builds equal. Measure again what matters.\n',
    );
  });

  it('asks for as many rounds as it takes', () => {
    expect(conclusion([rowOf('a', 'p50Ms', [1, 2])])).toBe(
      '1 ratios have too few rounds to be told from noise: it takes 7 at least.\n',
    );
    expect(conclusion([])).toBe('');
  });
});
