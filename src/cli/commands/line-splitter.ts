import { OdradekError } from '../../base/errors.js';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Cuts a stream of bytes into lines, without their ends (`\n` or `\r\n`). A last line without an end counts. Lines are views
 * of the bytes given, so the caller must not reuse them.
 */
export class LineSplitter {
  readonly #lineBytesMax: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The lines that these bytes complete. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(this.#line(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  /** The last line, if it had no end. */
  end(): Buffer[] {
    return this.#restBytes === 0 ? [] : [this.#line(Buffer.alloc(0))];
  }

  #line(tail: Buffer): Buffer {
    let line = tail;
    if (this.#restBytes > 0) {
      this.#keep(tail);
      line = Buffer.concat(this.#rest);
      this.#rest = [];
      this.#restBytes = 0;
    }
    this.#check(line.length);
    return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
  }

  #keep(bytes: Buffer): void {
    this.#rest.push(bytes);
    this.#restBytes += bytes.length;
    this.#check(this.#restBytes);
  }

  #check(bytes: number): void {
    if (bytes <= this.#lineBytesMax) return;
    throw new OdradekError('ODR_USAGE', `A line is longer than ${this.#lineBytesMax} bytes.`);
  }
}
