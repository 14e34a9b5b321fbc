import type { Segment } from './segment.js';

/** What is wrong with a batch, and where. */
export interface CorruptBatch {
  readonly path: string;
  readonly position: number;
  readonly reason: string;
}

/** See `Log.forEachHeader`; `segments` are ascending. */
export function walkHeaders(
  segments: readonly Segment[],
  fromOffset: number,
  visit: (header: Buffer) => void,
): CorruptBatch | null {
  const floor = segments.findLastIndex((segment) => segment.baseOffset <= fromOffset);
  for (const segment of segments.slice(Math.max(floor, 0))) {
    const walker = segment.walk(fromOffset);
    while (walker.next()) if (walker.lastOffset >= fromOffset) visit(walker.header());
    const { problem: reason, position } = walker;
    if (reason) return { path: segment.path, position, reason };
  }
  return null;
}
