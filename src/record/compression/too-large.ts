/** The error of a decompression that reaches its bound. */
export function tooLarge(maxOutputBytes: number): Error {
  return new Error(`it inflates to more than ${maxOutputBytes} bytes`);
}
