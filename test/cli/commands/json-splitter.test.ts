import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonSplitter } from '../../../src/cli/commands/json-splitter.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

function split(text: string, pieceBytes = 1_000_000, documentBytesMax = 10_000): string[] {
  const splitter = new JsonSplitter(documentBytesMax);
  const bytes = Buffer.from(text);
  const documents: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    documents.push(...splitter.push(bytes.subarray(start, start + pieceBytes)));
  }
  return [...documents, ...splitter.end()].map(String);
}

describe('JsonSplitter', () => {
  it('takes one document a line, as it is, without empty lines', () => {
    expect(split('\uFEFF\n{"a": 1}\r\n\n  \n"x"\n3')).toEqual(['{"a": 1}', '"x"', '3']);
    expect(split(' \n ')).toEqual([]);
  });

  it('takes the elements of one array, without the blanks between tokens', () => {
    expect(split('\uFEFF [\n {"a": [1, {"b" : "x, ] \\" y"}]},\n\n"c d" , 5, null\n]\n')).toEqual([
      '{"a":[1,{"b":"x, ] \\" y"}]}',
      '"c d"',
      '5',
      'null',
    ]);
    expect(split('[]')).toEqual([]);
    expect(split('[ [] ]')).toEqual(['[]']);
  });

  it('does not make two values one', () => {
    expect(split('[1 2, tr ue]')).toEqual(['1 2', 'tr ue']);
  });

  it('keeps the digits of numbers that JavaScript cannot hold', () => {
    expect(split('[12345678901234567890.0]')).toEqual(['12345678901234567890.0']);
  });

  it.each([
    ['[1', 'The JSON array is not closed'],
    ['[', 'The JSON array is not closed'],
    ['["a', 'The JSON array is not closed'],
    ['[1]2', 'more input after the end'],
    ['[1}', 'closed by a brace'],
    ['[1,]', 'Element 2 of the JSON array is missing'],
    ['[,1]', 'Element 1 of the JSON array is missing'],
  ])('refuses %j', (text, message) => {
    expect(() => split(text)).toThrow(message);
  });

  it('bounds a document', () => {
    const long = JSON.stringify('x'.repeat(20_000));
    expect(split(`[${JSON.stringify('x'.repeat(9_998))}]`)).toHaveLength(1);
    expect(() => split(`[${long}]`)).toThrow('Element 1 of the JSON array is longer than 10000 bytes');
    expect(() => split(`${long}\n`)).toThrow('A line is longer than 10000 bytes');
  });

  it('finds the documents of any array, however it is written and cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        fc.nat(4),
        fc.integer({ min: 1, max: 50 }),
        (values, indent, pieceBytes) => {
          const found = split(JSON.stringify(values, null, indent), pieceBytes, 1_000_000);
          expect(found).toEqual(values.map((value) => JSON.stringify(value)));
        },
      ),
      seed,
    );
  });
});
