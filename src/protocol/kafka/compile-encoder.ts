// From the layout of a message to a function that encodes it. Room is made once for each run of fields of fixed size;
// strings, bytes and records make their own.
//
//   m…  the message and its structs    p  the position in the buffer    d  the view of the buffer
//   t   encoding.ts
import { present } from '../../base/assert.js';
import { encoding } from './encoding.js';
import { isFixed, type Layout, type WireField } from './layout.js';
import { FIXED_BYTES, type FixedKind } from './schema.js';
import { SourceWriter } from './source-writer.js';

/** Writes the message to the buffer of encoding.ts from `start` on and returns the position after it. */
export type Encoder = (message: unknown, start: number) => number;

/** @param name of the message with its version, for errors */
export function compileEncoder(name: string, layout: Layout): Encoder {
  return new EncoderCompiler(name).compile(layout);
}

/** A condition that holds if the value is one of the field's type. */
function rangeCheck(kind: FixedKind, value: string): string {
  switch (kind) {
    case 'boolean':
      return `typeof ${value} === 'boolean'`;
    case 'int8':
      return `${value} << 24 >> 24 === ${value}`;
    case 'int16':
      return `${value} << 16 >> 16 === ${value}`;
    case 'uint16':
      return `(${value} & 65535) === ${value}`;
    case 'int32':
      return `(${value} | 0) === ${value}`;
    case 'int64':
      return `Number.isSafeInteger(${value})`;
    case 'float64':
      return `typeof ${value} === 'number'`;
    case 'uuid':
      return 'true';
  }
}

class EncoderCompiler {
  readonly #out = new SourceWriter();
  readonly #name: string;
  /** Bytes from the position on that there is room for. */
  #room = 0;

  constructor(name: string) {
    this.#name = name;
  }

  compile(layout: Layout): Encoder {
    this.#out.add('let p = start;', 'let d = t.view;');
    this.#struct(layout, 'm', '');
    this.#out.add('return p;');
    return this.#out.build('encode', 'm, start', encoding) as Encoder;
  }

