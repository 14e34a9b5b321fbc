import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SERVED } from '../../../src/broker/kafka/served.js';

describe('what the Kafka door serves', () => {
  it('is what docs/kafka-compatibility.md lists', () => {
    const page = readFileSync(new URL('../../../docs/kafka-compatibility.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| (\d+) \| (\w+) \| (\d+)-(\d+) \|/gm)].map((row) =>
      row.slice(1).join(' '),
    );
    const served = SERVED.map(({ api }) =>
      [api.key, api.name, api.advertised.first, api.advertised.last].join(' '),
    );
    expect(rows).toEqual(served);
  });
});
