// Walks the records inside a batch without allocating: validation, look-ups by time, compaction and decoding share it.
//
//   length varint (of what follows) | attributes int8 | timestampDelta varlong | offsetDelta varint
//   keyLength varint (-1 null) | key | valueLength varint (-1 null) | value
//   headerCount varint | per header: keyLength varint | key | valueLength varint (-1 null) | value
//
// Source: Kafka's "Message Format" documentation, "Record".
import { VarintReader } from './varint.js';

/** A byte from here on begins a number of several bytes; also stands for "not there". */
const LONGER = 0x80;

/**
 * After {@link next} returned true the fields describe one record by its positions in the bytes. Every length was checked
 * against what is left of the record, the headers' too.
 */
export class RecordCursor {
  timestampDelta = 0;
  offsetDelta = 0;
  keyStart = 0;
  /** -1: null. */
  keyLength = 0;
  valueStart = 0;
  /** -1: null. */
  valueLength = 0;
  headerCount = 0;
  /** Where the first header begins. */
  headersStart = 0;
  /** Where the record begins, at its length, and where it ends. */
  recordStart = 0;
  recordEnd = 0;
  /** What is wrong after {@link next} returned false. */
  problem = '';
  readonly #reader: VarintReader;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#reader = new VarintReader(bytes, start, end);
    this.recordEnd = start;
  }

  /** Starts over in other bytes. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    const reader = this.#reader;
    reader.bytes = bytes;
    reader.limit = end;
    reader.failed = false;
    this.recordEnd = start;
    this.problem = '';
  }

  get isAtEnd(): boolean {
    return this.recordEnd === this.#reader.limit;
  }

  /** Goes on to the next record; false if there is none or it is malformed, see {@link problem}. */
  next(): boolean {
    // This runs for each record that the broker takes. Hence the numbers of one byte, which most are, are read here from
    // local variables, three times as fast as by the reader; the reader does the longer ones, and whatever is wrong.
    const reader = this.#reader;
    const { bytes, limit } = reader;
    const start = this.recordEnd;
    let position = start;
    let bits = position < limit ? (bytes[position++] as number) : LONGER;
    if (bits >= LONGER) {
      bits = reader.unsignedVarintAt(start);
      position = reader.position;
    }
    const end = position + ((bits >>> 1) ^ -(bits & 1));
    if (reader.failed) return this.#fail('its length is cut off or malformed');
    if (end < position || end > limit) return this.#fail('its length reaches past the end of the batch');

    position++; // The attributes, which have no meaning yet.
    let timestampDelta = position < end ? (bytes[position] as number) : LONGER;
    if (timestampDelta < LONGER) {
      timestampDelta = (timestampDelta >>> 1) ^ -(timestampDelta & 1);
      position++;
    } else {
      timestampDelta = reader.varlongAt(position);
      position = reader.position;
    }

    bits = position < end ? (bytes[position] as number) : LONGER;
    if (bits < LONGER) position++;
    else {
      bits = reader.unsignedVarintAt(position);
      position = reader.position;
    }
    const offsetDelta = (bits >>> 1) ^ -(bits & 1);

    bits = position < end ? (bytes[position] as number) : LONGER;
    if (bits < LONGER) position++;
    else {
      bits = reader.unsignedVarintAt(position);
      position = reader.position;
    }
    const keyLength = (bits >>> 1) ^ -(bits & 1);
    const keyStart = position;
    if (keyLength > 0) position += keyLength;

    bits = position < end ? (bytes[position] as number) : LONGER;
    if (bits < LONGER) position++;
    else {
      bits = reader.unsignedVarintAt(position);
      position = reader.position;
    }
    const valueLength = (bits >>> 1) ^ -(bits & 1);
    const valueStart = position;
    if (valueLength > 0) position += valueLength;

    bits = position < end ? (bytes[position] as number) : LONGER;
    if (bits < LONGER) position++;
    else {
      bits = reader.unsignedVarintAt(position);
      position = reader.position;
    }
    const headerCount = (bits >>> 1) ^ -(bits & 1);

    if (reader.failed) return this.#fail('a number in it is cut off or malformed');
    if (keyLength < -1 || valueLength < -1) return this.#fail('its key or value has a negative length');
    if (headerCount !== 0) {
      reader.position = position;
      if (!this.#skipHeaders(headerCount, end)) return false;
    } else if (position !== end) return this.#fail('its fields do not add up to its length');

    this.timestampDelta = timestampDelta;
    this.offsetDelta = offsetDelta;
    this.keyStart = keyStart;
    this.keyLength = keyLength;
    this.valueStart = valueStart;
    this.valueLength = valueLength;
    this.headerCount = headerCount;
    this.headersStart = position;
    this.recordStart = start;
    this.recordEnd = end;
    return true;
  }

  #skipHeaders(count: number, end: number): boolean {
    const reader = this.#reader;
    // A header takes two bytes at least.
    if (count < 0 || count > (end - reader.position) / 2)
      return this.#fail('its header count is not possible');
    for (let i = 0; i < count; i++) {
      const keyLength = reader.varint();
      if (keyLength < 0) return this.#fail('a header key has a negative length');
      reader.position += keyLength;
      const valueLength = reader.varint();
      if (valueLength < -1) return this.#fail('a header value has a negative length');
      if (valueLength > 0) reader.position += valueLength;
      if (reader.failed || reader.position > end)
        return this.#fail('a header reaches past the end of the record');
    }
    if (reader.position !== end) return this.#fail('its fields do not add up to its length');
    return true;
  }

  #fail(problem: string): false {
    this.problem = problem;
    return false;
  }
}
