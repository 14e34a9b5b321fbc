import { describe, expect, it } from 'vitest';
import { SUITES, selectRows } from '../../../bench/suites/all.js';

const rowsOf = (...only: string[]) => [...selectRows(SUITES, only).rows];

describe('selectRows', () => {
  it('takes all rows if none is named, each of its own name', () => {
    const all = SUITES.flatMap(({ rows }) => rows);
    expect(rowsOf()).toEqual(all);
    expect(new Set(all).size).toBe(all.length);
  });

  it('takes the names of rows and their beginnings', () => {
    expect(rowsOf('produce.16KiB')).toEqual(['produce.16KiB.p1', 'produce.16KiB.p6']);
    expect(rowsOf('consume.1MiB.p6', 'startup')).toEqual(['startup', 'consume.1MiB.p6']);
    expect(rowsOf('client')).toHaveLength(8);
    expect(rowsOf('latency.1000')).toEqual(['latency.1000']);
  });

  it('takes each suite once, whichever of its rows is wanted', () => {
    expect(selectRows(SUITES, ['produce.1MiB.p1', 'consume.1MiB.p1']).suites.map(({ name }) => name)).toEqual(
      ['throughput.1MiB.p1'],
    );
  });

  it('names the rows there are if one does not exist', () => {
    expect(() => rowsOf('produce', 'prod')).toThrow(/There is no row "prod".*consume\.16KiB\.p1/);
  });
});
