import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.js';
import { AnswerMemory, type AnswerPart } from '../../src/broker/answer-memory.js';
import { ReadBuffer } from '../../src/broker/read-buffer.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';

const CHUNK = 1024;

class Scene {
  readonly buffer: ReadBuffer;
  readonly memory: AnswerMemory;

  constructor(chunks: number) {
    this.buffer = new ReadBuffer(chunks * CHUNK, CHUNK);
    this.memory = new AnswerMemory(this.buffer);
  }

  get usedChunks(): number {
    return (this.buffer.bytes - this.buffer.freeBytes) / CHUNK;
  }

  /** Reads so many bytes. */
  read(byteCount: number, wantedBytes = byteCount): AnswerPart {
    const part = present(this.memory.part(wantedBytes, 0), 'memory');
    part.keep(byteCount);
    return part;
  }
}

describe('AnswerMemory', () => {
  it('puts small reads one behind the other, without a gap', () => {
    const scene = new Scene(64);
    const bytes = [100, 300, 64, 500].map((byteCount) => scene.read(byteCount).bytes);
    expect(scene.usedChunks).toBe(1);
    const first = present(bytes[0], 'bytes');
    expect(bytes.map(({ byteOffset }) => byteOffset - first.byteOffset)).toEqual([0, 100, 400, 464]);
    // The rest does not do for this one.
    scene.read(100);
    expect(scene.usedChunks).toBe(2);
    scene.memory.release();
    expect(scene.usedChunks).toBe(0);
  });

  it('goes on in the run that has the most room', () => {
    const scene = new Scene(64);
    const first = scene.read(100);
    const large = scene.read(3 * CHUNK - 10, 3 * CHUNK);
    expect(scene.usedChunks).toBe(4);
    const next = scene.read(70);
    expect(next.bytes.byteOffset).toBe(first.bytes.byteOffset + 100);
    const larger = scene.read(CHUNK, 2 * CHUNK);
    const last = scene.read(900);
    expect(last.bytes.byteOffset).toBe(larger.bytes.byteOffset + CHUNK);
    expect(large.bytes).toHaveLength(3 * CHUNK);
    scene.memory.release();
    expect(scene.usedChunks).toBe(0);
  });

  it('gives a run back when nothing in it is in use, and keeps what is', () => {
    const scene = new Scene(64);
    present(scene.memory.part(100, 0), 'memory').release();
    expect(scene.usedChunks).toBe(0);
    const parts = [scene.read(100), scene.read(100)];
    present(scene.memory.part(100, 0), 'memory').release();
    parts[0]?.release();
    expect(scene.usedChunks).toBe(1);
    parts[1]?.release();
    expect(scene.usedChunks).toBe(0);
    scene.read(100);
    expect(scene.usedChunks).toBe(1);
    scene.memory.release();
    expect(scene.usedChunks).toBe(0);
  });

  it('has no room for what the buffer has none for', () => {
    const scene = new Scene(2);
    const other = present(scene.buffer.acquire(1), 'a run');
    scene.read(CHUNK - 63);
    expect(scene.memory.part(10, 0)).toBeNull();
    expect(scene.memory.part(10, CHUNK)).toBeNull();
    other.release();
    expect(scene.memory.part(10, CHUNK)?.bytes).toHaveLength(CHUNK);
  });

  it('hands out no byte twice, and gives all back, whatever is read', () => {
    withSeeds(60, (random) => {
      const scene = new Scene(32);
      const kept = new Map<AnswerPart, { from: number; to: number }>();
      for (let step = 0; step < 100; step++) {
        const wanted = pick(random, [1, 60, 200, 900, 3000]);
        const needed = chance(random, 1, 5) ? 1 + random.below(2 * CHUNK) : 0;
        const part = scene.memory.part(wanted, needed);
        if (part) {
          expect(part.bytes.length).toBeGreaterThanOrEqual(Math.max(needed, 64));
          const from = part.bytes.byteOffset;
          if (chance(random, 1, 4)) part.release();
          else {
            const byteCount = 1 + random.below(part.bytes.length);
            const to = from + byteCount;
            expect([...kept.values()].some((other) => from < other.to && other.from < to)).toBe(false);
            part.keep(byteCount);
            kept.set(part, { from, to });
          }
        }
        const [oldest] = kept.keys();
        if (oldest && chance(random, 1, 4)) {
          kept.delete(oldest);
          oldest.release();
        }
        if (kept.size === 0) expect(scene.usedChunks).toBe(0);
      }
      scene.memory.release();
      expect(scene.usedChunks).toBe(0);
    });
  });
});
