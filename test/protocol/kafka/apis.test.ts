// The tables against the message specifications of Apache Kafka: every field at every version.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Api } from '../../../src/protocol/kafka/api.js';
import { APIS, findApi } from '../../../src/protocol/kafka/apis.js';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/protocol/kafka/consumer-protocol.js';
import {
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from '../../../src/protocol/kafka/group-records.js';
import { HEADERS } from '../../../src/protocol/kafka/headers.js';
import type { Layout, WireField } from '../../../src/protocol/kafka/layout.js';
import type { Message } from '../../../src/protocol/kafka/message.js';
import { type Fields, ZERO_UUID } from '../../../src/protocol/kafka/schema.js';

interface SpecifiedField {
  readonly name: string;
  readonly type: string;
  readonly versions: string;
  readonly nullableVersions?: string;
  readonly tag?: number;
  readonly taggedVersions?: string;
  readonly default?: unknown;
  readonly flexibleVersions?: string;
  readonly fields?: readonly SpecifiedField[];
}

interface SpecifiedApi {
  readonly apiKey: number;
  readonly name: string;
  readonly validVersions: [number, number];
  readonly flexibleVersions: string;
  readonly request: readonly SpecifiedField[];
  readonly response: readonly SpecifiedField[];
}

interface Specified {
  readonly name: string;
  readonly validVersions: [number, number];
  readonly flexibleVersions: string;
  readonly fields: readonly SpecifiedField[];
}

const specification = JSON.parse(
  readFileSync(new URL('../../vectors/kafka-protocol.json', import.meta.url), 'utf8'),
) as {
  readonly headers: readonly Specified[];
  readonly apis: readonly SpecifiedApi[];
  readonly data: readonly Specified[];
};

function includes(range: string | undefined, version: number): boolean {
  if (range === undefined || range === 'none') return false;
  if (range.endsWith('+')) return version >= Number(range.slice(0, -1));
  const [first, last] = range.split('-').map(Number);
  return version >= (first ?? 0) && version <= (last ?? first ?? 0);
}

const IMPLICIT: Readonly<Record<string, unknown>> = {
  bool: false,
  string: '',
  uuid: ZERO_UUID,
  bytes: undefined,
  records: undefined,
};

function specifiedDefault({ type, default: value, fields }: SpecifiedField): unknown {
  if (value === null) return null;
  if (value === '9223372036854775807') return Number.MAX_SAFE_INTEGER;
  if (value !== undefined) return value;
  if (type.startsWith('[]') || fields) return undefined;
  return type in IMPLICIT ? IMPLICIT[type] : 0;
}

function specifiedKind(type: string, isStruct: boolean): string {
  if (isStruct) return 'struct';
  return type === 'bool' ? 'boolean' : type;
}

/** What the specification says of the fields that the version has, in the words of {@link describeLayout}. */
function describeSpecified(fields: readonly SpecifiedField[], version: number, flexible: string): unknown[] {
  return fields
    .filter(({ versions }) => includes(versions, version))
    .map((field) => {
      const isArray = field.type.startsWith('[]');
      const element = specifiedKind(field.type.replace('[]', ''), field.fields !== undefined);
      const isTagged = field.tag !== undefined && includes(field.taggedVersions, version);
      return {
        name: field.name.slice(0, 1).toLowerCase() + field.name.slice(1),
        kind: isArray ? 'array' : element,
        element: isArray ? element : null,
        nullable: includes(field.nullableVersions, version),
        compact: includes(field.flexibleVersions ?? flexible, version),
        tag: isTagged ? field.tag : null,
        default: specifiedDefault(field),
        fields: field.fields ? describeSpecified(field.fields, version, flexible) : null,
      };
    });
}

function describeLayout({ fields }: Layout): unknown[] {
  return fields.filter(({ place }) => place !== 'absent').map(describeField);
}

function describeField(field: WireField): unknown {
  const layout = field.layout ?? field.element?.layout;
  return {
    name: field.name,
    kind: field.kind,
    element: field.element?.kind ?? null,
    nullable: field.nullable,
    compact: field.compact,
    tag: field.place === 'tagged' ? field.tag : null,
    default: field.default,
    fields: layout ? describeLayout(layout) : null,
  };
}

function compare(
  message: Message<Fields>,
  { fields, flexibleVersions }: Omit<Specified, 'name' | 'validVersions'>,
): void {
  const { first, last } = message.versions;
  for (let version = first; version <= last; version++) {
    const title = `${message.name} v${version}`;
    expect(message.isFlexible(version), title).toBe(includes(flexibleVersions, version));
    expect(describeLayout(message.layout(version)), title).toEqual(
      describeSpecified(fields, version, flexibleVersions),
    );
  }
}

/** A table has every field of the specification, in its order, up to the last version that is served. */
function compareNames(table: Fields, fields: readonly SpecifiedField[], last: number): void {
  const known = fields.filter(({ versions }) => Number.parseInt(versions, 10) <= last);
  expect(Object.keys(table)).toEqual(known.map(({ name }) => name.slice(0, 1).toLowerCase() + name.slice(1)));
}

describe('APIS', () => {
  it.each(APIS.map((api): [string, Api] => [api.name, api]))(
    '%s has the fields of the specification in every version',
    (_, api) => {
      const specified = specification.apis.find(({ apiKey }) => apiKey === api.key);
      if (!specified) throw new Error(`no specification of ${api.name}`);
      expect(api.name).toBe(specified.name);
      const { flexibleVersions, validVersions } = specified;
      expect(api.request.versions.first).toBe(validVersions[0]);
      expect(api.request.versions.last).toBeLessThanOrEqual(validVersions[1]);
      compare(api.request, { fields: specified.request, flexibleVersions });
      compare(api.response, { fields: specified.response, flexibleVersions });
      compareNames(api.request.fields, specified.request, api.request.versions.last);
      compareNames(api.response.fields, specified.response, api.request.versions.last);
    },
  );

  it('covers what the specification file has', () => {
    expect(APIS.map(({ key }) => key)).toEqual(specification.apis.map(({ apiKey }) => apiKey));
  });

  it('lists the ranges that Kafka 4.3 lists', () => {
    const ranges = APIS.map(({ key, advertised }) => `${key}:${advertised.first}-${advertised.last}`);
    expect(ranges.join(' ')).toBe(
      '0:0-13 1:4-18 2:1-11 3:0-13 8:2-10 9:1-10 10:0-6 11:0-9 12:0-4 13:0-5 14:0-5 15:0-6 16:0-5 18:0-4 19:2-7 20:1-6 21:0-2 22:0-5 23:2-4 32:1-4 33:0-2 37:0-3 42:0-2 44:0-1 47:0-0 60:0-2 75:0-0',
    );
  });

  it('serves Produce from version 3 on, though it lists version 0', () => {
    expect(findApi(0)?.serves(2)).toBe(false);
    expect(findApi(0)?.serves(3)).toBe(true);
  });

  it('says of every field what it is about', () => {
    const silent: string[] = [];
    const visit = (fields: Fields, path: string): void => {
      for (const [name, field] of Object.entries(fields)) {
        if (!/^\S.*[.…]$/.test(field.about)) silent.push(`${path}.${name}`);
        const inner = field.fields ?? field.element?.fields;
        if (inner) visit(inner, `${path}.${name}`);
      }
    };
    for (const { request, response } of APIS) {
      visit(request.fields, request.name);
      visit(response.fields, response.name);
    }
    expect(silent).toEqual([]);
  });
});

const OTHERS: readonly Message<Fields>[] = [
  ...HEADERS,
  offsetCommitKey,
  offsetCommitValue,
  groupMetadataKey,
  groupMetadataValue,
  consumerProtocolSubscription,
  consumerProtocolAssignment,
];

describe('headers, records and blobs', () => {
  it.each(OTHERS.map((message) => [message.name, message] as const))(
    '%s has the fields of the specification',
    (name, message) => {
      const specified = [...specification.headers, ...specification.data].find(
        (candidate) => candidate.name === name,
      );
      if (!specified) throw new Error(`no specification of ${name}`);
      expect(message.versions).toEqual({
        first: specified.validVersions[0],
        last: specified.validVersions[1],
      });
      compare(message, specified);
      compareNames(message.fields, specified.fields, message.versions.last);
    },
  );
});

describe('findApi', () => {
  it('finds an API by its key', () => {
    expect(findApi(18)?.name).toBe('ApiVersions');
    expect(findApi(999)).toBeUndefined();
    expect(findApi(-1)).toBeUndefined();
  });
});
