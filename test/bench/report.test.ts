import { describe, expect, it } from 'vitest';
import type { Metrics } from '../../bench/metrics.js';
import { formatNumber, formatSpread, quietness, RowReport, table } from '../../bench/report.js';

function turn(metrics: Metrics, others: number | null = 0) {
  return { metrics, bytes: 1000, records: 10, others };
}

describe('formatNumber', () => {
  it('keeps the digits that count', () => {
    expect([12345.6, 100, 99.96, 10, 9.994, 0.1, 0.0449, 0].map(formatNumber)).toEqual([
      '12,346',
      '100',
      '100.0',
      '10.0',
      '9.99',
      '0.10',
      '0.045',
      '0.000',
    ]);
  });
});

describe('formatSpread', () => {
  it('shows the extremes only if there are any', () => {
    expect(formatSpread({ median: 2, min: 1, max: 4 })).toBe('2.00 [1.00–4.00]');
    expect(formatSpread({ median: 2, min: 2, max: 2 })).toBe('2.00');
  });
});

describe('RowReport', () => {
  it("takes ratios within the rounds, not of the sides' medians", () => {
    const report = new RowReport('produce');
    for (const [broker, pump] of [
      [100, 200],
      [300, 400],
      [500, 250],
    ] as const) {
      report.add('broker', turn({ mibPerSecond: broker }));
      report.add('pump', turn({ mibPerSecond: pump }));
    }
    expect(report.metrics).toEqual([
      { metric: 'mibPerSecond', broker: [100, 300, 500], other: [200, 400, 250], ratio: [0.5, 0.75, 2] },
    ]);
    expect(report.moved).toEqual({ bytes: 3000, records: 30 });
  });

  it('takes the other side that it is told', () => {
    const report = new RowReport('produce', 'base');
    report.add('broker', turn({ p50Ms: 1 }, 0.1));
    report.add('base', turn({ p50Ms: 4 }, 0.5));
    expect(report.metrics).toEqual([{ metric: 'p50Ms', broker: [1], other: [4], ratio: [0.25] }]);
    expect(report.others).toEqual([0.1, 0.5]);
  });

  it('leaves out what was measured of the pump only', () => {
    const report = new RowReport('produce');
    report.add('broker', turn({ mibPerSecond: 1 }));
    report.add('pump', turn({ mibPerSecond: 1, p50Ms: 3 }));
    expect(report.metrics.map(({ metric }) => metric)).toEqual(['mibPerSecond']);
  });

  it('is quiet only if every turn was', () => {
    const report = new RowReport('produce');
    report.add('broker', turn({}, 0.25));
    report.add('pump', turn({}, null));
    expect(report.isQuiet).toBe(true);
    report.add('broker', turn({}, 0.26));
    expect(report.isQuiet).toBe(false);
  });
});

describe('table', () => {
  it('has a line per metric, the name on the first, and marks what was disturbed', () => {
    const produce = new RowReport('produce');
    produce.add('broker', turn({ mibPerSecond: 50, cpuSecondsPerGb: 2 }, 0.5));
    produce.add('pump', turn({ mibPerSecond: 200, cpuSecondsPerGb: 0.5 }));
    const client = new RowReport('client');
    client.add('broker', turn({ recordsPerSecond: 123456 }));
    client.add('broker', turn({ recordsPerSecond: 123458 }));
    expect(table([produce, client], false)).toBe(
      [
        'row                           broker  pump  broker ÷ pump',
        'produce ~                       50.0   200           0.25  ↑ MiB/s',
        '                                2.00  0.50           4.00  ↓ CPU s/GB',
        'client     123,457 [123,456–123,458]                       ↑ records/s',
        '',
      ].join('\n'),
    );
  });
});

describe('quietness', () => {
  it('says how much others had, and what the mark means if there is one', () => {
    const quiet = new RowReport('a');
    quiet.add('broker', turn({}, 0.02));
    expect(quietness([quiet])).toBe(
      'Other programs had 2 % of the machine (median of the turns), at most 2 %.\n',
    );
    const loud = new RowReport('b');
    loud.add('broker', turn({}, 0.4));
    expect(quietness([quiet, loud])).toContain('at most 40 %.\n~ marks rows with a turn above 25 %');
  });

  it('says nothing where it is not known', () => {
    const unknown = new RowReport('a');
    unknown.add('broker', turn({}, null));
    expect(quietness([unknown])).toBe('');
  });
});
