import { describe, expect, it } from 'vitest';
import { parseProperties } from '../../src/config/properties-file.js';

describe('parseProperties', () => {
  it('parses name=value lines with blanks, comments and both kinds of line ends', () => {
    const text = '\uFEFF# a comment\r\n! another\n\n  node.id = 3 \r\nlog.dirs=/a,/b\nodradek.x=a=b';
    expect(parseProperties(text)).toEqual({
      lines: [
        { name: 'node.id', value: '3', line: 4 },
        { name: 'log.dirs', value: '/a,/b', line: 5 },
        { name: 'odradek.x', value: 'a=b', line: 6 },
      ],
    });
  });

  it('names every line that is wrong', () => {
    const parsed = parseProperties('node.id\n=3\na=1\na=2\nb=x\\');
    expect(parsed).toEqual({
      problems: [
        'line 1: "node.id" is not of the form name=value.',
        'line 2: "=3" is not of the form name=value.',
        'line 4: a is set already in line 3.',
        'line 5: a backslash at the end of a line does not continue it here.',
      ],
    });
  });

  it('takes an empty value', () => {
    expect(parseProperties('a=')).toEqual({ lines: [{ name: 'a', value: '', line: 1 }] });
  });
});
