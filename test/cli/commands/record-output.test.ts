import { describe, expect, it } from 'vitest';
import type { OutputFormat } from '../../../src/cli/commands/record-formats.js';
import { describeRecord, recordFormatter } from '../../../src/cli/commands/record-output.js';
import type { ReceivedMessage } from '../../../src/client/message.js';

const message: ReceivedMessage = {
  topic: 't',
  partition: 2,
  offset: 7,
  timestampMs: 1000,
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  headers: [{ key: 'h', value: Buffer.from('x') }],
};

function print(format: OutputFormat, messages: readonly ReceivedMessage[], keySeparator = '\t'): string {
  const pieces: Uint8Array[] = [];
  const append = recordFormatter(format, keySeparator);
  for (const each of messages) append(each, pieces);
  return Buffer.concat(pieces).toString();
}

describe('recordFormatter', () => {
  const bare = { ...message, key: null, value: null };

  it('prints values, keys and nothing for null', () => {
    expect(print('value', [message, bare])).toBe('v\n\n');
    expect(print('raw', [message, bare, message])).toBe('vv');
    expect(print('key-value', [message, bare])).toBe('k\tv\n\t\n');
    expect(print('key-value', [message], ': ')).toBe('k: v\n');
  });

  it('prints a record as one line of JSON', () => {
    const line =
      '{"topic":"t","partition":2,"offset":7,"timestamp":1000,"key":"k","value":"v","headers":{"h":"x"}}\n';
    expect(print('json', [message])).toBe(line);
  });
});

describe('describeRecord', () => {
  it('tells null from empty', () => {
    expect(describeRecord({ ...message, key: null, value: Buffer.alloc(0) })).toMatchObject({
      key: null,
      value: '',
    });
  });

  it('prints bytes that are no text in base64', () => {
    const described = describeRecord({ ...message, value: Buffer.from([0xff, 0xfe]) });
    expect(described).toMatchObject({ valueBase64: '//4=' });
    expect(described).not.toHaveProperty('value');
  });

  it('prints headers that repeat, or whose names an object would reorder or lose, as an array', () => {
    const header = (key: string) => ({ key, value: null });
    const headersOf = (...names: string[]) =>
      describeRecord({ ...message, headers: names.map(header) })['headers'];
    expect(headersOf('a', 'b')).toEqual({ a: null, b: null });
    expect(headersOf('a', 'a')).toEqual([
      { name: 'a', value: null },
      { name: 'a', value: null },
    ]);
    expect(headersOf('b', '1')).toEqual([
      { name: 'b', value: null },
      { name: '1', value: null },
    ]);
    expect(headersOf('__proto__')).toEqual([{ name: '__proto__', value: null }]);
  });
});
