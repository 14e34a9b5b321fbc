import { describe, expect, it } from 'vitest';
import { ReadBuffer, type ReadRun } from '../../src/broker/read-buffer.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';

const CHUNK = 64;
const bufferOf = (chunks: number) => new ReadBuffer(chunks * CHUNK, CHUNK);

/** What must not be null. */
function there(run: ReadRun | null): ReadRun {
  if (run === null) throw new Error('no run');
  return run;
}

describe('ReadBuffer', () => {
  it('knows the bytes of its runs from all others', () => {
    const buffer = bufferOf(4);
    const { bytes } = there(buffer.acquire(CHUNK));
    expect(buffer.owns(bytes.subarray(10, 20))).toBe(true);
    for (const other of [Buffer.from('x'), Buffer.alloc(CHUNK), new Uint8Array(1)])
      expect(buffer.owns(other)).toBe(false);
  });

  it('is as large as whole chunks fit', () => {
    expect(new ReadBuffer(200, CHUNK).bytes).toBe(3 * CHUNK);
    expect(() => new ReadBuffer(63, CHUNK)).toThrow('a chunk at least');
  });

  it('hands out an eighth of what is free at the most, and a chunk at least', () => {
    const buffer = bufferOf(16);
    const runs = [1000, 1, 1000].map((bytes) => there(buffer.acquire(bytes)));
    expect(runs.map(({ bytes }) => bytes.length / CHUNK)).toEqual([2, 1, 1]);
    expect(buffer.freeBytes).toBe(12 * CHUNK);
  });

  it('hands out more if a single batch needs it', () => {
    const buffer = bufferOf(8);
    expect(there(buffer.acquire(1, 5 * CHUNK)).bytes.length).toBe(5 * CHUNK);
    expect(buffer.acquire(1, 4 * CHUNK)).toBeNull();
    expect(there(buffer.acquire(1, 3 * CHUNK)).bytes.length).toBe(3 * CHUNK);
    expect(buffer.acquire(1)).toBeNull();
  });

  it('is content with less than the share where no longer run is free', () => {
    const buffer = bufferOf(16);
    const runs = Array.from({ length: 16 }, () => there(buffer.acquire(1)));
    runs.forEach((run, index) => {
      if (index % 2 === 0) run.release();
    });
    expect(buffer.acquire(1, 2 * CHUNK)).toBeNull();
    expect(there(buffer.acquire(1)).bytes.length).toBe(CHUNK);
  });

  it('takes a run back once', () => {
    const buffer = bufferOf(2);
    const run = there(buffer.acquire(1));
    run.release();
    expect(() => run.release()).toThrow('released once');
    expect(buffer.freeBytes).toBe(2 * CHUNK);
  });

  it('wakes a few of those who wait, in order, at each release', () => {
    const buffer = bufferOf(2);
    const runs = [there(buffer.acquire(1)), there(buffer.acquire(1))];
    const tried: number[] = [];
    for (let i = 0; i < 6; i++) buffer.whenFree(() => tried.push(i));
    expect(buffer.contended).toBe(true);
    runs[0]?.release();
    expect(tried).toEqual([0, 1, 2, 3]);
    runs[1]?.release();
    expect(tried).toEqual([0, 1, 2, 3, 4, 5]);
    expect(buffer.contended).toBe(false);
  });

  it('tries one that goes on waiting once for each release', () => {
    const buffer = bufferOf(4);
    const runs = [1, 2, 3, 4].map(() => there(buffer.acquire(1)));
    let tries = 0;
    const retry = () => {
      tries++;
      if (!buffer.acquire(1, 3 * CHUNK)) buffer.whenFree(retry);
    };
    buffer.whenFree(retry);
    for (const run of runs.slice(0, 3)) run.release();
    expect(tries).toBe(3);
    expect(buffer.contended).toBe(false);
    expect(buffer.freeBytes).toBe(0);
  });

  it('wakes everyone, and not one inside the other, when each releases at once', () => {
    const buffer = bufferOf(1);
    const run = there(buffer.acquire(1));
    let depth = 0;
    let served = 0;
    for (let i = 0; i < 5000; i++) {
      buffer.whenFree(() => {
        depth++;
        if (depth > 1) throw new Error('one inside the other');
        const own = there(buffer.acquire(1));
        served++;
        own.release();
        depth--;
      });
    }
    run.release();
    expect(served).toBe(5000);
  });

  it('never hands out memory twice, and loses none', () => {
    withSeeds(100, (random) => {
      const chunks = 1 + random.below(24);
      const buffer = bufferOf(chunks);
      const runs = new Map<ReadRun, number>();
      let waiting = 0;
      let fill = 0;
      const take = (wanted: number, needed: number): boolean => {
        const run = buffer.acquire(wanted, needed);
        if (!run) return false;
        expect(run.bytes.length).toBeGreaterThanOrEqual(needed);
        run.bytes.fill(++fill & 0xff);
        runs.set(run, fill & 0xff);
        return true;
      };
      const ask = (wanted: number, needed: number): void => {
        if (take(wanted, needed)) return;
        waiting++;
        buffer.whenFree(() => {
          waiting--;
          ask(wanted, needed);
        });
      };
      const release = () => {
        const run = pick(random, [...runs.keys()]);
        const value = runs.get(run) ?? -1;
        runs.delete(run);
        if (!run.bytes.every((byte) => byte === value)) throw new Error('memory that was in use has changed');
        run.release();
      };
      for (let step = 0; step < 200; step++) {
        if (runs.size > 0 && chance(random, 1, 2)) release();
        else if (waiting < 20) {
          const needed = chance(random, 1, 4) ? random.below(chunks * CHUNK + 1) : 0;
          ask(1 + random.below(chunks * CHUNK), needed);
        }
        let used = 0;
        for (const { bytes } of runs.keys()) used += bytes.length;
        expect(buffer.freeBytes).toBe(chunks * CHUNK - used);
        expect(buffer.contended).toBe(waiting > 0);
      }
      while (runs.size > 0) release();
      expect(waiting).toBe(0);
      expect(buffer.freeBytes).toBe(chunks * CHUNK);
    });
  });
});
