import { describe, expect, it } from 'vitest';
import type { Random } from '../../src/base/random.js';
import { type Extent, type Waiter, WriteBuffer } from '../../src/partition/write-buffer.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';

const EXTENT_BYTES = 64;

const bufferOf = (extents: number, largeBytes = 0) =>
  new WriteBuffer({ extentBytes: EXTENT_BYTES, extents, largeBytes });

/** What must not be null. */
function there<T>(value: T | null): T {
  if (value === null) throw new Error('no room');
  return value;
}

describe('WriteBuffer', () => {
  it('hands out extents that lie in its memory side by side, and takes them back', () => {
    const buffer = bufferOf(4);
    expect(buffer.memory.byteLength).toBe(4 * EXTENT_BYTES);
    there(buffer.stage(Buffer.alloc(1))).extent.release(); // From here on all extents may be had.
    const extents = [1, 2, 3].map(() => there(buffer.acquire(EXTENT_BYTES)));
    expect(buffer.acquire(1)).toBeNull();
    for (const extent of extents) {
      expect(extent.bytes.length).toBe(EXTENT_BYTES);
      extent.bytes.fill(extent.start);
      expect(buffer.bytes[extent.start]).toBe(extent.start & 0xff);
    }
    const starts = new Set(extents.map(({ start }) => start));
    expect(starts.size).toBe(3);
    for (const extent of extents) extent.release();
    expect(buffer.freeExtents).toBe(3);
  });

  it('frees an extent with the last of its uses, and not twice', () => {
    const buffer = bufferOf(3);
    const extent = there(buffer.acquire(10));
    extent.retain();
    extent.release();
    expect(buffer.freeExtents).toBe(2);
    extent.release();
    expect(buffer.freeExtents).toBe(3);
    expect(() => extent.release()).toThrow('as often as it was retained');
  });

  it('keeps the last extent for staging', () => {
    const buffer = bufferOf(2);
    there(buffer.acquire(1));
    expect(buffer.acquire(1)).toBeNull();
    expect(buffer.stage(Buffer.alloc(EXTENT_BYTES))).not.toBeNull();
  });

  it('stages many pieces in one extent, and uses it again when all are written', () => {
    const buffer = bufferOf(2);
    there(buffer.acquire(1));
    const pieces = [1, 2, 3, 4].map((n) => there(buffer.stage(Buffer.alloc(16, n))));
    expect(pieces.map(({ start }) => start - (pieces[0]?.start ?? 0))).toEqual([0, 16, 32, 48]);
    pieces.forEach(({ start }, index) => {
      expect(buffer.bytes.subarray(start, start + 16).equals(Buffer.alloc(16, index + 1))).toBe(true);
    });
    expect(buffer.stage(Buffer.alloc(1))).toBeNull();
    for (const { extent } of pieces.slice(1)) extent.release();
    expect(buffer.stage(Buffer.alloc(1))).toBeNull();
    pieces[0]?.extent.release();
    expect(there(buffer.stage(Buffer.alloc(EXTENT_BYTES))).start).toBe(pieces[0]?.start);
  });

  it('leaves what is staged where it is when it goes on in another extent', () => {
    const buffer = bufferOf(2);
    const first = there(buffer.stage(Buffer.alloc(40, 1)));
    const second = there(buffer.stage(Buffer.alloc(40, 2)));
    expect(second.extent).not.toBe(first.extent);
    expect(buffer.freeExtents).toBe(0);
    expect(buffer.bytes.subarray(first.start, first.start + 40).equals(Buffer.alloc(40, 1))).toBe(true);
    first.extent.release();
    expect(buffer.freeExtents).toBe(1);
  });

  it('puts frames that are larger than an extent into the first gap of their region', () => {
    const buffer = bufferOf(2, 1000);
    expect(buffer.frameBytesMax).toBe(1000);
    const region = 2 * EXTENT_BYTES;
    const [a, b, c] = [300, 200, 400].map((bytes) => there(buffer.acquire(bytes)));
    expect([a?.start, b?.start, c?.start]).toEqual([region, region + 300, region + 500]);
    expect(buffer.acquire(101)).toBeNull();
    b?.release();
    expect(buffer.acquire(201)).toBeNull();
    expect(there(buffer.acquire(150)).start).toBe(region + 300);
    const staged = there(buffer.stage(Buffer.alloc(70, 7)));
    expect(staged.start).toBe(region + 900);
    expect(staged.extent.large).toBe(true);
    expect(buffer.bytes.subarray(staged.start, staged.start + 70).equals(Buffer.alloc(70, 7))).toBe(true);
    expect(buffer.freeExtents).toBe(2);
  });

  it('wakes those who wait in order of asking, and only as far as there is room', () => {
    const buffer = bufferOf(3);
    there(buffer.stage(Buffer.alloc(1)));
    const held = [1, 2].map(() => there(buffer.acquire(1)));
    const served: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      buffer.whenFree(EXTENT_BYTES, () => {
        if (!buffer.acquire(EXTENT_BYTES)) return false;
        served.push(name);
        return true;
      });
    }
    expect(buffer.contended).toBe(true);
    held[0]?.release();
    expect(served).toEqual(['a']);
    held[1]?.release();
    expect(served).toEqual(['a', 'b']);
    expect(buffer.contended).toBe(true);
  });

  it('wakes all who wait to stage little as soon as one extent is free', () => {
    const buffer = bufferOf(2);
    const receiving = there(buffer.acquire(1));
    const full = there(buffer.stage(Buffer.alloc(EXTENT_BYTES)));
    const staged: number[] = [];
    for (let i = 0; i < 8; i++) {
      buffer.whenFree(8, () => {
        if (!buffer.stage(Buffer.alloc(8))) return false;
        staged.push(i);
        return true;
      });
    }
    receiving.release();
    expect(staged).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(buffer.contended).toBe(false);
    full.extent.release();
  });

  it('wakes those who wait to stage when all that was staged is written, while large frames hold all other extents', () => {
    const buffer = bufferOf(2);
    there(buffer.acquire(1));
    const pieces = [1, 2].map(() => there(buffer.stage(Buffer.alloc(32))));
    let tries = 0;
    buffer.whenFree(20, () => {
      tries++;
      return buffer.stage(Buffer.alloc(20)) !== null;
    });
    pieces[0]?.extent.release();
    expect(tries).toBe(0);
    pieces[1]?.extent.release();
    expect(tries).toBe(1);
    expect(buffer.contended).toBe(false);
  });

  it('is not held up by one who wants nothing any more', () => {
    const buffer = bufferOf(3);
    there(buffer.stage(Buffer.alloc(1)));
    const held = [1, 2].map(() => there(buffer.acquire(1)));
    buffer.whenFree(1, () => true);
    let served = false;
    buffer.whenFree(1, () => {
      served = buffer.acquire(1) !== null;
      return served;
    });
    held[0]?.release();
    expect(served).toBe(true);
  });

  it('keeps the place of one that asks again while it waits', () => {
    const buffer = bufferOf(2);
    there(buffer.stage(Buffer.alloc(1)));
    const held = there(buffer.acquire(1));
    const served: string[] = [];
    const take = (name: string) => () => {
      if (!buffer.acquire(1)) return false;
      served.push(name);
      return true;
    };
    const [first, second] = [take('first'), take('second')];
    buffer.whenFree(1, first);
    buffer.whenFree(1, second);
    buffer.whenFree(1, first);
    held.release();
    expect(served).toEqual(['first']);
  });

  it('lets one who was served wait anew at once', () => {
    const buffer = bufferOf(3);
    there(buffer.stage(Buffer.alloc(1)));
    const held = [1, 2].map(() => there(buffer.acquire(1)));
    let served = 0;
    const retry = () => {
      if (!buffer.acquire(1)) return false;
      served++;
      buffer.whenFree(1, retry);
      return true;
    };
    buffer.whenFree(1, retry);
    held[0]?.release();
    expect(served).toBe(1);
    held[1]?.release();
    expect(served).toBe(2);
    expect(buffer.contended).toBe(true);
  });

  it('forgets who does not wait any more', () => {
    const buffer = bufferOf(2, 200);
    there(buffer.stage(Buffer.alloc(1)));
    const held = there(buffer.acquire(1));
    const heldLarge = there(buffer.acquire(200));
    let calls = 0;
    const retry = () => {
      calls++;
      return true;
    };
    buffer.whenFree(1, retry);
    buffer.whenFree(100, retry);
    buffer.forget(retry);
    held.release();
    heldLarge.release();
    expect(calls).toBe(0);
    expect(buffer.contended).toBe(false);
  });

  it('serves large frames strictly in order, so that the largest is not passed by for ever', () => {
    const buffer = bufferOf(2, 1000);
    const held = [400, 400].map((bytes) => there(buffer.acquire(bytes)));
    const served: number[] = [];
    const waiters = new Map<number, Waiter>();
    for (const bytes of [900, 100]) {
      const retry = () => {
        if (!buffer.acquire(bytes)) return false;
        served.push(bytes);
        return true;
      };
      waiters.set(bytes, retry);
      buffer.whenFree(bytes, retry);
    }
    expect(buffer.acquire(150)).toBeNull();
    held[0]?.release();
    expect(served).toEqual([]);
    // Its connection ends: who stood behind it gets the room.
    buffer.forget(there(waiters.get(900) ?? null));
    expect(served).toEqual([100]);
  });

  it('does not wake one inside the other', () => {
    const buffer = bufferOf(2);
    there(buffer.stage(Buffer.alloc(1)));
    const held = there(buffer.acquire(1));
    let depth = 0;
    let deepest = 0;
    let served = 0;
    for (let i = 0; i < 5000; i++) {
      buffer.whenFree(1, () => {
        const extent = buffer.acquire(1);
        if (!extent) return false;
        depth++;
        deepest = Math.max(deepest, depth);
        served++;
        extent.release();
        depth--;
        return true;
      });
    }
    held.release();
    expect(served).toBe(5000);
    expect(deepest).toBe(1);
  });

  it('keeps every byte, loses no extent and lets nobody wait while there is room', () => {
    withSeeds(150, (random) => new RandomUse(random).run());
  });
});

