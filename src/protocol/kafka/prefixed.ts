// Data that is neither request nor response begins with an int16 that says what it is: keys of internal topics with the
// type of the record, their values and the blobs of the group protocol with the version of what follows.
import { OdradekError } from '../../base/errors.js';
import { encoding } from './encoding.js';
import type { Message } from './message.js';
import type { DecodedFields, EncodableFields, Fields } from './schema.js';

const PREFIX_BYTES = 2;

/**
 * The prefix of these bytes.
 *
 * @throws OdradekError ODR_PROTOCOL if they are too short to have one
 */
export function readPrefix(bytes: Buffer): number {
  if (bytes.length >= PREFIX_BYTES) return bytes.readInt16BE(0);
  throw new OdradekError('ODR_PROTOCOL', `${bytes.length} bytes are too short for a type or a version.`);
}

/**
 * The message behind the prefix; surplus bytes are ignored.
 *
 * @throws OdradekError ODR_PROTOCOL if the bytes are no such message or the version is not known
 */
export function decodePrefixed<F extends Fields>(
  message: Message<F>,
  version: number,
  bytes: Buffer,
): DecodedFields<F> {
  return message.decode(version, bytes, PREFIX_BYTES, Math.max(bytes.length, PREFIX_BYTES));
}

/** The message behind a prefix, which is its version unless said otherwise. It has no records in it. */
export function encodePrefixed<F extends Fields>(
  message: Message<F>,
  version: number,
  value: EncodableFields<F>,
  prefix: number = version,
): Uint8Array {
  encoding.begin();
  encoding.view.setInt16(0, prefix);
  return encoding.takeWhole(message.write(version, value, PREFIX_BYTES));
}
