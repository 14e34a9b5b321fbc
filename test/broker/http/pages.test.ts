import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { Page } from '../../../src/broker/http/http-door.js';
import { type BrokerState, pagesOf } from '../../../src/broker/http/pages.js';
import type { Inspected } from '../../../src/broker/inspect-workers.js';
import type { InspectDetail } from '../../../src/partition/messages.js';

const HEALTHY: Inspected = {
  type: 'inspected',
  threads: [
    { thread: 'supervisor', responding: true, logsOffline: 0, samples: [] },
    {
      thread: 'worker-0',
      responding: true,
      logsOffline: 0,
      samples: [{ metric: 'odradek_partitions_open', labels: ['worker-0'], value: 5 }],
    },
  ],
  recovering: 0,
  recoveringBytes: 0,
  directories: [{ path: '/data', full: false, offline: null, partitions: 5 }],
};

function scene(state: Partial<BrokerState> = {}) {
  const clock = new SimulatedClock();
  const asked: InspectDetail[] = [];
  let answer: Inspected | null = HEALTHY;
  const pages = pagesOf({
    failure: () => null,
    obstacle: () => null,
    inspect: async (detail) => {
      asked.push(detail);
      return answer;
    },
    sources: () => [{ samples: () => [{ metric: 'odradek_topics', labels: [], value: 2 }] }],
    perPartition: () => true,
    highWatermark: () => null,
    clock,
    ...state,
  });
  const get = async (path: string, accept = '*/*'): Promise<Page> => {
    const page = pages.get(path);
    if (!page) throw new Error(`no page ${path}`);
    return page(accept);
  };
  return {
    clock,
    asked,
    answer: (next: Inspected | null) => {
      answer = next;
    },
    ready: async () => {
      const { status, body } = await get('/health/ready');
      return { status, body: JSON.parse(String(body)) as unknown };
    },
    metrics: async (accept?: string) => {
      const { contentType, body } = await get('/metrics', accept);
      return { contentType, lines: Buffer.from(body).toString().split('\n') };
    },
    get,
  };
}

describe('/health/ready', () => {
  it('asks the threads once a second, whoever asks', async () => {
    const { ready, asked, clock, answer } = scene();
    for (let i = 0; i < 100; i++) expect(await ready()).toEqual({ status: 200, body: { ready: true } });
    expect(asked).toEqual(['none']);
    answer(null);
    clock.advance(1000);
    expect(await ready()).toEqual({
      status: 503,
      body: { ready: false, reason: 'the supervisor does not answer' },
    });
    expect(asked).toEqual(['none', 'none']);
  });

  it('says at once when the broker starts or stops, and asks nobody', async () => {
    let obstacle: string | null = 'the broker is starting';
    const { ready, asked } = scene({ obstacle: () => obstacle });
    expect(await ready()).toEqual({ status: 503, body: { ready: false, reason: 'the broker is starting' } });
    expect(asked).toEqual([]);
    obstacle = null;
    expect((await ready()).status).toBe(200);
    obstacle = 'the broker is stopping';
    expect((await ready()).status).toBe(503);
    expect(asked).toEqual(['none']);
  });
});

describe('/health/live', () => {
  it('tells whether the broker can go on', async () => {
    expect((await scene().get('/health/live')).status).toBe(200);
    const dead = await scene({ failure: () => 'the supervisor died' }).get('/health/live');
    expect(dead).toMatchObject({ status: 503, body: '{"live":false,"reason":"the supervisor died"}\n' });
  });
});

describe('/metrics', () => {
  it('has what all threads counted', async () => {
    const { lines } = await scene().metrics();
    expect(lines).toEqual(
      expect.arrayContaining([
        'odradek_ready 1',
        'odradek_topics 2',
        'odradek_partitions_open{thread="worker-0"} 5',
        'odradek_thread_responding{thread="main"} 1',
        'odradek_logs_offline{thread="worker-0"} 0',
        'odradek_thread_responding{thread="supervisor"} 1',
        'odradek_thread_responding{thread="worker-0"} 1',
      ]),
    );
  });

  it('shows a thread that does not answer, and what the others say', async () => {
    const { metrics, answer } = scene();
    const stuck = { thread: 'worker-1', responding: false, logsOffline: 0, samples: [] };
    answer({ ...HEALTHY, threads: [...HEALTHY.threads, stuck] });
    const { lines } = await metrics();
    expect(lines).toContain('odradek_thread_responding{thread="worker-1"} 0');
    expect(lines).toContain('odradek_partitions_open{thread="worker-0"} 5');
    expect(lines).toContain('odradek_ready 0');
  });

  it('has what the main thread counted if the supervisor does not answer', async () => {
    const { metrics, answer } = scene();
    answer(null);
    const { lines } = await metrics();
    expect(lines).toContain('odradek_thread_responding{thread="supervisor"} 0');
    expect(lines).toContain('odradek_topics 2');
  });

  it('asks for each partition only where there are not too many', async () => {
    const few = scene();
    await few.metrics();
    expect(few.asked).toEqual(['partitions']);
    const many = scene({ perPartition: () => false });
    await many.metrics();
    expect(many.asked).toEqual(['totals']);
  });

  it('is made once a second for all who scrape', async () => {
    const { metrics, asked, clock } = scene();
    await Promise.all(Array.from({ length: 100 }, () => metrics()));
    expect(asked).toHaveLength(1);
    clock.advance(1000);
    await metrics();
    expect(asked).toHaveLength(2);
  });

  it('speaks OpenMetrics to whoever asks for it', async () => {
    const { metrics } = scene();
    const open = await metrics('application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
    expect(open.contentType).toContain('application/openmetrics-text');
    expect(open.lines.slice(-2)).toEqual(['# EOF', '']);
    expect((await metrics()).contentType).toContain('text/plain; version=0.0.4');
  });
});
