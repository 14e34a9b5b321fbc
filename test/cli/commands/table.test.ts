import { describe, expect, it } from 'vitest';
import { formatBytes, renderRows, renderTable } from '../../../src/cli/commands/table.js';

describe('renderTable', () => {
  const columns = [{ title: 'NAME' }, { title: 'N', align: 'right' }, { title: 'X' }] as const;

  it('aligns the columns, without blanks at the end of a line', () => {
    expect(
      renderTable(
        columns,
        [
          ['flights', '3', ''],
          ['a', '12', 'y'],
        ],
        false,
      ),
    ).toBe('NAME      N  X\nflights   3\na        12  y\n');
  });

  it('shows titles in bold where colours are shown', () => {
    expect(renderTable(columns, [], true)).toBe('\u001b[1mNAME  N  X\u001b[0m\n');
  });
});

describe('control characters in cells', () => {
  const cell = 'a\u001b[2Jb\tc\nd\u009b';
  const escaped = 'a\\u001b[2Jb\\u0009c\\u000ad\\u009b';

  it('are escaped, so that names steer no terminal and break no row', () => {
    expect(renderRows([[cell, 'é漢']])).toBe(`${escaped}\té漢\n`);
    expect(renderTable([{ title: 'N' }, { title: 'X' }], [[cell, 'x']], false)).toBe(
      `${'N'.padEnd(escaped.length)}  X\n${escaped}  x\n`,
    );
  });
});

describe('renderRows', () => {
  it('puts tabs between the cells', () => {
    expect(
      renderRows([
        ['a', '1'],
        ['b', '2'],
      ]),
    ).toBe('a\t1\nb\t2\n');
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [3 * 1024 ** 3, '3.0 GiB'],
    [2 ** 53, '8192.0 TiB'],
  ])('prints %i', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
