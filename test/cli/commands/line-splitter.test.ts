import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../src/cli/commands/line-splitter.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

function split(chunks: readonly Buffer[], lineBytesMax = 1000): string[] {
  const splitter = new LineSplitter(lineBytesMax);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()].map(String);
}

/** Cuts bytes into pieces of the given sizes, and the rest. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let start = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(start, start + size));
    start += size;
  }
  return [...pieces, bytes.subarray(start)];
}

describe('LineSplitter', () => {
  it('cuts lines without their ends', () => {
    expect(split([Buffer.from('a\n\r\nb\r\n\nc')])).toEqual(['a', '', 'b', '', 'c']);
    expect(split([Buffer.from('a\n')])).toEqual(['a']);
    expect(split([])).toEqual([]);
  });

  it('finds the same lines wherever the bytes are cut', () => {
    const lines = fc.array(fc.string({ maxLength: 20 }).filter((line) => !/[\r\n]/.test(line)));
    fc.assert(
      fc.property(lines, fc.array(fc.nat(10)), (wanted, sizes) => {
        const bytes = Buffer.from(wanted.map((line) => `${line}\n`).join(''));
        expect(split(cut(bytes, sizes))).toEqual(wanted);
      }),
      seed,
    );
  });

  it('refuses a line that is too long, whether or not its end has come', () => {
    expect(split([Buffer.from('1234567890\n')], 10)).toEqual(['1234567890']);
    expect(() => split([Buffer.from('12345678901\n')], 10)).toThrow('A line is longer than 10 bytes.');
    expect(() => split([Buffer.from('123456'), Buffer.from('78901')], 10)).toThrow(
      'A line is longer than 10 bytes.',
    );
  });
});
