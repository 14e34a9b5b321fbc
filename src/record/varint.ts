// Variable-length integers: seven bits a byte, the low ones first, the top bit set while more follow. Records use the
// zigzag form (0, -1, 1, -2 … become 0, 1, 2, 3 …) as varint (int32, at most 5 bytes) and varlong (int64, at most 10);
// the unsigned form counts things elsewhere in the protocol. Source: Kafka's "Message Format" documentation.

const MAX_VARLONG_BYTES = 10;

/** Writes an int32 in zigzag form and returns the position after it. The buffer must have room for 5 bytes. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  return writeUnsignedVarint(bytes, position, (value << 1) ^ (value >> 31));
}

/** Writes a uint32 (or the bits of an int32) and returns the position after it; at most 5 bytes. */
export function writeUnsignedVarint(bytes: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = value;
  while (rest >>> 0 > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** Writes a safe integer in zigzag form and returns the position after it; at most 8 bytes. */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  if ((value | 0) === value) return writeVarint(bytes, position, value);
  // Bit 0 is the sign, the rest the magnitude; taken apart so that nothing beyond 2^53 arises on the way.
  const magnitude = value < 0 ? -value - 1 : value;
  let at = position;
  bytes[at++] = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0) | 0x80;
  let rest = Math.floor(magnitude / 64);
  while (rest > 0x7f) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}

/** How many bytes {@link writeVarint} takes for the value. */
export function varintBytes(value: number): number {
  return unsignedVarintBytes((value << 1) ^ (value >> 31));
}

/** How many bytes {@link writeUnsignedVarint} takes for the value. */
export function unsignedVarintBytes(value: number): number {
  const bits = value >>> 0;
  if (bits < 0x80) return 1;
  if (bits < 0x4000) return 2;
  if (bits < 0x20_0000) return 3;
  return bits < 0x1000_0000 ? 4 : 5;
}

/** How many bytes {@link writeVarlong} takes for the value. */
export function varlongBytes(value: number): number {
  if ((value | 0) === value) return varintBytes(value);
  let rest = Math.floor((value < 0 ? -value - 1 : value) / 64);
  let bytes = 1;
  while (rest > 0) {
    bytes++;
    rest = Math.floor(rest / 128);
  }
  return bytes;
}

/**
 * Reads varints one after the other up to a limit. It never throws: whatever is malformed or reaches past the limit sets
 * `failed` and reads as 0, so that a caller checks once for many reads.
 */
export class VarintReader {
  bytes: Uint8Array;
  position: number;
  /** Exclusive; at most the length of `bytes`. */
  limit: number;
  failed = false;

  constructor(bytes: Uint8Array, position = 0, limit = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.limit = limit;
  }

  /** An int32 in zigzag form. */
  varint(): number {
    const bits = this.unsignedVarint();
    return (bits >>> 1) ^ -(bits & 1);
  }

  /** A uint32. */
  unsignedVarint(): number {
    const { bytes, position } = this;
    // Nearly all take one or two bytes.
    if (position + 1 < this.limit) {
      const first = bytes[position] as number;
      if (first < 0x80) {
        this.position = position + 1;
        return first;
      }
      const second = bytes[position + 1] as number;
      if (second < 0x80) {
        this.position = position + 2;
        return (first & 0x7f) | (second << 7);
      }
    }
    return this.#anyUnsignedVarint();
  }

  unsignedVarintAt(position: number): number {
    this.position = position;
    return this.unsignedVarint();
  }

  /** An int64 in zigzag form, which must be a safe integer. */
  varlong(): number {
    const { position } = this;
    if (position < this.limit) {
      const first = this.bytes[position] as number;
      if (first < 0x80) {
        this.position = position + 1;
        return (first >>> 1) ^ -(first & 1);
      }
    }
    return this.#anyVarlong();
  }

  varlongAt(position: number): number {
    this.position = position;
    return this.varlong();
  }

  #anyUnsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift <= 28 && this.position < this.limit; shift += 7) {
      const byte = this.bytes[this.position++] as number;
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    this.failed = true;
    return 0;
  }

  #anyVarlong(): number {
    let magnitude = 0;
    let scale = 64;
    let isNegative = false;
    for (let count = 0; count < MAX_VARLONG_BYTES && this.position < this.limit; count++) {
      const byte = this.bytes[this.position++] as number;
      if (count === 0) {
        isNegative = (byte & 1) === 1;
        magnitude = (byte & 0x7f) >>> 1;
      } else {
        magnitude += (byte & 0x7f) * scale;
        scale *= 128;
      }
      if (byte >= 0x80) continue;
      const value = isNegative ? -magnitude - 1 : magnitude;
      if (Number.isSafeInteger(value)) return value;
      break;
    }
    this.failed = true;
    return 0;
  }
}
