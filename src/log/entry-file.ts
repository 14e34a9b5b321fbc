// What both indexes share: a file of entries of one size whose keys grow, appended through a small buffer and searched by
// halving. Indexes are hints: whoever reads one checks what it says against the log file.
import { assert } from '../base/assert.js';
import { type Disk, DiskError, type DiskFile } from '../io/disk.js';

/** Entries that wait in memory before they are written together. A reader steps over the batches behind the last written one. */
const BUFFERED_ENTRIES = 64;
/** Once so few entries are left in a search, they are read together. */
const BLOCK_ENTRIES = 256;
const ENTRY_BYTES_MAX = 12;

// Searches are over before the next begins on a thread, because nothing here awaits: they share their memory.
const blockBytes = Buffer.allocUnsafeSlow((BLOCK_ENTRIES + 1) * ENTRY_BYTES_MAX);

/** An entry found: its number in the file and where its bytes are, until the next search. */
export interface FoundEntry {
  readonly number: number;
  readonly bytes: Buffer;
  readonly at: number;
}

/**
 * The last of the first `count` entries for which `holds`, which must be true for a first part of them and false for the
 * rest; null if there is none or the file is shorter than that. O(log count) small reads, or one if it is near the entry with the
 * number `guess` (-1: there is no guess).
 */
export function lastEntryWhere(
  disk: Disk,
  file: DiskFile,
  entryBytes: number,
  count: number,
  holds: (bytes: Buffer, at: number) => boolean,
  guess = -1,
): FoundEntry | null {
  assert(entryBytes <= ENTRY_BYTES_MAX, `an entry of ${entryBytes} bytes is too large for a block`);
  let low = 0;
  let high = count;
  if (guess >= 0 && count > BLOCK_ENTRIES) {
    const first = Math.max(0, Math.min(guess - BLOCK_ENTRIES / 2, count - BLOCK_ENTRIES));
    const around = blockBytes.subarray(0, BLOCK_ENTRIES * entryBytes);
    if (disk.read(file, first * entryBytes, around) < around.length) return null;
    const isLast = first + BLOCK_ENTRIES === count;
    if (!holds(around, 0)) high = first;
    else if (isLast || !holds(around, around.length - entryBytes))
      return lastInBlock(around, first, entryBytes, holds);
    else low = first + BLOCK_ENTRIES;
  }
  const one = blockBytes.subarray(0, entryBytes);
  while (high - low > BLOCK_ENTRIES) {
    const middle = (low + high) >>> 1;
    if (disk.read(file, middle * entryBytes, one) < entryBytes) return null;
    if (holds(one, 0)) low = middle + 1;
    else high = middle;
  }
  const first = Math.max(low - 1, 0);
  const block = blockBytes.subarray(0, (high - first) * entryBytes);
  if (disk.read(file, first * entryBytes, block) < block.length) return null;
  return lastInBlock(block, first, entryBytes, holds);
}

/** The last entry of the block for which `holds`; `first` is the number of the block's first one. */
function lastInBlock(
  block: Buffer,
  first: number,
  entryBytes: number,
  holds: (bytes: Buffer, at: number) => boolean,
): FoundEntry | null {
  let at = -entryBytes;
  while (at + entryBytes < block.length && holds(block, at + entryBytes)) at += entryBytes;
  return at < 0 ? null : { number: first + at / entryBytes, bytes: block, at };
}

/** The owner's side of an index file: appends entries, which reach the file in groups. */
export class EntryWriter {
  readonly path: string;
  readonly #disk: Disk;
  readonly #entryBytes: number;
  #file: DiskFile | null = null;
  #buffer: Buffer | null = null;
  #writtenEntries: number;
  #bufferedEntries = 0;
  #exists: boolean;
  #created = false;
  #dirty = false;
  /** A write failed and may have left a part of itself behind the written entries. */
  #torn = false;

  /** `entries`: how many (valid) entries the file has; `exists`: whether there is a file. */
  constructor(disk: Disk, path: string, entryBytes: number, entries: number, exists: boolean) {
    assert(exists || entries === 0, `${path} has entries but does not exist`);
    this.#disk = disk;
    this.path = path;
    this.#entryBytes = entryBytes;
    this.#writtenEntries = entries;
    this.#exists = exists;
  }

