// The contents of one file of the SimulatedDisk, twice: as the page cache shows them and as the platters hold them. A loss
// of power mixes the two, sector by sector. Never touched by it are bytes that a completed sync covered and that nobody
// wrote or cut since.
import type { Random } from '../base/random.js';

/** What a disk writes as a whole or not at all. */
export const SECTOR_BYTES = 512;

/** Bytes with a size; beyond the size the storage holds zeroes. */
class Bytes {
  #storage = Buffer.alloc(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  resize(size: number): void {
    if (size > this.#storage.length) {
      const storage = Buffer.alloc(Math.max(size, 2 * this.#storage.length, SECTOR_BYTES));
      this.#storage.copy(storage);
      this.#storage = storage;
    }
    if (size < this.#size) this.#storage.fill(0, size, this.#size);
    this.#size = size;
  }

  /** The size must cover it already. */
  put(position: number, bytes: Uint8Array): void {
    this.#storage.set(bytes, position);
  }

  view(start = 0, end = this.#size): Buffer {
    return this.#storage.subarray(start, Math.min(end, this.#size));
  }
}

/** How a loss of power treats what was not synced. */
type Loss = 'all' | 'none' | 'prefix' | 'scattered';
const LOSSES: readonly [Loss, Loss, Loss, Loss] = ['all', 'none', 'prefix', 'scattered'];

/** What a sync covers at least. */
export interface SyncPoint {
  readonly sequence: number;
  readonly size: number;
}

export class SimulatedFile {
  #cached = new Bytes();
  #durable = new Bytes();
  /** Sectors that the next sync writes, with the sequence of the last change. */
  readonly #dirty = new Map<number, number>();
  /** Sectors that a failed sync gave up: the cache shows them, no later sync writes them. As Linux does since 4.13. */
  readonly #abandoned = new Set<number>();
  #sequence = 0;
  #cutSequence = 0;
  #syncedSequence = 0;
  /** The smallest size since the last sync: what lies below and is not dirty is promised. */
  #sizeFloor = 0;
  /** Whether a name leads to it, and how many handles are open: without either its space is free. */
  linked = true;
  handles = 0;

  get size(): number {
    return this.#cached.size;
  }

  /** What every reader sees. Not a copy. */
  cached(start?: number, end?: number): Buffer {
    return this.#cached.view(start, end);
  }

  /** What is surely on the disk. Not a copy. */
  durable(): Buffer {
    return this.#durable.view();
  }

  write(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const start = Math.min(position, this.size);
    this.#cached.resize(Math.max(this.size, position + bytes.length));
    this.#cached.put(position, bytes);
    this.#touch(start, position + bytes.length);
  }

  truncate(size: number): void {
    const before = this.size;
    this.#cached.resize(size);
    if (size >= before) {
      this.#touch(before, size);
      return;
    }
    const keptSectors = Math.ceil(size / SECTOR_BYTES);
    for (const sectors of [this.#dirty, this.#abandoned]) {
      for (const sector of sectors.keys()) if (sector >= keptSectors) sectors.delete(sector);
    }
    this.#touch(size, Math.min(before, keptSectors * SECTOR_BYTES));
    this.#cutSequence = this.#sequence;
    this.#sizeFloor = Math.min(this.#sizeFloor, size);
  }

  syncPoint(): SyncPoint {
    return { sequence: this.#sequence, size: this.size };
  }

  /** Makes durable what was there at the point; of what came later only sectors that were written anyhow. */
  sync(point: SyncPoint): void {
    if (point.sequence <= this.#syncedSequence) return;
    // What a later cut took away cannot be made durable any more; that the cut itself survives is allowed.
    const covered = this.#cutSequence > point.sequence ? this.syncPoint() : point;
    this.#syncedSequence = covered.sequence;
    this.#durable.resize(covered.size);
    for (const [sector, sequence] of this.#dirty) {
      this.#writeBack(sector);
      if (sequence <= covered.sequence) this.#dirty.delete(sector);
    }
    this.#sizeFloor = covered.size;
  }

  /** A sync that failed: some sectors arrived, the others are given up though the cache still shows them. */
  failSync(random: Random): void {
    for (const sector of this.#dirty.keys()) {
      if (random.below(2) === 0) this.#writeBack(sector);
      else this.#abandoned.add(sector);
    }
    this.#dirty.clear();
  }

  /** What the kernel does on its own: some dirty sectors become durable early. Nothing is promised by it. */
  writeBackSome(random: Random): void {
    for (const sector of this.#dirty.keys()) if (random.below(2) === 0) this.#writeBack(sector);
  }

  /** Leaves what a loss of power leaves, which then is both cached and durable. */
  losePower(random: Random): void {
    const loss = LOSSES[random.below(4)] ?? 'all';
    const keptUntil = loss === 'prefix' ? random.below(this.#sequence + 1) : 0;
    const floor = this.#sizeFloor;
    for (const [sector, sequence] of this.#dirty) {
      if (loss === 'none' || (loss === 'prefix' && sequence <= keptUntil)) this.#writeBack(sector);
      else if (loss === 'scattered') {
        const fate = random.below(4);
        if (fate < 2) this.#writeBack(sector);
        else if (fate === 2) this.#spoil(sector, random);
      }
    }
    for (const sector of this.#abandoned) if (random.below(2) === 0) this.#spoil(sector, random);
    let end = this.#durable.size;
    if (loss === 'none') end = this.size;
    else if (loss === 'scattered' && random.below(2) === 0)
      end = between(random, floor, Math.max(end, this.size));
    this.#durable.resize(end);
    this.#cached = new Bytes();
    this.#cached.resize(end);
    this.#cached.put(0, this.#durable.view());
    this.#dirty.clear();
    this.#abandoned.clear();
    this.#sizeFloor = end;
  }

  /** Inverts a byte, in the cache and on the disk. */
  corrupt(position: number): void {
    for (const bytes of [this.#cached, this.#durable]) {
      const view = bytes.view(position, position + 1);
      view[0] = (view[0] ?? 0) ^ 0xff;
    }
  }

  /** Marks the sectors of [start, end). */
  #touch(start: number, end: number): void {
    this.#sequence++;
    for (let sector = Math.floor(start / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
      this.#dirty.set(sector, this.#sequence);
      this.#abandoned.delete(sector);
    }
  }

  /** Copies the sector from the cache to the disk. A file that was cut keeps its old size there until a sync. */
  #writeBack(sector: number): void {
    const start = sector * SECTOR_BYTES;
    const end = Math.min(start + SECTOR_BYTES, this.size);
    if (end > this.#durable.size) this.#durable.resize(end);
    const bytes = Buffer.alloc(Math.min(SECTOR_BYTES, this.#durable.size - start));
    this.#cached.view(start, end).copy(bytes);
    this.#durable.put(start, bytes);
  }

  /** Extents that were never synced may show zeroes or anything. */
  #spoil(sector: number, random: Random): void {
    const start = sector * SECTOR_BYTES;
    const length = Math.min(SECTOR_BYTES, this.size - start);
    if (start < this.#sizeFloor || length <= 0) return;
    if (this.#durable.size < start + length) this.#durable.resize(start + length);
    this.#durable.put(start, random.below(2) === 0 ? Buffer.alloc(length) : random.bytes(length));
  }
}

function between(random: Random, low: number, high: number): number {
  return low + random.below(high - low + 1);
}
