import { describe, expect, it } from 'vitest';
import { parseBytes, parseOptions } from '../../bench/options.js';

describe('parseBytes', () => {
  it('takes binary units and plain numbers', () => {
    expect([parseBytes('512MiB'), parseBytes('1GiB'), parseBytes('16KiB'), parseBytes('7')]).toEqual([
      536870912, 1073741824, 16384, 7,
    ]);
  });

  it('refuses everything else', () => {
    for (const text of ['', '0', '-1', '1.5MiB', '1MB', 'MiB', '9999999999GiB']) {
      expect(() => parseBytes(text), text).toThrow('Give bytes');
    }
  });
});

describe('parseOptions', () => {
  const parse = (...args: string[]) => parseOptions(['node', 'bench', ...args]);

  it('has amounts for a whole run and small ones for a quick one', () => {
    expect(parse()).toMatchObject({
      rounds: 5,
      bytes: 512 * 2 ** 20,
      only: [],
      jsonFile: null,
      store: false,
    });
    expect(parse('--quick').bytes).toBeLessThan(parse().bytes);
  });

  it('lets single amounts be given, quick or not', () => {
    expect(parse('--quick', '--rounds', '7', '--bytes', '1GiB')).toMatchObject({ rounds: 7, bytes: 2 ** 30 });
  });

  it('splits rows at commas and takes settings one by one', () => {
    const options = parse(
      '--only',
      'startup, produce.16KiB',
      '--only',
      'client',
      '--set',
      'a=1',
      '--set',
      'b=2,3',
    );
    expect(options.only).toEqual(['startup', 'produce.16KiB', 'client']);
    expect(options.brokerSettings).toEqual(['a=1', 'b=2,3']);
  });
});