  /** Entries in the file and in the buffer. */
  get entries(): number {
    return this.#writtenEntries + this.#bufferedEntries;
  }

  /** Whether the file has changed since its last sync. */
  get dirty(): boolean {
    return this.#dirty;
  }

  /** The file, if there is one, may hold what is not on the disk. */
  markUnsynced(): void {
    this.#dirty = this.#exists;
  }

  /** Whether the file was created since the last call. */
  takeCreated(): boolean {
    const created = this.#created;
    this.#created = false;
    return created;
  }

  /** The buffer for a new entry, which the caller fills in at once from `position` on. May write; throws DiskError. */
  add(): { buffer: Buffer; position: number } {
    if (this.#bufferedEntries === BUFFERED_ENTRIES) this.write();
    this.#buffer ??= Buffer.alloc(BUFFERED_ENTRIES * this.#entryBytes);
    return { buffer: this.#buffer, position: this.#bufferedEntries++ * this.#entryBytes };
  }

  /** Writes the buffered entries. They are dropped if that fails (throws DiskError): an index may have gaps. */
  write(): void {
    if (this.#bufferedEntries === 0 || !this.#buffer) return;
    const bytes = this.#buffer.subarray(0, this.#bufferedEntries * this.#entryBytes);
    const entries = this.#bufferedEntries;
    this.#bufferedEntries = 0;
    const file = this.open();
    this.#dirty = true;
    this.#put(file, bytes);
    this.#writtenEntries += entries;
  }

  /** Writes behind the written entries; what an earlier write left there is cut off before, or readers would take it for the end. */
  #put(file: DiskFile, bytes: Uint8Array): void {
    const position = this.#writtenEntries * this.#entryBytes;
    if (this.#torn) this.#disk.truncate(file, position);
    this.#torn = true;
    this.#disk.write(file, position, [bytes]);
    this.#torn = false;
  }

  /** The open file, created if missing. Throws DiskError. */
  open(): DiskFile {
    this.#file ??= this.#disk.open(this.path, 'write');
    if (!this.#exists) {
      this.#exists = true;
      this.#created = true;
      this.#dirty = true;
    }
    return this.#file;
  }

  /**
   * Keeps the first `entries` entries, which the caller has looked at, and puts `bytes` (whole entries) behind them; nothing
   * else stays in the file. Throws DiskError.
   */
  replaceFrom(entries: number, bytes: Uint8Array): void {
    this.write();
    const file = this.open();
    const position = entries * this.#entryBytes;
    this.#dirty = true;
    this.#disk.truncate(file, position);
    this.#torn = false;
    this.#writtenEntries = entries;
    if (bytes.length > 0) this.#put(file, bytes);
    this.#writtenEntries = (position + bytes.length) / this.#entryBytes;
    assert(Number.isInteger(this.#writtenEntries), `${this.path} got a part of an entry`);
  }

  /** Drops all entries, the buffered ones too. Throws DiskError. */
  clear(): void {
    this.#bufferedEntries = 0;
    this.replaceFrom(0, Buffer.alloc(0));
  }

  /** The last entry for which `holds`; see {@link lastEntryWhere}. Writes the buffered ones before; throws DiskError. */
  lastWhere(holds: (bytes: Buffer, at: number) => boolean): FoundEntry | null {
    if (this.entries === 0) return null;
    this.write();
    return lastEntryWhere(this.#disk, this.open(), this.#entryBytes, this.#writtenEntries, holds);
  }

  /** Syncs what was written; the buffered entries are left for later. `done` may be called at once, with an error. */
  sync(done: (error: DiskError | null) => void): void {
    assert(this.#dirty, `${this.path} has nothing to sync`);
    let file: DiskFile;
    try {
      file = this.open();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      done(error);
      return;
    }
    this.#dirty = false;
    this.#disk.sync(file, (error) => {
      if (error) this.#dirty = true;
      done(error);
    });
  }

  /** The file is not this one's any more: nothing of it will be synced. */
  abandon(): void {
    this.close();
    this.#dirty = false;
  }

  close(): void {
    if (this.#file) this.#disk.close(this.#file);
    this.#file = null;
    this.#buffer = null;
  }
}
