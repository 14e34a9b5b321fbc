// The quick part of the walk over the records of a produced batch. It knows the shape that nearly all records have: numbers of
// one or two bytes (timestamps up to four, offsets up to three), a place in the row that is what it must be. A broker does this for each
// record that it takes, ten million times a GB, so everything is kept in local variables, nothing is called for a record
// without headers, and no position is checked twice. Whatever is of another shape, or wrong, is left to RecordCursor: what
// this walk passes over the cursor would too, which is tested.
//
// That no byte behind the record counts is seen at the end: positions only grow, so if the last one is where the record
// ends, everything was read before it.

/** From here on a byte says that another one follows; also what that bit is worth in a number put together of two bytes. */
const LONGER = 0x80;
/** What stands before a key takes no more in that shape: length 2, attributes 1, timestamp 4, offset 3, the key's length 2. */
const FIXED_BYTES = 12;
/** The timestamps of records that are passed over lie so near to the batch's base timestamp. */
export const USUAL_DELTA_MAX_MS = 2 ** 27;

/** Where a walk stands. The owner makes one and uses it again. */
export interface UsualWalk {
  /** Where the next record begins. */
  position: number;
  /** How many records lie before it. */
  count: number;
  /** The smallest and the greatest timestamp delta that were seen, in ms. */
  minDeltaMs: number;
  maxDeltaMs: number;
}

/**
 * Goes on from where the walk stands, over records of the usual shape whose offset deltas count on, until there are `recordCount`
 * of them or one is not of that shape. `end` is where the last record must end; with `needsKeys` one without a key is none
 * of the usual ones.
 */
export function walkUsualRecords(
  bytes: Uint8Array,
  end: number,
  recordCount: number,
  needsKeys: boolean,
  walk: UsualWalk,
): void {
  let { position: start, count, minDeltaMs, maxDeltaMs } = walk;
  while (count < recordCount && start <= end - FIXED_BYTES) {
    let position = start;
    let bits = bytes[position++] as number;
    if (bits >= LONGER) {
      const high = bytes[position++] as number;
      if (high >= LONGER) break;
      bits += (high << 7) - LONGER;
    }
    const recordEnd = position + ((bits >>> 1) ^ -(bits & 1));
    if (recordEnd > end) break;
    position++; // The attributes, which have no meaning yet.

    bits = bytes[position++] as number;
    if (bits >= LONGER) {
      const second = bytes[position++] as number;
      bits += (second << 7) - LONGER;
      if (second >= LONGER) {
        const third = bytes[position++] as number;
        bits += (third - 1) << 14;
        if (third >= LONGER) {
          const fourth = bytes[position++] as number;
          if (fourth >= LONGER) break;
          bits += (fourth - 1) << 21;
        }
      }
    }
    const deltaMs = (bits >>> 1) ^ -(bits & 1);

    bits = bytes[position++] as number;
    if (bits >= LONGER) {
      const second = bytes[position++] as number;
      bits += (second << 7) - LONGER;
      if (second >= LONGER) {
        const third = bytes[position++] as number;
        if (third >= LONGER) break;
        bits += (third - 1) << 14;
      }
    }
    if (bits !== count << 1) break;

    bits = bytes[position++] as number;
    if (bits >= LONGER) {
      const high = bytes[position++] as number;
      if (high >= LONGER) break;
      bits += (high << 7) - LONGER;
    }
    if ((bits & 1) === 0) position += bits >>> 1;
    else if (bits !== 1 || needsKeys) break;
    if (position >= recordEnd) break;

    bits = bytes[position++] as number;
    if (bits >= LONGER) {
      if (position === recordEnd) break;
      const high = bytes[position++] as number;
      if (high >= LONGER) break;
      bits += (high << 7) - LONGER;
    }
    if ((bits & 1) === 0) position += bits >>> 1;
    else if (bits !== 1) break;
    if (position >= recordEnd) break;

    bits = bytes[position++] as number;
    if (bits !== 0) position = endOfHeaders(bytes, position, recordEnd, bits);
    if (position !== recordEnd) break;

    if (deltaMs < minDeltaMs) minDeltaMs = deltaMs;
    if (deltaMs > maxDeltaMs) maxDeltaMs = deltaMs;
    start = recordEnd;
    count++;
  }
  walk.position = start;
  walk.count = count;
  walk.minDeltaMs = minDeltaMs;
  walk.maxDeltaMs = maxDeltaMs;
}

/** Where headers end that begin at `position`; -1 if they are not of the usual shape. `countBits` is their number in zigzag form. */
function endOfHeaders(bytes: Uint8Array, position: number, recordEnd: number, countBits: number): number {
  if (countBits >= LONGER || (countBits & 1) === 1) return -1;
  let at = position;
  // Of each header first the key, then the value.
  for (let left = countBits; left > 0; left--) {
    if (at + 1 >= recordEnd)
      return at < recordEnd && left === 1 && isEmpty(bytes[at] as number) ? at + 1 : -1;
    let bits = bytes[at++] as number;
    if (bits >= LONGER) {
      const high = bytes[at++] as number;
      if (high >= LONGER) return -1;
      bits += (high << 7) - LONGER;
    }
    if ((bits & 1) === 0) at += bits >>> 1;
    else if (bits !== 1 || (left & 1) === 0) return -1; // Only a value may be null.
  }
  return at;
}

/** Whether these bits are the length of a value without bytes: of no bytes, or null. */
const isEmpty = (bits: number): boolean => bits < 2;
