import { describe, expect, it } from 'vitest';
import { type InputOptions, RecordInput } from '../../../src/cli/commands/record-input.js';
import { describeRecord } from '../../../src/cli/commands/record-output.js';

function read(text: string, options: Partial<InputOptions> = {}) {
  const input = new RecordInput({ format: 'lines', headers: [], ...options });
  const messages = [...input.push(Buffer.from(text)), ...input.end()].map((message) => ({
    ...message,
    key: message.key instanceof Uint8Array ? String(message.key) : message.key,
    value: message.value instanceof Uint8Array ? String(message.value) : message.value,
  }));
  return { messages, problem: input.failure?.message };
}

describe('RecordInput of lines', () => {
  it('makes each line a value', () => {
    const { messages } = read('a\n\nb', { headers: [['source', 'test']], partition: 2 });
    const rest = { key: undefined, headers: [['source', 'test']], partition: 2 };
    expect(messages).toEqual(['a', '', 'b'].map((value) => ({ value, ...rest })));
  });

  it('takes what stands before the first separator as the key', () => {
    const { messages } = read('k::v::w\n::x', { keySeparator: '::' });
    expect(messages.map(({ key, value }) => [key, value])).toEqual([
      ['k', 'v::w'],
      ['', 'x'],
    ]);
  });

  it('keeps the messages before a line that is wrong, and no later ones', () => {
    const { messages, problem } = read('a:1\nb\nc:3', { keySeparator: ':' });
    expect(messages).toHaveLength(1);
    expect(problem).toBe('Input record 2: the line does not contain the key separator ":".');
  });
});

describe('RecordInput of value-json', () => {
  it('makes each document a value, as it is written', () => {
    expect(read('{"a": 1.0}\n2', { format: 'value-json' }).messages.map(({ value }) => value)).toEqual([
      '{"a": 1.0}',
      '2',
    ]);
    expect(read('[{"a": 1}, 2]', { format: 'value-json' }).messages.map(({ value }) => value)).toEqual([
      '{"a":1}',
      '2',
    ]);
  });

  it('takes the key from a field', () => {
    const options = { format: 'value-json', keyField: 'id' } as const;
    const { messages } = read('{"id":"x"}\n{"id":7}\n{"id":{"a":1}}', options);
    expect(messages.map(({ key }) => key)).toEqual(['x', '7', '{"a":1}']);
    for (const document of ['{}', '{"id":null}', '3', 'null', '["id"]']) {
      expect(read(`{"id":1}\n${document}`, options).problem).toBe(
        'Input record 2: the document has no field "id" for the key.',
      );
    }
    expect(read('{}', { format: 'value-json', keyField: 'toString' }).problem).toContain('has no field');
  });

  it('names the document that is not JSON', () => {
    expect(read('{}\n{', { format: 'value-json' }).problem).toMatch(/^Input record 2: it is not JSON: /);
    expect(read('[1, 2 3]', { format: 'value-json' }).problem).toMatch(/^Input record 2: it is not JSON: /);
    expect(read('[1, 2', { format: 'value-json' }).problem).toMatch(
      /^Input after record 1: The JSON array is not closed/,
    );
  });
});

describe('RecordInput of json', () => {
  const json = (record: unknown, options: Partial<InputOptions> = {}) =>
    read(JSON.stringify(record), { format: 'json', ...options });

  it('takes the parts of a record', () => {
    const record = { key: 'k', value: { a: 1 }, headers: { h: 'x', n: null }, partition: 1, timestamp: 5 };
    expect(json(record, { headers: [['all', '1']] }).messages).toEqual([
      {
        key: 'k',
        value: '{"a":1}',
        headers: [
          ['all', '1'],
          ['h', 'x'],
          ['n', null],
        ],
        partition: 1,
        timestampMs: 5,
      },
    ]);
  });

  it('takes null for what is missing, and the partition of all', () => {
    expect(json({}, { partition: 3 }).messages).toEqual([
      { key: null, value: null, headers: [], partition: 3, timestampMs: undefined },
    ]);
  });

  it('takes a time in ISO 8601', () => {
    expect(json({ timestamp: '2026-01-31T08:00:00Z' }).messages[0]?.timestampMs).toBe(
      Date.UTC(2026, 0, 31, 8),
    );
  });

  it.each([
    [5, 'it must be a JSON object'],
    [{ vale: 'x' }, '"vale" is not a field of a record'],
    [{ partition: -1 }, 'partition must be a whole number'],
    [{ partition: '1' }, 'partition must be a whole number'],
    [{ timestamp: 'noon' }, 'timestamp must be milliseconds'],
    [{ timestamp: 1.5 }, 'timestamp must be milliseconds'],
    [{ headers: 'x' }, 'headers must be an object'],
    [{ headers: ['x'] }, 'each of headers must be {name, value}'],
    [{ valueBase64: '*' }, 'valueBase64 must be a string in base64'],
  ])('refuses %j', (record, message) => {
    const { messages, problem } = json(record);
    expect(messages).toEqual([]);
    expect(problem).toContain(`Input record 1: ${message}`);
  });

  it('takes back what consume prints', () => {
    const headers = [
      { key: 'a', value: Buffer.from([0xff]) },
      { key: 'a', value: null },
    ];
    const place = { topic: 't', partition: 1, offset: 9, timestampMs: 7 };
    const printed = describeRecord({
      ...place,
      key: Buffer.from('ä'),
      value: Buffer.from([0x80, 0x00]),
      headers,
    });
    const input = new RecordInput({ format: 'json', headers: [] });
    expect([...input.push(Buffer.from(JSON.stringify(printed))), ...input.end()]).toEqual([
      {
        key: 'ä',
        value: Buffer.from([0x80, 0x00]),
        headers: [
          ['a', Buffer.from([0xff])],
          ['a', null],
        ],
        partition: 1,
        timestampMs: 7,
      },
    ]);
  });
});
