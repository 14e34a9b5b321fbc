// The scan of a segment: what a job thread does for recovery after a crash, for the rebuilding of indexes and for the
// verification in the background of what a crash should not have touched. Stateless; changes nothing on disk.
import { crc32c } from '../base/crc32c.js';
import { type LeaderEpoch, type Offset, toLeaderEpoch, toOffset } from '../base/ids.js';
import type { Disk, DiskFile } from '../io/disk.js';
import {
  BATCH_HEADER_BYTES,
  CRC_START,
  readBaseOffset,
  readBatchBytes,
  readCrc,
  readLastOffset,
  readLeaderEpoch,
  readMaxTimestamp,
} from '../record/batch-header.js';
import { FileWindow, headerProblem } from './batch-walker.js';
import {
  findEntryBehind,
  OFFSET_ENTRY_BYTES,
  offsetEntryCount,
  putOffsetEntry,
  RELATIVE_OFFSET_MAX,
} from './offset-index.js';
import { putTimeEntry, TIME_ENTRY_BYTES } from './time-index.js';

export interface SegmentScanInput {
  /** The `.log` file. */
  readonly path: string;
  /** The segment's base offset, of which index entries are relative. */
  readonly baseOffset: Offset;
  /** Where to begin: the start of a batch. */
  readonly fromPosition: number;
  /** The smallest base offset that the first batch may have. */
  readonly minOffset: Offset;
  /** Where to end at the latest; null: at the end of the file. */
  readonly endPosition: number | null;
  /** Batches that end below this offset or begin before this position are stepped over without computing their checksum. */
  readonly verifyFromOffset: number;
  readonly verifyFromPosition: number;
  /** True: the scan ends at the first invalid batch. False: it goes on behind it, with the help of the index if it must. */
  readonly stopAtInvalid: boolean;
  readonly indexIntervalBytes: number;
  /** The greatest timestamp of what lies before `fromPosition` and the last offset of its batch; -1 if nothing does. */
  readonly maxTimestampMs: number;
  readonly maxTimestampOffset: number;
}

export interface InvalidBatch {
  readonly position: number;
  readonly reason: string;
}

export interface SegmentScanOutput {
  /** The size of the file. */
  readonly fileBytes: number;
  /** Where the valid batches end: the first invalid one, else the end. */
  readonly validBytes: number;
  /** One behind the last offset of the last valid batch; the input's `minOffset` if there was none. */
  readonly nextOffset: Offset;
  readonly maxTimestampMs: number;
  readonly maxTimestampOffset: number;
  /** Bytes of batches since the last entry of the offset index, or since `fromPosition`. */
  readonly bytesSinceIndexEntry: number;
  /** Entries for what was scanned, as the index files hold them. */
  readonly offsetIndex: Uint8Array;
  readonly timeIndex: Uint8Array;
  /** Where the leader epoch is another than in the batch before. Damage may make it go back. */
  readonly epochs: readonly { readonly epoch: LeaderEpoch; readonly startOffset: Offset }[];
  /** The first invalid batch, or with `stopAtInvalid: false` up to 100 of them. */
  readonly invalid: readonly InvalidBatch[];
}

declare module '../io/jobs.js' {
  interface JobTable {
    'scan-segment': { input: SegmentScanInput; output: SegmentScanOutput };
  }
}

const WINDOW_BYTES = 256 * 1024;
/** Enough to see what is wrong with a disk. */
const INVALID_MAX = 100;

/** Scans a segment; O(bytes to verify + batches), with a buffer of 256 KiB. Throws DiskError. */
export function scanSegment(disk: Disk, input: SegmentScanInput): SegmentScanOutput {
  const file = disk.open(input.path, 'read');
  try {
    return new SegmentScan(disk, file, input).run();
  } finally {
    disk.close(file);
  }
}

/** Index entries as they come. */
class EntryList {
  #bytes = Buffer.alloc(0);
  #length = 0;