interface Use {
  readonly extent: Extent;
  readonly start: number;
  readonly bytes: Buffer;
  uses: number;
}

/** Uses a small buffer at random, and checks all that it promises after each step. */
class RandomUse {
  readonly #random: Random;
  readonly #extents: number;
  readonly #largeBytes: number;
  readonly #buffer: WriteBuffer;
  readonly #uses = new Set<Use>();
  readonly #waiting = new Map<Waiter, { readonly bytes: number; readonly stages: boolean }>();
  #fill = 1;
  #staged = false;

  constructor(random: Random) {
    this.#random = random;
    this.#extents = 2 + random.below(4);
    this.#largeBytes = pick(random, [0, 150, 400]);
    this.#buffer = bufferOf(this.#extents, this.#largeBytes);
  }

  run(): void {
    for (let step = 0; step < 150; step++) {
      this.#step();
      this.#check();
    }
    for (const waiter of [...this.#waiting.keys()]) this.#forget(waiter);
    while (this.#uses.size > 0) this.#release(pick(this.#random, [...this.#uses]));
    expect(this.#buffer.freeExtents).toBe(this.#extents - (this.#staged ? 1 : 0));
    if (this.#largeBytes > EXTENT_BYTES) there(this.#buffer.acquire(this.#largeBytes));
    expect(this.#buffer.contended).toBe(false);
  }

  #size(): number {
    const random = this.#random;
    const large = this.#largeBytes > 0 && chance(random, 1, 4);
    return large
      ? EXTENT_BYTES + 1 + random.below(this.#largeBytes - EXTENT_BYTES)
      : 1 + random.below(EXTENT_BYTES);
  }

  #step(): void {
    const random = this.#random;
    const uses = [...this.#uses];
    const action = random.below(10);
    if (action < 4) this.#ask(this.#size(), chance(random, 1, 2));
    else if (action < 8 && uses.length > 0) this.#release(pick(random, uses));
    else if (action === 8 && uses.length > 0) {
      const use = pick(random, uses);
      use.extent.retain();
      use.uses++;
    } else if (this.#waiting.size > 0) this.#forget(pick(random, [...this.#waiting.keys()]));
  }

  #ask(bytes: number, stages: boolean): void {
    if (this.#take(bytes, stages)) return;
    const retry = () => {
      if (!this.#take(bytes, stages)) return false;
      this.#waiting.delete(retry);
      return true;
    };
    this.#waiting.set(retry, { bytes, stages });
    this.#buffer.whenFree(bytes, retry);
  }

  #take(byteCount: number, stages: boolean): boolean {
    const bytes = Buffer.alloc(byteCount, this.#fill);
    if (stages) {
      const staged = this.#buffer.stage(bytes);
      if (!staged) return false;
      if (byteCount <= EXTENT_BYTES) this.#staged = true;
      this.#uses.add({ extent: staged.extent, start: staged.start, bytes, uses: 1 });
    } else {
      const extent = this.#buffer.acquire(byteCount);
      if (!extent) return false;
      extent.bytes.set(bytes);
      this.#uses.add({ extent, start: extent.start, bytes, uses: 1 });
    }
    this.#fill = (this.#fill % 250) + 1;
    return true;
  }

  #release(use: Use): void {
    const { start, bytes, extent } = use;
    const now = this.#buffer.bytes.subarray(start, start + bytes.length);
    if (!now.equals(bytes)) throw new Error(`bytes at ${start} changed while they were in use`);
    use.uses--;
    // Before the release: who is woken by it may use the place.
    if (use.uses === 0) this.#uses.delete(use);
    extent.release();
  }

  #forget(waiter: Waiter): void {
    this.#waiting.delete(waiter);
    this.#buffer.forget(waiter);
  }

  #check(): void {
    this.#checkOverlaps();
    const buffer = this.#buffer;
    expect(buffer.contended).toBe(this.#waiting.size > 0);
    const used = new Set([...this.#uses].filter(({ extent }) => !extent.large).map(({ extent }) => extent));
    expect(buffer.freeExtents).toBeLessThanOrEqual(this.#extents - used.size);
    expect(buffer.freeExtents).toBeGreaterThanOrEqual(this.#extents - used.size - 1);
    const large = [...this.#waiting.values()].find(({ bytes }) => bytes > EXTENT_BYTES);
    if (large && this.#largestGap() >= large.bytes)
      throw new Error(`a frame of ${large.bytes} waits while there is room`);
    for (const { bytes, stages } of this.#waiting.values()) {
      if (bytes > EXTENT_BYTES) continue;
      const got = stages ? buffer.stage(Buffer.alloc(bytes)) : buffer.acquire(bytes);
      if (got)
        throw new Error(`${bytes} bytes (${stages ? 'to stage' : 'to receive'}) wait while there is room`);
    }
  }

  #checkOverlaps(): void {
    const places = [...this.#uses].map(({ start, bytes }) => ({ start, end: start + bytes.length }));
    places.sort((a, b) => a.start - b.start);
    let end = 0;
    for (const place of places) {
      if (place.start < end) throw new Error(`what lies at ${place.start} overlaps what ends at ${end}`);
      end = place.end;
    }
    expect(end).toBeLessThanOrEqual(this.#buffer.memory.byteLength);
  }

  #largestGap(): number {
    let largest = 0;
    let at = EXTENT_BYTES * this.#extents;
    const used = [...new Set([...this.#uses].map(({ extent }) => extent))].filter(({ large }) => large);
    for (const { start, bytes } of used.sort((a, b) => a.start - b.start)) {
      largest = Math.max(largest, start - at);
      at = start + bytes.length;
    }
    return Math.max(largest, this.#buffer.memory.byteLength - at);
  }
}
