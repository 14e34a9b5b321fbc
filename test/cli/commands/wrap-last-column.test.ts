import { describe, expect, it } from 'vitest';
import { wrapLastColumn } from '../../../src/cli/commands/wrap-last-column.js';

describe('wrapLastColumn', () => {
  it('breaks between words, and leaves the cells before empty', () => {
    const text = 'one two three four five six seven eight';
    expect(
      wrapLastColumn(
        [
          ['name', text],
          ['n', 'short'],
        ],
        40,
      ),
    ).toEqual([
      ['name', 'one two three four five six seven'],
      ['', 'eight'],
      ['n', 'short'],
    ]);
  });

  it('gives the column thirty characters at least, and never breaks a word', () => {
    const word = 'x'.repeat(50);
    expect(wrapLastColumn([['n'.repeat(60), `a ${word} b c`]], 40)).toEqual([
      ['n'.repeat(60), 'a'],
      ['', word],
      ['', 'b c'],
    ]);
  });

  it('takes no rows', () => {
    expect(wrapLastColumn([], 80)).toEqual([]);
  });
});