  /** Room for one entry; returns where it begins in {@link buffer}. */
  add(entryBytes: number): number {
    if (this.#length + entryBytes > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(64 * entryBytes, this.#bytes.length * 2));
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    this.#length += entryBytes;
    return this.#length - entryBytes;
  }

  get buffer(): Buffer {
    return this.#bytes;
  }

  entries(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

class SegmentScan {
  readonly #disk: Disk;
  readonly #input: SegmentScanInput;
  readonly #window: FileWindow;
  readonly #fileBytes: number;
  readonly #endPosition: number;
  readonly #offsetIndex = new EntryList();
  readonly #timeIndex = new EntryList();
  readonly #epochs: { epoch: LeaderEpoch; startOffset: Offset }[] = [];
  readonly #invalid: InvalidBatch[] = [];
  #nextOffset: Offset;
  #maxTimestampMs: number;
  #maxTimestampOffset: number;
  #indexedTimestampMs: number;
  #bytesSinceIndexEntry = 0;

  constructor(disk: Disk, file: DiskFile, input: SegmentScanInput) {
    this.#disk = disk;
    this.#input = input;
    this.#fileBytes = disk.size(file);
    this.#endPosition = Math.min(input.endPosition ?? this.#fileBytes, this.#fileBytes);
    this.#window = new FileWindow(disk, file, Buffer.allocUnsafeSlow(WINDOW_BYTES));
    this.#nextOffset = input.minOffset;
    this.#maxTimestampMs = input.maxTimestampMs;
    this.#maxTimestampOffset = input.maxTimestampOffset;
    this.#indexedTimestampMs = input.maxTimestampMs;
  }

  run(): SegmentScanOutput {
    let position: number | null = Math.min(this.#input.fromPosition, this.#endPosition);
    let endPosition = position;
    while (position !== null && position < this.#endPosition) {
      const at = this.#header(position);
      const structure: string | null =
        at < 0 ? this.#shortReason(position) : this.#structureProblem(at, position);
      const reason: string | null =
        structure ?? (this.#verifies(at, position) ? this.#checksumProblem(position) : null);
      if (reason) this.#invalid.push({ position, reason });
      if (reason && (this.#input.stopAtInvalid || this.#invalid.length === INVALID_MAX)) break;
      position = structure ? this.#positionBehind(position) : this.#accept(position);
      if (!structure && position !== null) endPosition = position;
    }
    return this.#output(this.#invalid[0]?.position ?? endPosition);
  }

  #header(position: number): number {
    if (this.#endPosition - position < BATCH_HEADER_BYTES) return -1;
    return this.#window.at(position, BATCH_HEADER_BYTES, this.#readAheadBytes(position));
  }

  /** A batch that is only stepped over costs one small read if it is large. */
  #readAheadBytes(position: number): number {
    const verifies =
      this.#nextOffset >= this.#input.verifyFromOffset && position >= this.#input.verifyFromPosition;
    return Math.min(verifies ? WINDOW_BYTES : WINDOW_BYTES / 16, this.#endPosition - position);
  }

  #shortReason(position: number): string {
    return `${this.#endPosition - position} bytes left, less than the header of a batch`;
  }

  #structureProblem(at: number, position: number): string | null {
    const { bytes } = this.#window;
    const problem = headerProblem(bytes, at, this.#nextOffset, this.#endPosition - position);
    if (problem) return problem;
    const relativeOffset = readLastOffset(bytes, at) - this.#input.baseOffset;
    return relativeOffset > RELATIVE_OFFSET_MAX
      ? `an offset ${relativeOffset} behind the segment's base offset`
      : null;
  }

  #verifies(at: number, position: number): boolean {
    const { verifyFromOffset, verifyFromPosition } = this.#input;
    return position >= verifyFromPosition && readLastOffset(this.#window.bytes, at) >= verifyFromOffset;
  }

  #checksumProblem(position: number): string | null {
    const { bytes } = this.#window;
    const header = this.#header(position);
    const expected = readCrc(bytes, header);
    const batchEnd = position + readBatchBytes(bytes, header);
    let crc = 0;
    for (let start = position + CRC_START; start < batchEnd; ) {
      const count = Math.min(batchEnd - start, WINDOW_BYTES);
      const at = this.#window.at(start, 1, Math.min(this.#endPosition - start, WINDOW_BYTES));
      if (at < 0) return 'the file ends inside the batch';
      const available = this.#window.available(start, count);
      crc = crc32c(bytes.subarray(at, at + available), crc);
      start += available;
    }
    if (crc === expected) return null;
    return `checksum ${crc.toString(16)} instead of ${expected.toString(16)}`;
  }

  /** Takes the batch in, whose structure is sound; returns where it ends. */
  #accept(position: number): number {
    const at = this.#header(position);
    const { bytes } = this.#window;
    const batchBytes = readBatchBytes(bytes, at);
    const lastOffset = toOffset(readLastOffset(bytes, at));
    const timestampMs = readMaxTimestamp(bytes, at);
    if (Number.isSafeInteger(timestampMs) && timestampMs > this.#maxTimestampMs) {
      this.#maxTimestampMs = timestampMs;
      this.#maxTimestampOffset = lastOffset;
    }
    this.#noteEpoch(readLeaderEpoch(bytes, at), toOffset(readBaseOffset(bytes, at)));
    if (this.#bytesSinceIndexEntry > this.#input.indexIntervalBytes) {
      const entryAt = this.#offsetIndex.add(OFFSET_ENTRY_BYTES);
      putOffsetEntry(this.#offsetIndex.buffer, entryAt, this.#input.baseOffset, lastOffset, position);
      this.#addTimeEntry();
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += batchBytes;
    this.#nextOffset = toOffset(lastOffset + 1);
    return position + batchBytes;
  }

  #noteEpoch(epoch: number, startOffset: Offset): void {
    const last = this.#epochs.at(-1);
    if (epoch >= 0 && epoch !== last?.epoch) this.#epochs.push({ epoch: toLeaderEpoch(epoch), startOffset });
  }

  #addTimeEntry(): void {
    if (this.#maxTimestampMs <= this.#indexedTimestampMs) return;
    const at = this.#timeIndex.add(TIME_ENTRY_BYTES);
    putTimeEntry(
      this.#timeIndex.buffer,
      at,
      this.#input.baseOffset,
      this.#maxTimestampMs,
      this.#maxTimestampOffset,
    );
    this.#indexedTimestampMs = this.#maxTimestampMs;
  }

  /** Where the next batch behind a broken one begins, by the word of the index; null if it has none. */
  #positionBehind(position: number): number | null {
    const path = this.#input.path.replace(/\.log$/, '.index');
    if (this.#disk.readFile(path) === null) return null;
    const file = this.#disk.open(path, 'read');
    try {
      const count = offsetEntryCount(this.#disk.size(file));
      return findEntryBehind(this.#disk, file, this.#input.baseOffset, count, position)?.position ?? null;
    } finally {
      this.#disk.close(file);
    }
  }

  #output(validBytes: number): SegmentScanOutput {
    // A segment that is closed in good order ends its time index with its greatest timestamp: so does this one.
    this.#addTimeEntry();
    return {
      fileBytes: this.#fileBytes,
      validBytes,
      nextOffset: this.#nextOffset,
      maxTimestampMs: this.#maxTimestampMs,
      maxTimestampOffset: this.#maxTimestampOffset,
      bytesSinceIndexEntry: this.#bytesSinceIndexEntry,
      offsetIndex: this.#offsetIndex.entries(),
      timeIndex: this.#timeIndex.entries(),
      epochs: this.#epochs,
      invalid: this.#invalid,
    };
  }
}
