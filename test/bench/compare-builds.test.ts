import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Builds, compareBuilds } from '../../bench/compare-builds.js';
import type { Ground } from '../../bench/ground.js';
import { parseOptions } from '../../bench/options.js';
import type { Suite, Turns } from '../../bench/suite.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const silent = { doing: () => {}, say: () => {}, done: () => {}, stop: () => {} };

/** Measures the number of the turn, and has `work` done in each. */
function suiteOf(startsBrokers: boolean, work: (ground: Ground, share: number) => Promise<void>): Suite {
  let turns = 0;
  return {
    ...{ name: 'x', rows: ['x.a'], startsBrokers },
    async broker(ground, share): Promise<Turns> {
      await work(ground, share);
      return { 'x.a': { metrics: { p50Ms: ++turns }, bytes: 1, records: 0, others: null } };
    },
    async pump(): Promise<Turns> {
      throw new Error('A comparison has no pump.');
    },
  };
}

describe('compareBuilds', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const compare = (suite: Suite, builds: Builds, sides: string[] = []) =>
    compareBuilds(
      {
        ...{ suites: [suite], rows: new Set(['x.a']), folder, proc: null, progress: silent },
        options: parseOptions(['node', 'bench', '--against', 'HEAD', '--rounds', '3']),
        turnOver: (_, round, side) => sides.push(`${round} ${side}`),
      },
      builds,
    );

  it('warms each turn up, and lets another side begin in each round', async () => {
    const shares: number[] = [];
    const sides: string[] = [];
    const suite = suiteOf(true, async (_, share) => {
      shares.push(share);
    });
    const { reports, failed } = await compare(suite, { broker: root, base: root }, sides);
    expect(failed).toEqual([]);
    expect(sides).toEqual(['1 broker', '1 base', '2 base', '2 broker', '3 broker', '3 base']);
    expect(shares).toEqual(Array.from({ length: 6 }, () => [0.25, 1]).flat());
    // Every second turn is a warm-up.
    expect(reports.map(({ metrics }) => metrics)).toEqual([
      [{ metric: 'p50Ms', broker: [2, 8, 10], other: [4, 6, 12], ratio: [2 / 4, 8 / 6, 10 / 12] }],
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('starts a new broker of its side for each turn', async () => {
    const pids: number[] = [];
    const suite = suiteOf(false, async ({ broker }) => {
      pids.push(broker.pid);
      expect(existsSync(broker.dataDirectory)).toBe(true);
    });
    const absent = join(folder, 'no-such-build');
    const { reports, failed } = await compare(suite, { broker: root, base: absent });
    expect(new Set(pids).size).toBe(1);
    expect(pids).toHaveLength(2);
    expect(reports.map(({ metrics }) => metrics.map(({ broker }) => broker))).toEqual([[[2]]]);
    expect(failed.map(({ suite }) => suite)).toEqual(['x']);
    expect(failed[0]?.reason).toMatch(/^base: /);
    expect(failed[0]?.reason).toContain(absent);
  });
});