  #path(path: string): string {
    return JSON.stringify(`${this.#name}: ${path}`);
  }

  #struct({ fields, flexible }: Layout, object: string, path: string): void {
    this.#room = 0;
    const pathOf = ({ name }: WireField) => (path === '' ? name : `${path}.${name}`);
    const positional = fields.filter(({ place }) => place === 'positional');
    positional.forEach((field, index) => {
      this.#makeRoom(positional.slice(index));
      const value = this.#value(field, object, pathOf(field));
      this.#field(field, value, pathOf(field));
    });
    if (flexible) this.#tagged(fields, object, pathOf);
  }

  /** Puts the value of the field into a variable, with its default if it was left out. */
  #value(field: WireField, object: string, path: string): string {
    const value = this.#out.name(field.name);
    if (!field.hasDefault) {
      this.#out.add(`const ${value} = ${object}.${field.name};`);
      if (field.kind === 'struct' || field.kind === 'array') this.#refuseMissing(field, value, path);
    } else {
      const otherwise = field.default === undefined ? '[]' : JSON.stringify(field.default);
      this.#out.add(
        `let ${value} = ${object}.${field.name};`,
        `if (${value} === undefined) ${value} = ${otherwise};`,
      );
      if (field.default === null && !field.nullable) this.#refuseMissing(field, value, path);
    }
    return value;
  }

  #refuseMissing({ nullable }: WireField, value: string, path: string): void {
    const missing = nullable ? `${value} === undefined` : `${value} === undefined || ${value} === null`;
    this.#out.add(`if (${missing}) t.bad(${this.#path(path)}, ${value});`);
  }

  #makeRoom(next: readonly WireField[]): void {
    const first = next[0];
    if (!first || !isFixed(first.kind) || this.#room >= FIXED_BYTES[first.kind]) return;
    let bytes = 0;
    for (const { kind } of next) {
      if (!isFixed(kind)) break;
      bytes += FIXED_BYTES[kind];
    }
    this.#ensure(bytes);
    this.#room = bytes;
  }

  #ensure(bytes: number): void {
    this.#out.add(`if (p + ${bytes} > t.capacity) d = t.grow(p, ${bytes});`);
  }

  /** Writes the value, for which there is room if it is of a fixed size. */
  #field(field: WireField, value: string, path: string): void {
    const { kind, nullable } = field;
    if (isFixed(kind)) {
      this.#fixed(kind, value, path);
      this.#room -= FIXED_BYTES[kind];
      return;
    }
    if (nullable) {
      this.#out.add(`if (${value} === null) {`);
      this.#null(field);
      this.#out.add('} else {');
    }
    if (kind === 'array') this.#array(field, value, path);
    else if (kind === 'struct') this.#nestedStruct(field, value, path);
    else if (kind === 'string') {
      this.#out.add(`p = t.${field.compact ? 'compactString' : 'string'}(p, ${value}, ${this.#path(path)});`);
    } else {
      this.#out.add(`p = t.${kind}(p, ${value}, ${field.compact}, ${this.#path(path)});`);
    }
    if (nullable) this.#out.add('}');
    this.#out.add('d = t.view;');
    this.#room = 0;
  }

  #fixed(kind: FixedKind, value: string, path: string): void {
    const out = this.#out;
    if (kind === 'uuid') {
      out.add(`p = t.uuid(p, ${value}, ${this.#path(path)});`);
      return;
    }
    out.add(`if (!(${rangeCheck(kind, value)})) t.bad(${this.#path(path)}, ${value});`);
    switch (kind) {
      case 'boolean':
        out.add(`d.setInt8(p, ${value} ? 1 : 0);`);
        break;
      case 'int64':
        // setInt32 takes the value modulo 2^32.
        out.add(`d.setInt32(p, Math.floor(${value} / 4294967296));`, `d.setInt32(p + 4, ${value});`);
        break;
      default:
        out.add(`d.set${kind[0]?.toUpperCase()}${kind.slice(1)}(p, ${value});`);
    }
    out.add(`p += ${FIXED_BYTES[kind]};`);
  }

  #null({ kind, compact, place }: WireField): void {
    this.#ensure(4);
    if (kind === 'struct') this.#out.add(place === 'tagged' ? 'd.setInt8(p++, 0);' : 'd.setInt8(p++, -1);');
    else if (compact) this.#out.add('d.setInt8(p++, 0);');
    else if (kind === 'string') this.#out.add('d.setInt16(p, -1);', 'p += 2;');
    else this.#out.add('d.setInt32(p, -1);', 'p += 4;');
  }

  #array({ compact, element }: WireField, value: string, path: string): void {
    const out = this.#out;
    const index = out.name('i');
    const inner = present(element, 'the element of an array');
    if (compact) {
      out.add(`p = t.varint(p, ${value}.length + 1);`, 'd = t.view;');
    } else {
      this.#ensure(4);
      out.add(`d.setInt32(p, ${value}.length);`, 'p += 4;');
    }
    out.add(`for (let ${index} = 0; ${index} < ${value}.length; ${index}++) {`);
    const item = out.name(inner.kind === 'struct' ? 'm' : 'element');
    out.add(`const ${item} = ${value}[${index}];`);
    this.#room = 0;
    if (inner.layout) {
      this.#struct(inner.layout, item, `${path}[]`);
    } else {
      this.#makeRoom([inner]);
      this.#field(inner, item, `${path}[]`);
    }
    out.add('}');
  }

  #nestedStruct(field: WireField, value: string, path: string): void {
    if (field.nullable) {
      this.#ensure(1);
      this.#out.add('d.setInt8(p++, 1);');
    }
    this.#struct(present(field.layout, 'the layout of a struct'), value, path);
  }

  /** The tag buffer: those tagged fields that differ from their defaults, in the order of their tags. */
  #tagged(fields: readonly WireField[], object: string, pathOf: (field: WireField) => string): void {
    const out = this.#out;
    const tagged = fields.filter(({ place }) => place === 'tagged').sort((a, b) => a.tag - b.tag);
    if (tagged.length === 0) {
      if (this.#room < 1) this.#ensure(1);
      out.add('d.setInt8(p++, 0);');
      this.#room = 0;
      return;
    }
    const candidates = tagged.map((field) => {
      const value = out.name(field.name);
      const condition = out.name('has');
      out.add(`const ${value} = ${object}.${field.name};`, `const ${condition} = ${differs(field, value)};`);
      return { field, value, condition };
    });
    out.add(
      `p = t.varint(p, ${candidates.map(({ condition }) => `(${condition} ? 1 : 0)`).join(' + ')});`,
      'd = t.view;',
    );
    for (const { field, value, condition } of candidates) {
      const start = out.name('start');
      out.add(`if (${condition}) {`, `p = t.varint(p, ${field.tag});`, 'd = t.view;');
      this.#ensure(17);
      out.add(`const ${start} = ++p;`);
      this.#room = 0;
      this.#makeRoom([field]);
      this.#field(field, value, pathOf(field));
      out.add(`p = t.tagSize(${start}, p);`, 'd = t.view;', '}');
    }
    this.#room = 0;
  }
}

/** A condition that holds if the value of a tagged field was given and is not its default. */
function differs(field: WireField, value: string): string {
  return `${value} !== undefined && ${differsFromDefault(field, value)}`;
}

function differsFromDefault(
  { kind, default: otherwise, nullable, layout }: WireField,
  value: string,
): string {
  if (otherwise !== undefined) return `${value} !== ${JSON.stringify(otherwise)}`;
  if (kind !== 'struct')
    return nullable ? `(${value} === null || ${value}.length !== 0)` : `${value}.length !== 0`;
  const inner = (layout?.fields ?? []).filter(({ place }) => place !== 'absent');
  const different = inner.map((member) => `(${differs(member, `${value}.${member.name}`)})`).join(' || ');
  return nullable ? `(${value} === null || ${different || 'false'})` : `(${different || 'false'})`;
}
