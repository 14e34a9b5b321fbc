// What `odradek produce` reads: bytes of a file or of stdin, which become messages.
import { OdradekError } from '../../base/errors.js';
import type { Message, MessageBytes, MessageHeaders } from '../../client/message.js';
import { JsonSplitter } from './json-splitter.js';
import { LineSplitter } from './line-splitter.js';
import type { InputFormat } from './record-formats.js';

export interface InputOptions {
  readonly format: InputFormat;
  /** Of `lines`: what stands before its first occurrence is the key. */
  readonly keySeparator?: string | undefined;
  /** Of `value-json`: the field of the document that is the key. */
  readonly keyField?: string | undefined;
  /** Put on every message, before its own. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Where all messages go that do not say themselves. */
  readonly partition?: number | undefined;
}

/** The broker's cap on a record batch; what is longer cannot be sent in any topic. */
export const PIECE_BYTES_MAX = 16 * 1024 * 1024;

const invalidRecord = (message: string) => new OdradekError('ODR_USAGE', message);

/** Turns bytes into messages, in their order; keeps only the piece that is not complete yet. */
export class RecordInput {
  readonly #splitter: LineSplitter | JsonSplitter;
  readonly #toMessage: (piece: Buffer) => Message;
  #count = 0;
  #failure: OdradekError | null = null;

  constructor(options: InputOptions) {
    const lines = options.format === 'lines';
    this.#splitter = lines ? new LineSplitter(PIECE_BYTES_MAX) : new JsonSplitter(PIECE_BYTES_MAX);
    this.#toMessage = messageMaker(options);
  }

  /** What is wrong with the input; set once the messages before that place have been returned, and then for good. */
  get failure(): OdradekError | null {
    return this.#failure;
  }

  /** The messages that these bytes complete. The bytes are theirs from now on. */
  push(chunk: Buffer): Message[] {
    return this.#messages(() => this.#splitter.push(chunk));
  }

  /** The last messages. */
  end(): Message[] {
    return this.#messages(() => this.#splitter.end());
  }

  #messages(split: () => Buffer[]): Message[] {
    const messages: Message[] = [];
    if (this.#failure !== null) return messages;
    let place = `Input after record ${this.#count}`;
    try {
      for (const piece of split()) {
        this.#count++;
        place = `Input record ${this.#count}`;
        messages.push(this.#toMessage(piece));
      }
    } catch (cause) {
      if (!(cause instanceof OdradekError)) throw cause;
      this.#failure = invalidRecord(`${place}: ${cause.message}`);
    }
    return messages;
  }
}

function messageMaker(options: InputOptions): (piece: Buffer) => Message {
  switch (options.format) {
    case 'lines':
      return lineMessage(options);
    case 'value-json':
      return valueMessage(options);
    case 'json':
      return (piece) => describedMessage(parseJson(piece), options);
  }
}

function lineMessage({ keySeparator, headers, partition }: InputOptions): (line: Buffer) => Message {
  if (keySeparator === undefined) return (line) => ({ value: line, headers, partition });
  const separator = Buffer.from(keySeparator);
  return (line) => {
    const at = line.indexOf(separator);
    if (at < 0)
      throw invalidRecord(`the line does not contain the key separator ${JSON.stringify(keySeparator)}.`);
    return { key: line.subarray(0, at), value: line.subarray(at + separator.length), headers, partition };
  };
}

function valueMessage({ keyField, headers, partition }: InputOptions): (document: Buffer) => Message {
  return (document) => {
    const parsed = parseJson(document);
    return keyField === undefined
      ? { value: document, headers, partition }
      : { key: keyIn(parsed, keyField), value: document, headers, partition };
  };
}

function keyIn(document: unknown, field: string): MessageBytes {
  const key = isObject(document) && Object.hasOwn(document, field) ? document[field] : null;
  if (key === null) throw invalidRecord(`the document has no field ${JSON.stringify(field)} for the key.`);
  return textOf(key);
}

const DESCRIBED_FIELDS = new Set([
  'key',
  'keyBase64',
  'value',
  'valueBase64',
  'headers',
  'partition',
  'timestamp',
  // Where a record was, in what `consume --format json` prints. It has no meaning for where it goes.
  'topic',
  'offset',
]);

/** A message from a JSON object as `consume --format json` prints it. */
function describedMessage(described: unknown, options: InputOptions): Message {
  if (!isObject(described))
    throw invalidRecord('it must be a JSON object with key, value, headers, partition, timestamp.');
  const unknown = Object.keys(described).find((field) => !DESCRIBED_FIELDS.has(field));
  if (unknown !== undefined) {
    const fields = [...DESCRIBED_FIELDS].join(', ');
    throw invalidRecord(
      `${JSON.stringify(unknown)} is not a field of a record (${fields}). For documents that are values themselves use --format value-json.`,
    );
  }
  return {
    key: bytesOf(described, 'key'),
    value: bytesOf(described, 'value'),
    headers: [...options.headers, ...headersOf(described['headers'])],
    partition: partitionOf(described['partition']) ?? options.partition,
    timestampMs: timestampOf(described['timestamp']),
  };
}

/** The field as text, JSON or null; or the bytes that the field with the suffix `Base64` holds. */
function bytesOf(described: JsonObject, field: string): MessageBytes {
  const encoded = described[`${field}Base64`];
  if (encoded === undefined) return textOf(described[field]);
  if (typeof encoded !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) {
    throw invalidRecord(`${field}Base64 must be a string in base64.`);
  }
  return Buffer.from(encoded, 'base64');
}

/** Strings as they are, null and what is missing as null, all else as JSON. */
function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

type Headers = Extract<MessageHeaders, readonly unknown[]>;

function headersOf(headers: unknown): Headers {
  if (headers === undefined || headers === null) return [];
  if (Array.isArray(headers)) return headers.map((header: unknown) => headerOf(header));
  if (!isObject(headers)) throw invalidRecord('headers must be an object, or an array of {name, value}.');
  return Object.entries(headers).map(([name, value]) => [name, textOf(value)] as const);
}

function headerOf(header: unknown): readonly [string, MessageBytes] {
  const name = isObject(header) ? header['name'] : undefined;
  if (!isObject(header) || typeof name !== 'string')
    throw invalidRecord('each of headers must be {name, value}.');
  return [name, bytesOf(header, 'value')];
}

function partitionOf(partition: unknown): number | undefined {
  if (partition === undefined || partition === null) return undefined;
  if (typeof partition === 'number' && Number.isInteger(partition) && partition >= 0) return partition;
  throw invalidRecord('partition must be a whole number from 0 on.');
}

function timestampOf(timestamp: unknown): number | undefined {
  if (timestamp === undefined || timestamp === null) return undefined;
  const timestampMs = typeof timestamp === 'string' ? Date.parse(timestamp) : timestamp;
  if (typeof timestampMs === 'number' && Number.isSafeInteger(timestampMs)) return timestampMs;
  throw invalidRecord('timestamp must be milliseconds since 1970, or a time in ISO 8601.');
}

function parseJson(document: Buffer): unknown {
  try {
    return JSON.parse(document.toString());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalidRecord(
      `it is not JSON: ${reason}. Expected is one document a line, or one array of documents.`,
    );
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
