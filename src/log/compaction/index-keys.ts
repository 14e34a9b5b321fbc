import { addOffset, toOffset } from '../../base/ids.js';
import type { Disk } from '../../io/disk.js';
import type { IndexKeysInput, IndexKeysOutput } from './compaction-jobs.js';
import { KeyOffsets } from './key-offsets.js';
import { readBatches } from './read-batches.js';

/** The job `index-keys`. Markers of transactions have no keys. Throws and takes memory as {@link readBatches} does. */
export function indexKeys(disk: Disk, input: IndexKeysInput): IndexKeysOutput {
  const { minOffset } = input;
  const keys = new KeyOffsets(input.keys);
  let indexedTo = minOffset;
  let full = false;
  const nextPosition = readBatches(disk, input, (batch) => {
    if (batch.lastOffset < minOffset) return true;
    const walk = batch.isControl ? null : batch.walk();
    while (walk?.next()) {
      const { cursor } = walk;
      // A plain number, which costs less than `walk.offset` in a loop over millions.
      const offset = batch.baseOffset + cursor.offsetDelta;
      if (offset < minOffset || cursor.keyLength < 0) continue;
      if (keys.put(walk.bytes, cursor.keyStart, cursor.keyLength, offset)) continue;
      full = true;
      indexedTo = toOffset(offset);
      return false;
    }
    indexedTo = addOffset(batch.lastOffset, 1);
    return true;
  });
  return { nextPosition, indexedTo, full };
}
