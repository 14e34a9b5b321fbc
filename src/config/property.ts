// One row of a settings table, and what follows from a row: the type of the value, its parser, its range in words. The
// command line, the documentation and the checks of topic configs all come from the rows.

import { parseAddress } from './address.js';

export interface Property {
  /** Kafka's name; ours begin with `odradek.` or carry a note. */
  readonly name: string;
  /** `int`, `long` and `double` as in Kafka; `address` is HOST:PORT, or `off` for none. */
  readonly type: 'int' | 'long' | 'double' | 'boolean' | 'string' | 'list' | 'address';
  /** As text, as a user would write it. */
  readonly default: string;
  readonly min?: number;
  readonly max?: number;
  /** The only words allowed: of a string, or of each item of a list. */
  readonly valid?: readonly string[];
  readonly unit?: 'bytes' | 'milliseconds' | 'minutes' | 'hours' | 'records' | 'bytes per second';
  /** Ends the message about an invalid value: why the range is as it is. */
  readonly reason?: string;
  /** Whole sentences. */
  readonly doc: string;
  /** KIP or section of Kafka's documentation, or `Odradek`. */
  readonly source: string;
}

/** Declares a row; keeps the literal types that {@link ValueOf} looks at. */
export const property = <const Row extends Property>(row: Row): Row => row;

type Word<Row extends Property> = Row extends { readonly valid: readonly (infer W)[] } ? W : string;

/** The type of a row's value. Numbers beyond 2^53, which only a long can have, are Infinity: "never" or "no limit". */
export type ValueOf<Row extends Property> = {
  int: number;
  long: number;
  double: number;
  boolean: boolean;
  string: Word<Row>;
  list: readonly Word<Row>[];
  address: string | null;
}[Row['type']];

/** The typed values of a table `{ fieldName: property({ … }) }`. */
export type ValuesOf<Table extends Readonly<Record<string, Property>>> = {
  readonly [Field in keyof Table]: ValueOf<Table[Field]>;
};

/** The outcome of {@link parseValue}: the value, or a message that names the setting, the text and what is allowed. */
export type Parsed<Value> = { readonly value: Value } | { readonly problem: string };

const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = 9223372036854775807n;
const DOUBLE_CHARACTERS_MAX = 400;

/** Parses the text of a setting. */
export function parseValue<Row extends Property>(row: Row, text: string): Parsed<ValueOf<Row>> {
  const value = parseAny(row, text.trim());
  if (value === INVALID) return { problem: invalid(row, text) };
  return { value: value as ValueOf<Row> }; // The border where text becomes typed: parseAny follows row.type.
}

const INVALID = Symbol('invalid');

function parseAny(row: Property, text: string): unknown {
  switch (row.type) {
    case 'int':
    case 'long':
      return parseNumber(row, text);
    case 'double':
      return parseDouble(row, text);
    case 'boolean':
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : INVALID;
    case 'string':
      return text !== '' && (row.valid?.includes(text) ?? true) ? text : INVALID;
    case 'list':
      return parseList(row, text);
    case 'address':
      return text === 'off' ? null : parseAddress(text) ? text : INVALID;
  }
}

function parseNumber(
  { type, min = -Infinity, max = Infinity }: Property,
  text: string,
): number | typeof INVALID {
  if (!/^[+-]?\d{1,20}$/.test(text)) return INVALID;
  const value = Number(text);
  if (value < min || value > max) return INVALID;
  if (type === 'int') return Math.abs(value) <= INT_MAX ? value : INVALID;
  if (Number.isSafeInteger(value)) return value;
  return value > 0 && BigInt(text) <= LONG_MAX ? Infinity : INVALID;
}

function parseDouble({ min = -Infinity, max = Infinity }: Property, text: string): number | typeof INVALID {
  if (text.length > DOUBLE_CHARACTERS_MAX || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text))
    return INVALID;
  const value = Number(text);
  return value >= min && value <= max && Number.isFinite(value) ? value : INVALID;
}

function parseList({ valid }: Property, text: string): readonly string[] | typeof INVALID {
  const items = text.split(',').map((item) => item.trim());
  const distinct = new Set(items).size === items.length;
  const allowed = items.every((item) => item !== '' && (valid?.includes(item) ?? true));
  return distinct && allowed ? items : INVALID;
}

const SHOWN_MAX = 100;

function invalid(row: Property, text: string): string {
  const shown = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
  const why = row.reason === undefined ? '' : ` ${row.reason}`;
  return `${row.name}=${shown} is not valid: it must be ${describeRange(row)}.${why}`;
}

/** What values a row allows, to follow "must be". */
export function describeRange({ type, min, max, valid, unit }: Property): string {
  switch (type) {
    case 'int':
    case 'long': {
      const upper = max ?? (type === 'int' ? INT_MAX : LONG_MAX);
      const range = min === undefined ? `at most ${upper}` : `from ${min} to ${upper}`;
      return `a whole number${unit === undefined ? '' : ` of ${unit}`}, ${range}`;
    }
    case 'double': {
      const range = max === undefined ? `at least ${min}` : `from ${min} to ${max}`;
      const counted = unit === undefined ? '' : ` of ${unit}`;
      return `a number${counted}${min === undefined ? '' : `, ${range}`}`;
    }
    case 'boolean':
      return 'true or false';
    case 'string':
      return valid === undefined ? 'not empty' : oneOf(valid);
    case 'list':
      if (valid === undefined) return 'a comma-separated list of different values';
      return valid.length === 1 ? oneOf(valid) : `a comma-separated list of ${oneOf(valid)}`;
    case 'address':
      return 'HOST:PORT (IPv6 as [::1]:PORT) or off';
  }
}

function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
