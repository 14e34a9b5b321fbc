import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseOptions } from '../../bench/options.js';
import { run, turnCount } from '../../bench/run.js';
import type { Side, Suite, Turns } from '../../bench/suite.js';

const silent = { doing: () => {}, say: () => {}, done: () => {}, stop: () => {} };

/** A suite that notes its turns in `log` and measures the number of the turn. */
function countingSuite(name: string, log: string[], broken = false): Suite {
  let turns = 0;
  const take =
    (side: Side) =>
    async (_: unknown, share: number): Promise<Turns> => {
      log.push(`${name} ${side} ${share}`);
      if (broken) throw new Error('out of order');
      const turn = { metrics: { mibPerSecond: ++turns }, bytes: 1, records: 0, others: null };
      return { [`${name}.a`]: turn, [`${name}.b`]: turn };
    };
  const rows = [`${name}.a`, `${name}.b`];
  return { name, rows, startsBrokers: true, broker: take('broker'), pump: take('pump') };
}

describe('run', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const runSuites = (suites: Suite[], rows: string[], turnOver: (...turn: unknown[]) => void = () => {}) =>
    run({
      options: parseOptions(['node', 'bench', '--rounds', '2']),
      suites,
      rows: new Set(rows),
      folder,
      proc: null,
      progress: silent,
      turnOver,
    });

  it('warms up, then alternates between broker and pump', async () => {
    const log: string[] = [];
    const { reports } = await runSuites([countingSuite('x', log)], ['x.a']);
    expect(log).toEqual(['x broker 0.25', 'x pump 0.25', 'x broker 1', 'x pump 1', 'x broker 1', 'x pump 1']);
    expect(reports.map(({ row, metrics }) => ({ row, metrics }))).toEqual([
      {
        row: 'x.a',
        metrics: [{ metric: 'mibPerSecond', broker: [3, 5], other: [4, 6], ratio: [0.75, 5 / 6] }],
      },
    ]);
  });

  it('tells about each turn of each wanted row, but not about the warm-up', async () => {
    const told: unknown[] = [];
    await runSuites([countingSuite('x', [])], ['x.a', 'x.b'], (row, round, side) =>
      told.push([row, round, side]),
    );
    expect(told.slice(0, 5)).toEqual([
      ['x.a', 1, 'broker'],
      ['x.b', 1, 'broker'],
      ['x.a', 1, 'pump'],
      ['x.b', 1, 'pump'],
      ['x.a', 2, 'broker'],
    ]);
    expect(told).toHaveLength(8);
  });

  it('goes on with the next suite if one fails, and leaves nothing behind', async () => {
    const suites = [countingSuite('x', [], true), countingSuite('y', [])];
    const { reports, failed } = await runSuites(suites, ['x.a', 'y.a']);
    expect(failed).toEqual([{ suite: 'x', reason: 'out of order' }]);
    expect(reports.map(({ row }) => row)).toEqual(['y.a']);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('counts the turns of both sides, and of the broker where there is no pump', () => {
    expect(turnCount([countingSuite('x', []), { ...countingSuite('y', []), pump: null }], 5)).toBe(15);
  });
});
