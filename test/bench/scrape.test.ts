import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scrape, scrapeByLabel } from '../../bench/scrape.js';

const PAGE = [
  '# HELP heap Of a thread.',
  'heap{thread="main"} 10',
  'heap{zone="old",thread="worker-0"} 20',
  'heap{zone="new",thread="worker-0"} 5',
  'heap{zone="old"} 100',
  'heap_total{thread="main"} 1000',
  'plain 7.5',
  '',
].join('\n');

describe('scrape', () => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/metrics' ? 200 : 404;
    response.end(PAGE);
  });
  let port = 0;
  beforeAll(
    () =>
      new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', () => {
          port = (server.address() as AddressInfo).port;
          resolve();
        });
      }),
  );
  afterAll(() => server.close());

  it('adds all series of a metric, and no others', async () => {
    expect(await scrape(port, 'heap')).toBe(135);
    expect(await scrape(port, 'plain')).toBe(7.5);
    expect(await scrape(port, 'none')).toBe(0);
  });

  it('adds series by the value of a label', async () => {
    expect([...(await scrapeByLabel(port, 'heap', 'thread'))]).toEqual([
      ['main', 10],
      ['worker-0', 25],
    ]);
  });
});
