import { OdradekError } from '../../base/errors.js';
import { LineSplitter } from './line-splitter.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const SPACE = 0x20;
const COLON = 0x3a;

const isBlank = (byte: number): boolean => byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * Cuts a stream of bytes into JSON documents: the elements of one array if the first byte that is not blank is `[`, else one
 * document a line; empty lines do not count. The documents are not checked to be valid JSON, only cut.
 */
export class JsonSplitter {
  readonly #documentBytesMax: number;
  #splitter: LineSplitter | ArraySplitter | null = null;

  constructor(documentBytesMax: number) {
    this.#documentBytesMax = documentBytesMax;
  }

  push(chunk: Buffer): Buffer[] {
    if (this.#splitter !== null) return documentsIn(this.#splitter.push(chunk));
    const first = withoutMark(chunk).findIndex((byte) => !isBlank(byte));
    if (first < 0) return [];
    const content = withoutMark(chunk).subarray(first);
    const array = content[0] === OPEN_BRACKET;
    this.#splitter = array
      ? new ArraySplitter(this.#documentBytesMax)
      : new LineSplitter(this.#documentBytesMax);
    return documentsIn(this.#splitter.push(content));
  }

  end(): Buffer[] {
    return this.#splitter === null ? [] : documentsIn(this.#splitter.end());
  }
}

const invalidInput = (message: string) => new OdradekError('ODR_USAGE', message);

/** Some editors begin a file with a byte order mark. */
function withoutMark(chunk: Buffer): Buffer {
  return chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? chunk.subarray(3) : chunk;
}

const documentsIn = (pieces: readonly Buffer[]): Buffer[] => pieces.filter((piece) => !piece.every(isBlank));

const isStructural = (byte: number | undefined): boolean =>
  byte === COMMA ||
  byte === COLON ||
  byte === OPEN_BRACKET ||
  byte === CLOSE_BRACKET ||
  byte === OPEN_BRACE ||
  byte === CLOSE_BRACE;

/** Cuts `[a, b, …]` into its elements and drops the blanks beside brackets, commas and colons, so that each is one line. */
class ArraySplitter {
  readonly #elementBytesMax: number;
  /** Brackets and braces that are open: 0 before the array, 1 between its elements. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #closed = false;
  /** Blanks came since the last byte that counts. */
  #blank = false;
  #elements = 0;
  /** The element that has begun. */
  #element: Buffer = Buffer.allocUnsafe(4096);
  #elementBytes = 0;

  constructor(elementBytesMax: number) {
    this.#elementBytesMax = elementBytesMax;
  }

  push(chunk: Buffer): Buffer[] {
    const elements: Buffer[] = [];
    for (const byte of chunk) {
      if (this.#inString) this.#pushStringByte(byte);
      else if (isBlank(byte)) this.#blank = true;
      else this.#pushToken(byte, elements);
    }
    return elements;
  }

  end(): Buffer[] {
    if (!this.#closed) throw invalidInput('The JSON array is not closed: the input ends too early.');
    return [];
  }

  #pushStringByte(byte: number): void {
    this.#keep(byte);
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }

  #pushToken(byte: number, elements: Buffer[]): void {
    if (this.#closed) throw invalidInput('There is more input after the end of the JSON array.');
    if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      if (this.#depth++ > 0) this.#keepToken(byte);
      return;
    }
    if (byte === COMMA && this.#depth === 1) {
      elements.push(this.#take());
      return;
    }
    if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      if (--this.#depth === 0) {
        this.#close(byte, elements);
        return;
      }
    }
    this.#inString = byte === QUOTE;
    this.#keepToken(byte);
  }

  /** Two values without a comma between them must not become one: such a blank is kept, and the document is not JSON. */
  #keepToken(byte: number): void {
    const previous = this.#elementBytes === 0 ? COMMA : this.#element[this.#elementBytes - 1];
    if (this.#blank && !isStructural(byte) && !isStructural(previous)) this.#keep(SPACE);
    this.#blank = false;
    this.#keep(byte);
  }

  #close(byte: number, elements: Buffer[]): void {
    if (byte !== CLOSE_BRACKET) throw invalidInput('The JSON array is closed by a brace.');
    this.#closed = true;
    if (this.#elementBytes > 0 || this.#elements > 0) elements.push(this.#take());
  }

  #take(): Buffer {
    this.#elements++;
    if (this.#elementBytes === 0)
      throw invalidInput(`Element ${this.#elements} of the JSON array is missing.`);
    const element = Buffer.from(this.#element.subarray(0, this.#elementBytes));
    this.#elementBytes = 0;
    return element;
  }

  #keep(byte: number): void {
    if (this.#elementBytes === this.#element.length) this.#grow();
    this.#element[this.#elementBytes++] = byte;
  }

  #grow(): void {
    if (this.#elementBytes >= this.#elementBytesMax) {
      throw invalidInput(
        `Element ${this.#elements + 1} of the JSON array is longer than ${this.#elementBytesMax} bytes.`,
      );
    }
    const larger = Buffer.allocUnsafe(Math.min(this.#element.length * 2, this.#elementBytesMax));
    this.#element.copy(larger, 0, 0, this.#elementBytes);
    this.#element = larger;
  }
}
