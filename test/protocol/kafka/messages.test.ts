// Every message that src/protocol/kafka/messages has: against bytes of real clients and a real broker, and by itself.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../../src/base/errors.js';
import type { Piece } from '../../../src/base/piece.js';
import { type Random, seededRandom } from '../../../src/base/random.js';
import type { Api } from '../../../src/protocol/kafka/api.js';
import { APIS, findApi } from '../../../src/protocol/kafka/apis.js';
import {
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/protocol/kafka/headers.js';
import type { Layout, WireField } from '../../../src/protocol/kafka/layout.js';
import type { Message } from '../../../src/protocol/kafka/message.js';
import type { Fields } from '../../../src/protocol/kafka/schema.js';
import { bytesOf } from '../../base/bytes-of.js';
import { arbitraryMessage, completed } from './arbitrary-message.js';

const SEED = process.env['SEED'] === undefined ? undefined : Number(process.env['SEED']);

interface Exchange {
  readonly apiKey: number;
  readonly name: string;
  readonly version: number;
  readonly client: string;
  readonly req: string;
  readonly res: string;
  readonly reqBody: unknown;
  readonly resBody: unknown;
}

const file = readFileSync(new URL('../../vectors/kafka-wire.json', import.meta.url), 'utf8');
const exchanges = (JSON.parse(file) as { exchanges: Exchange[] }).exchanges;

function apiOf(key: number): Api {
  const api = findApi(key);
  if (!api) throw new Error(`no API ${key}`);
  return api;
}

const served = exchanges
  .filter(({ apiKey, version }) => apiOf(apiKey).serves(version))
  .map((exchange) => ({ ...exchange, api: apiOf(exchange.apiKey) }));
const cases = served.map((exchange) => {
  const { name, version, client } = exchange;
  return [`${name} v${version} of ${client}`, exchange] as const;
});
const apiCases = APIS.map((api): [string, Api] => [api.name, api]);

const lowerFirst = (name: string) => name.slice(0, 1).toLowerCase() + name.slice(1);

/** A body of the vectors with our names; fields that it lacks are left out. */
function renamed({ fields }: Layout, body: unknown): Record<string, unknown> {
  const values = new Map(Object.entries(body as object).map(([name, value]) => [lowerFirst(name), value]));
  for (const name of values.keys()) expect(fields.map((field) => field.name)).toContain(name);
  const present = fields.filter(({ name }) => values.has(name));
  return Object.fromEntries(
    present.map((field) => [field.name, renamedValue(field, values.get(field.name))]),
  );
}

function renamedValue({ kind, element, layout }: WireField, value: unknown): unknown {
  if (value === null) return null;
  if (layout) return renamed(layout, value);
  if (element) return (value as unknown[]).map((item) => renamedValue(element, item));
  return kind === 'bytes' || kind === 'records' ? Buffer.from(String(value), 'hex') : value;
}

/** The same with all defaults. */
function expected(layout: Layout, body: unknown): Record<string, unknown> {
  return completed(layout, renamed(layout, body));
}

const withoutLength = (pieces: readonly Piece[]) => bytesOf(pieces).subarray(4).toString('hex');

describe('exchanges of real clients and a real broker', () => {
  it('cover every API but one, which no client sent', () => {
    const covered = new Set(served.map(({ apiKey }) => apiKey));
    expect(APIS.filter(({ key }) => !covered.has(key)).map(({ name }) => name)).toEqual([
      'OffsetForLeaderEpoch',
    ]);
  });

  it.each(cases)('%s: the request', (_, { api, version, client, req, reqBody }) => {
    const bytes = Buffer.from(req, 'hex');
    const header = decodeRequestHeader(bytes, 0, bytes.length);
    expect(header).toMatchObject({ apiKey: api.key, apiVersion: version, clientId: client });
    const { value, end } = api.request.decodePrefix(version, bytes, header.bodyStart, bytes.length);
    const layout = api.request.layout(version);
    expect(completed(layout, value)).toEqual(expected(layout, reqBody));
    expect(end).toBe(bytes.length);
    expect(withoutLength(encodeRequest(api, version, header, value))).toBe(req);
    expect(withoutLength(encodeRequest(api, version, header, renamed(layout, reqBody)))).toBe(req);
  });

  it.each(cases)('%s: the response', (_, { api, version, res, resBody }) => {
    const bytes = Buffer.from(res, 'hex');
    const { correlationId, response, end } = decodeResponse(api, version, bytes);
    const layout = api.response.layout(version);
    expect(completed(layout, response)).toEqual(expected(layout, resBody));
    expect(end).toBe(bytes.length);
    expect(withoutLength(encodeResponse(api, version, correlationId, response))).toBe(res);
    expect(withoutLength(encodeResponse(api, version, correlationId, renamed(layout, resBody)))).toBe(res);
  });

  it('show how a broker answers a version of ApiVersions that it does not have', () => {
    const refused = exchanges.filter(({ apiKey, version }) => !apiOf(apiKey).serves(version));
    expect(refused.map(({ name, version }) => [name, version])).toEqual([['ApiVersions', 5]]);
    for (const { apiKey, req, res } of refused) {
      const bytes = Buffer.from(req, 'hex');
      const header = decodeRequestHeader(bytes, 0, bytes.length);
      expect(header).toMatchObject({ apiKey: 18, apiVersion: 5, clientId: 'java-classic' });
      const entries = [{ apiKey: 18, minVersion: 0, maxVersion: 4 }];
      const answer = { errorCode: 35, apiKeys: entries };
      expect(withoutLength(encodeResponse(apiOf(apiKey), 0, header.correlationId, answer))).toBe(res);
    }
  });
});

interface Variant {
  readonly message: Message<Fields>;
  readonly version: number;
  readonly title: string;
}

function variantsOf(api: Api): Variant[] {
  return [api.request, api.response].flatMap((message) => {
    const { first, last } = message.versions;
    return Array.from({ length: last - first + 1 }, (_, index) => ({
      message,
      version: first + index,
      title: `${message.name} v${first + index}`,
    }));
  });
}

describe('round trips', () => {
  it.each(apiCases)('%s: every version of both messages decodes to what was encoded', (_, api) => {
    for (const { message, version, title } of variantsOf(api)) {
      const layout = message.layout(version);
      const check = fc.property(arbitraryMessage(layout), (value) => {
        const bytes = Buffer.concat(message.encode(version, value));
        const decoded = message.decodePrefix(version, bytes, 0, bytes.length);
        expect(completed(layout, decoded.value), title).toEqual(completed(layout, value));
        expect(decoded.end, title).toBe(bytes.length);
      });
      fc.assert(check, { numRuns: 15, ...(SEED === undefined ? {} : { seed: SEED }) });
    }
  });

  it.each(apiCases)('%s: no prefix of a message is one', (_, api) => {
    for (const { message, version, title } of variantsOf(api)) {
      const [value] = fc.sample(arbitraryMessage(message.layout(version)), { numRuns: 1, seed: SEED ?? 7 });
      const bytes = Buffer.concat(message.encode(version, value ?? {}));
      // What follows the end is there, and must not be read.
      const room = Buffer.concat([bytes, bytes]);
      for (let end = 0; end < bytes.length; end++) {
        expect(() => message.decode(version, room, 0, end), `${title}, ${end} bytes`).toThrow(
          expect.objectContaining({ code: 'ODR_PROTOCOL' }),
        );
      }
    }
  });
});

/** Changes some bytes, cuts, or repeats a part. */
function mutated(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  const kind = random.below(4);
  if (kind === 0) return copy.subarray(0, random.below(copy.length + 1));
  if (kind === 1) {
    const [from, to] = [random.below(copy.length), random.below(copy.length)];
    return Buffer.concat([copy.subarray(0, to), copy.subarray(from)]);
  }
  for (let changes = random.below(3); changes >= 0; changes--) {
    const interesting = [0, 1, 0x7f, 0x80, 0xff, random.below(256)];
    const at = random.below(copy.length);
    for (let run = random.below(5); run >= 0; run--) {
      if (at + run < copy.length) copy[at + run] = interesting[random.below(interesting.length)] ?? 0;
    }
  }
  return copy;
}

describe('damaged messages', () => {
  const seed = SEED ?? 20260101;

  it.each(cases)('%s: decode, or fail with ODR_PROTOCOL', (_, { api, version, req, res }) => {
    const random = seededRandom(seed);
    const start = decodeRequestHeader(Buffer.from(req, 'hex'), 0, req.length / 2).bodyStart;
    const bodies = [
      { message: api.request, bytes: Buffer.from(req, 'hex').subarray(start) },
      { message: api.response, bytes: Buffer.from(res, 'hex').subarray(4) },
    ];
    for (const { message, bytes } of bodies) {
      if (bytes.length === 0) continue;
      for (let round = 0; round < 150; round++) {
        const damaged = mutated(bytes, random);
        const again = decodeOrRefuse(message, version, damaged, `SEED=${seed} round ${round}`);
        if (again === null) continue;
        // Whatever was accepted can be sent on, and means the same.
        const layout = message.layout(version);
        const encoded = Buffer.concat(message.encode(version, again));
        expect(completed(layout, message.decode(version, encoded))).toEqual(completed(layout, again));
      }
    }
  });
});

function decodeOrRefuse(message: Message<Fields>, version: number, bytes: Buffer, what: string) {
  try {
    return message.decode(version, bytes);
  } catch (error) {
    if (error instanceof OdradekError && error.code === 'ODR_PROTOCOL') return null;
    throw new Error(`${message.name} v${version}, ${what}: ${bytes.toString('hex')}`, { cause: error });
  }
}
