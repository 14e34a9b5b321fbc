import { describe, expect, it } from 'vitest';
import { LATENCY_BOUNDS_SECONDS, LatencyCounts } from '../../../src/base/latency-counts.js';
import { histogramValue, metric, sample } from '../../../src/base/metric.js';
import { Exposition } from '../../../src/broker/metrics/exposition.js';

const BYTES = metric({ name: 'bytes_total', type: 'counter', help: 'Bytes.\nMore.', labels: ['topic'] });
const OPEN = metric({ name: 'open', type: 'gauge', help: 'Open.', labels: [] });
const DURATION = metric({ name: 'duration_seconds', type: 'histogram', help: 'Time.', labels: ['api'] });
const ROWS = [BYTES, OPEN, DURATION];

describe('Exposition', () => {
  it('writes counters and gauges with their labels, escaped', async () => {
    const exposition = new Exposition(ROWS, 'prometheus');
    const { text, contentType } = await exposition.render([
      sample(BYTES, ['a'], 3),
      sample(OPEN, [], 0.5),
      sample(BYTES, ['b"\\\n'], 4),
    ]);
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text.split('\n').slice(0, 9)).toEqual([
      '# HELP bytes_total Bytes.\\nMore.',
      '# TYPE bytes_total counter',
      'bytes_total{topic="a"} 3',
      'bytes_total{topic="b\\"\\\\\\n"} 4',
      '',
      '# HELP open Open.',
      '# TYPE open gauge',
      'open 0.5',
      '',
    ]);
  });

  it('writes histograms with cumulative buckets', async () => {
    const counts = new LatencyCounts();
    for (const milliseconds of [0.1, 0.15, 0.16, 100_000]) counts.record(milliseconds);
    const { text } = await new Exposition(ROWS, 'prometheus').render([
      sample(DURATION, ['fetch'], histogramValue(counts)),
    ]);
    const lines = text.split('\n').filter((line) => line.startsWith('duration_seconds'));
    expect(lines).toHaveLength(LATENCY_BOUNDS_SECONDS.length + 3);
    expect(lines[0]).toBe('duration_seconds_bucket{le="0.000128",api="fetch"} 1');
    expect(lines[1]).toBe('duration_seconds_bucket{le="0.000192",api="fetch"} 3');
    expect(lines.slice(-3)).toEqual([
      'duration_seconds_bucket{le="+Inf",api="fetch"} 4',
      'duration_seconds_sum{api="fetch"} 100.00041',
      'duration_seconds_count{api="fetch"} 4',
    ]);
  });

  it('writes OpenMetrics', async () => {
    const { text, contentType } = await new Exposition(ROWS, 'openmetrics').render([sample(BYTES, ['a'], 3)]);
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(text).toContain('# TYPE bytes counter\nbytes_total{topic="a"} 3\n');
    expect(text.endsWith('# EOF\n')).toBe(true);
  });

  it('renders one page after the other, each with its own samples, and keeps none', async () => {
    const exposition = new Exposition(ROWS, 'openmetrics');
    const pages = await Promise.all(
      [1, 2, 3].map((value) => exposition.render([sample(BYTES, ['a'], value)])),
    );
    expect(pages.map(({ text }) => /bytes_total\{topic="a"\} (\d)/.exec(text)?.[1])).toEqual(['1', '2', '3']);
    expect((await exposition.render([])).text).not.toContain('topic=');
  });
});
