import { assert } from '../../base/assert.js';
import { OdradekError } from '../../base/errors.js';
import { compileDecoder, type Decoder } from './compile-decoder.js';
import { compileEncoder, type Encoder } from './compile-encoder.js';
import { decoding } from './decoding.js';
import { encoding } from './encoding.js';
import { type Layout, layoutOf } from './layout.js';
import type { DecodedFields, EncodableFields, Fields } from './schema.js';
import {
  includesVersion,
  parseVersionRange,
  type VersionRange,
  type VersionRangeText,
} from './version-range.js';

export interface MessageOptions {
  readonly name: string;
  /** Versions that are served. */
  readonly versions: VersionRangeText;
  /** Versions that have compact lengths and tag buffers (KIP-482); null: none has. */
  readonly flexible: VersionRangeText | null;
}

/**
 * A message in all its versions: the table, and a decoder and an encoder for each version, compiled when they are first used.
 */
export class Message<F extends Fields> {
  readonly name: string;
  readonly versions: VersionRange;
  readonly fields: F;
  readonly #flexible: VersionRange | null;
  readonly #decoders: Decoder[] = [];
  readonly #encoders: Encoder[] = [];

  constructor({ name, versions, flexible }: MessageOptions, fields: F) {
    this.name = name;
    this.versions = parseVersionRange(versions);
    this.fields = fields;
    this.#flexible = flexible === null ? null : parseVersionRange(flexible);
    assert(Number.isFinite(this.versions.last), `the versions of ${name} have an end`);
  }

  /** Whether the version has compact lengths and tag buffers; defined for versions that are not served too. */
  isFlexible(version: number): boolean {
    return this.#flexible !== null && includesVersion(this.#flexible, version);
  }

  /** What is on the wire in this version. */
  layout(version: number): Layout {
    return layoutOf(this.fields, version, this.isFlexible(version));
  }

  /**
   * The message in [start, end) of the buffer. Bytes and records are views of it, valid as long as it keeps them; strings
   * are not. Bytes that follow the message are ignored, as Kafka does.
   *
   * @throws OdradekError ODR_PROTOCOL if the bytes are no such message or the version is not served
   */
  decode(version: number, bytes: Buffer, start = 0, end = bytes.length): DecodedFields<F> {
    const decode = this.#decoders[version] ?? this.#decoder(version);
    return decode(bytes, start, end) as DecodedFields<F>; // The decoder was made from the fields that the type comes from.
  }

  /** As {@link decode}; with the position behind the message. */
  decodePrefix(
    version: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): { value: DecodedFields<F>; end: number } {
    const value = this.decode(version, bytes, start, end);
    return { value, end: decoding.position };
  }

  /**
   * The message as pieces to be sent one after the other: memory of its own, and between them the records uncopied.
   *
   * @throws OdradekError ODR_PROTOCOL if the version is not served or a string is too long
   * @throws AssertionError if a field is missing or out of range
   */
  encode(version: number, message: EncodableFields<F>): Uint8Array[] {
    encoding.begin();
    return encoding.takeBytes(this.write(version, message, 0));
  }

  /** Writes the message to encoding.ts's buffer and returns the position after it; for what is made of several messages. */
  write(version: number, message: EncodableFields<F>, start: number): number {
    const encode = this.#encoders[version] ?? this.#encoder(version);
    return encode(message, start);
  }

  #decoder(version: number): Decoder {
    this.#refuseUnserved(version);
    const decoder = compileDecoder(`${this.name} v${version}`, this.layout(version));
    this.#decoders[version] = decoder;
    return decoder;
  }

  #encoder(version: number): Encoder {
    this.#refuseUnserved(version);
    const encoder = compileEncoder(`${this.name} v${version}`, this.layout(version));
    this.#encoders[version] = encoder;
    return encoder;
  }

  #refuseUnserved(version: number): void {
    if (Number.isInteger(version) && includesVersion(this.versions, version)) return;
    const { first, last } = this.versions;
    throw new OdradekError(
      'ODR_PROTOCOL',
      `${this.name} v${version} is not served, only v${first} to v${last}.`,
    );
  }
}

/** A message of this table as its decoder returns it. */
export type Decoded<M> = M extends Message<infer F> ? DecodedFields<F> : never;

/** A message of this table as its encoder takes it. */
export type Encodable<M> = M extends Message<infer F> ? EncodableFields<F> : never;
