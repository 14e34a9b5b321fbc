import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseBytes, parseOptions } from '../../bench/options.js';
import { SUITES, selectRows } from '../../bench/suites/all.js';

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

  it('compares with another commit in more rounds, and with few rows if it need only be quick', () => {
    expect(parse('--against', 'HEAD~1')).toMatchObject({
      against: 'HEAD~1',
      candidate: null,
      rounds: 8,
      only: [],
    });
    expect(parse('--against', 'v1', '--candidate', 'v2', '--rounds', '11')).toMatchObject({
      against: 'v1',
      candidate: 'v2',
      rounds: 11,
    });
    const quick = parse('--against', 'HEAD', '--quick');
    expect(quick.rounds).toBe(parse('--quick').rounds);
    expect(quick.only.length).toBeGreaterThan(0);
    expect(() => selectRows(SUITES, quick.only)).not.toThrow();
    expect(parse('--against', 'HEAD', '--quick', '--only', 'latency').only).toEqual(['latency']);
  });

  describe('that make no sense', () => {
    afterEach(() => {
      vi.restoreAllMocks();
    });

    it.each([
      { args: ['--candidate', 'HEAD'], reason: '--candidate needs --against' },
      { args: ['--quick', '--results'], reason: 'leave --results out' },
      { args: ['--rounds', '0'], reason: 'Give a whole number of at least 1' },
      { args: ['--against'], reason: 'argument missing' },
      { args: ['HEAD'], reason: 'too many arguments' },
    ])('are refused: $args', ({ args, reason }) => {
      let said = '';
      vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
        said += text;
        return true;
      });
      vi.spyOn(process, 'exit').mockImplementation((code) => {
        throw new Error(`exit ${code}`);
      });
      expect(() => parse(...args)).toThrow('exit 1');
      expect(said).toContain(reason);
    });
  });
});
