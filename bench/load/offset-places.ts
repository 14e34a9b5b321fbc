// Requests that are encoded once and sent many times, each time with other offsets.

/** Stands for an offset while a request is encoded; it is found by it and written over. */
export const OFFSET_PLACEHOLDER = 0x1234_5678_9abc;

const pattern = Buffer.alloc(8);
pattern.writeBigInt64BE(BigInt(OFFSET_PLACEHOLDER));

/** Where the placeholders are. Throws if they are not so many. */
export function offsetPlaces(frame: Buffer, count: number): readonly number[] {
  const places: number[] = [];
  for (let at = frame.indexOf(pattern); at >= 0; at = frame.indexOf(pattern, at + 8)) places.push(at);
  if (places.length !== count) throw new Error('A request was encoded in some other way.');
  return places;
}

export function writeOffset(frame: Buffer, place: number, offset: number): void {
  frame.writeBigInt64BE(BigInt(offset), place);
}
