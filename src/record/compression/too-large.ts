/** A decompression has reached its bound. */
export class InflatesTooLarge extends Error {}

/** The error of a decompression that reaches its bound. */
export function tooLarge(maxOutputBytes: number): Error {
  return new InflatesTooLarge(`it inflates to more than ${maxOutputBytes} bytes`);
}
