// From the layout of a message to a function that decodes it, in the form that one would write by hand: a position, one
// bounds check for each run of fields of known size, one object literal for each struct. Absent fields are there with
// their defaults, so that all versions of a message have objects of one shape.
//
//   b  the buffer          p  the position in it          e…  the end of the message or of the tagged field
//   t  decoding.ts         k… constants                   budget  elements that arrays may still have
import { present } from '../../base/assert.js';
import { decoding, ELEMENTS_MAX, type Run, STRING_BYTES_MAX } from './decoding.js';
import { headBytes, isFixed, type Layout, leastBytes, type WireField } from './layout.js';
import { FIXED_BYTES, type FixedKind, type Kind } from './schema.js';
import { SourceWriter } from './source-writer.js';

/** Decodes what lies in [start, end) of the buffer, and may end before `end`; then {@link decoding}.position says where. */
export type Decoder = (bytes: Buffer, start: number, end: number) => unknown;

/** @param name of the message with its version, for errors */
export function compileDecoder(name: string, layout: Layout): Decoder {
  return new DecoderCompiler(name).compile(layout);
}

const EMPTY: readonly never[] = Object.freeze([]);
const EMPTY_BYTES = Buffer.alloc(0);
const EMPTY_RECORDS = Object.freeze({ bytes: EMPTY_BYTES, start: 0, length: 0 });

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** The value of a field that is not on the wire. */
function defaultValue(field: WireField): unknown {
  if (field.default !== undefined) return field.default;
  if (field.kind === 'array') return EMPTY;
  if (field.kind === 'bytes') return EMPTY_BYTES;
  if (field.kind === 'records') return EMPTY_RECORDS;
  const fields = field.layout?.fields ?? [];
  return Object.freeze(Object.fromEntries(fields.map((inner) => [inner.name, defaultValue(inner)])));
}

function byteAt(offset: number): string {
  return offset === 0 ? 'b[p]' : `b[p + ${offset}]`;
}

function int32At(offset: number): string {
  const [first, second, third, fourth] = [0, 1, 2, 3].map((index) => byteAt(offset + index));
  return `(${first} << 24 | ${second} << 16 | ${third} << 8 | ${fourth})`;
}

/** The value of a fixed field at the position. */
function fixedValue(kind: FixedKind): string {
  switch (kind) {
    case 'boolean':
      return 'b[p] !== 0';
    case 'int8':
      return 'b[p] << 24 >> 24';
    case 'int16':
      return '(b[p] << 8 | b[p + 1]) << 16 >> 16';
    case 'uint16':
      return 'b[p] << 8 | b[p + 1]';
    case 'int32':
      return int32At(0);
    case 'int64':
      return `${int32At(0)} * 4294967296 + (${int32At(4)} >>> 0)`;
    case 'float64':
      return 'b.readDoubleBE(p)';
    case 'uuid':
      return 't.uuid(b, p)';
  }
}

/** The value of `n` bytes at the position. */
function viewOf(kind: Kind): string {
  if (kind === 'string') return 't.text(b, p, p + n)';
  return kind === 'bytes' ? 'b.subarray(p, p + n)' : '{ bytes: b, start: p, length: n }';
}

class DecoderCompiler {
  readonly #out = new SourceWriter();
  readonly #name: string;
  /** The name of the variable that holds the current end. */
  #end = 'e';
  /** Bytes from the position on that were checked already. */
  #checked = 0;

  constructor(name: string) {
    this.#name = name;
  }

  compile(layout: Layout): Decoder {
    this.#out.add('let p = start;', `let budget = ${ELEMENTS_MAX};`, 'let n = 0;');
    const value = this.#struct(layout, '');
    this.#out.add(`const message = ${value};`, 't.position = p;', 'return message;');
    return this.#out.build('decode', 'b, start, e', decoding) as Decoder;
  }

  /** What errors call the field. */
  #label(path: string): string {
    return `${this.#name}: ${path}`;
  }

  #path(path: string): string {
    return JSON.stringify(this.#label(path));
  }

  /** Writes the decoding of a struct and returns the expression for it. */
  #struct({ fields, flexible }: Layout, path: string): string {
    const members = new Map<string, string>();
    const positional = fields.filter(({ place }) => place === 'positional');
    this.#checked = 0;
    positional.forEach((field, index) => {
      this.#check(positional.slice(index), flexible, path);
      members.set(field.name, this.#field(field, join(path, field.name)));
    });
    if (flexible) {
      this.#check([], flexible, path);
      this.#tagged(fields, members, path);
    }
    const literal = fields.map(
      (field) => `${field.name}: ${members.get(field.name) ?? this.#default(field)}`,
    );
    return `{ ${literal.join(', ')} }`;
  }

  #default(field: WireField): string {
    const value = defaultValue(field);
    return typeof value === 'object' && value !== null ? this.#out.constant(value) : JSON.stringify(value);
  }

  /**
   * Checks the bounds for the next fields of a struct, as far as their sizes are known, unless that was done. A struct that
   * `endsWithTags` has one byte more at least.
   */
  #check(next: readonly WireField[], endsWithTags: boolean, path: string): void {
    if (this.#checked >= (next[0] ? headBytes(next[0]) : 1)) return;
    const run: { path: string; bytes: number }[] = [];
    let fixed = 0;
    for (const field of next) {
      if (headBytes(field) === 0) break;
      run.push({ path: this.#label(join(path, field.name)), bytes: headBytes(field) });
      if (!isFixed(field.kind)) break;
      fixed++;
    }
    if (endsWithTags && fixed === next.length) run.push({ path: this.#label(join(path, 'tags')), bytes: 1 });
    this.#refuseTruncated(run);
  }

  #refuseTruncated(run: Run): void {
    const bytes = run.reduce((sum, member) => sum + member.bytes, 0);
    const what = this.#out.constant(run);
    this.#out.add(`if (${this.#end} - p < ${bytes}) t.truncated(${what}, p, ${this.#end});`);
    this.#checked = bytes;
  }

  /** Writes the decoding of a field whose first bytes were checked; returns the expression for its value. */
  #field(field: WireField, path: string): string {
    const { kind } = field;
    if (isFixed(kind)) {
      const value = this.#out.name(field.name || 'element');
      this.#out.add(`${kind === 'int64' ? 'let' : 'const'} ${value} = ${fixedValue(kind)};`);
      if (kind === 'int64') this.#int64Check(value, field.clamp, path);
      this.#out.add(`p += ${FIXED_BYTES[kind]};`);
      this.#checked -= FIXED_BYTES[kind];
      return value;
    }
    if (kind === 'struct') return this.#nestedStruct(field, path);
    this.#length(field, path);
    this.#checked = 0;
    return kind === 'array' ? this.#array(field, path) : this.#stretch(field, path);
  }

  #int64Check(value: string, clamp: boolean, path: string): void {
    const max = Number.MAX_SAFE_INTEGER;
    const call = `t.unsafeInt64(${value}, ${clamp}, ${this.#path(path)}, p)`;
    this.#out.add(`if (${value} > ${max} || ${value} < -${max}) ${value} = ${call};`);
  }

  /** Reads a length or count into `n`; -1 means null. */
  #length({ compact, kind }: WireField, path: string): void {
    if (compact) {
      this.#varint(path);
      this.#out.add('n -= 1;');
    } else if (kind === 'string') {
      this.#out.add(`n = ${fixedValue('int16')};`, 'p += 2;');
    } else {
      this.#out.add(`n = ${fixedValue('int32')};`, 'p += 4;');
    }
  }

  /** Reads an unsigned varint into `n`; its first byte is in bounds. */
  #varint(path: string): void {
    this.#out.add(
      'n = b[p++];',
      'if (n > 127) {',
      `n = t.longVarint(b, p, ${this.#end}, n, ${this.#path(path)});`,
      'p = t.position;',
      '}',
    );
  }

  /** A string, bytes or records of `n` bytes. */
  #stretch({ kind, name, nullable }: WireField, path: string): string {
    const out = this.#out;
    const value = out.name(name || 'element');
    const left = `${this.#end} - p`;
    const tooLong = kind === 'string' ? `n > ${left} || n > ${STRING_BYTES_MAX}` : `n > ${left}`;
    const check = `if (n < 0 || ${tooLong}) t.badLength(n, ${left}, ${this.#path(path)}, p);`;
    const view = viewOf(kind);
    if (nullable) {
      out.add(`let ${value} = null;`, 'if (n !== -1) {', check, `${value} = ${view};`, 'p += n;', '}');
    } else {
      out.add(check, `const ${value} = ${view};`, 'p += n;');
    }
    return value;
  }

  #array(field: WireField, path: string): string {
    const out = this.#out;
    const value = out.name(field.name || 'element');
    const count = out.name('count');
    const index = out.name('i');
    const element = present(field.element, 'the element of an array');
    const least = Math.max(1, leastBytes(element));
    out.add(`const ${count} = n;`);
    if (field.nullable) out.add(`let ${value} = null;`, `if (${count} !== -1) {`);
    const left = `${this.#end} - p`;
    out.add(
      `if (${count} < 0 || ${count} > (${left}) / ${least}) t.badCount(${count}, ${left}, ${this.#path(path)}, p);`,
      `if ((budget -= ${count}) < 0) t.tooManyElements(${this.#path(path)}, p);`,
      `${field.nullable ? '' : 'const '}${value} = new Array(${count});`,
      `for (let ${index} = 0; ${index} < ${count}; ${index}++) {`,
    );
    const elementPath = `${path}[]`;
    // A count that fits makes elements of a fixed size fit.
    this.#checked = isFixed(element.kind) ? least : 0;
    if (this.#checked < headBytes(element)) {
      this.#refuseTruncated([{ path: this.#label(elementPath), bytes: headBytes(element) }]);
    }
    out.add(`${value}[${index}] = ${this.#field(element, elementPath)};`, '}');
    if (field.nullable) out.add('}');
    this.#checked = 0;
    return value;
  }

  #nestedStruct(field: WireField, path: string): string {
    const layout = present(field.layout, 'the layout of a struct');
    if (!field.nullable) {
      const literal = this.#struct(layout, path);
      this.#checked = 0;
      return literal;
    }
    const out = this.#out;
    const value = out.name(field.name);
    out.add(`let ${value} = null;`);
    if (field.place === 'tagged') this.#varint(path);
    else out.add(`n = ${fixedValue('int8')};`, 'p += 1;');
    out.add(field.place === 'tagged' ? 'if (n !== 0) {' : 'if (n >= 0) {');
    out.add(`${value} = ${this.#struct(layout, path)};`, '}');
    this.#checked = 0;
    return value;
  }

  /** The tag buffer, whose first byte is in bounds. */
  #tagged(fields: readonly WireField[], members: Map<string, string>, path: string): void {
    const out = this.#out;
    const tagsPath = join(path, 'tags');
    const known = fields.filter(({ place }) => place === 'tagged');
    for (const field of known) {
      const variable = out.name(field.name);
      members.set(field.name, variable);
      out.add(`let ${variable} = ${this.#default(field)};`);
    }
    this.#checked = 0;
    if (known.length === 0) {
      out.add(`if (b[p++] !== 0) p = t.skipTags(b, p - 1, ${this.#end}, ${this.#path(tagsPath)});`);
      return;
    }
    this.#varint(tagsPath);
    const [count, tagEnd] = [out.name('tags'), out.name('e')];
    out.add(
      `for (let ${count} = n; ${count} > 0; ${count}--) {`,
      `n = t.tag(b, p, ${this.#end}, ${this.#path(tagsPath)});`,
      'p = t.position;',
      `const ${tagEnd} = t.tagEnd;`,
    );
    const outerEnd = this.#end;
    this.#end = tagEnd;
    for (const field of known) {
      out.add(`${field === known[0] ? '' : '} else '}if (n === ${field.tag}) {`);
      const fieldPath = join(path, field.name);
      this.#check([field], false, path);
      out.add(`${members.get(field.name)} = ${this.#field(field, fieldPath)};`);
      out.add(`if (p !== ${tagEnd}) t.fail(${this.#path(fieldPath)}, p, 'does not fill its tag');`);
      this.#checked = 0;
    }
    // Tags of later versions are skipped.
    out.add('} else {', `p = ${tagEnd};`, '}', '}');
    this.#end = outerEnd;
  }
}
