import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ReadWay, type TurnJob, takeTurn } from '../../../bench/experiments/direct-io-turn.js';

describe('takeTurn', () => {
  const tails: readonly (ReadWay | null)[] = [null, 'buffered'];

  it.each(tails)('appends over segments, reads them, and leaves nothing behind (tail: %s)', (tail) => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-'));
    try {
      const job: TurnJob = {
        ...{ folder, way: { type: 'cut', pieceBytes: 4096 }, drainBytes: 16_384, bytes: 2 ** 20 },
        ...{ segmentBytes: 300_000, tail, syncs: true, fromStart: 'buffered' },
      };
      const result = takeTurn(job);
      // Whole drains: the last one may end behind what was asked for.
      expect(result.append.bytes).toBeGreaterThanOrEqual(job.bytes);
      expect(result.append.bytes).toBeLessThan(job.bytes + job.drainBytes);
      expect(result.fromStart?.bytes).toBe(result.append.bytes);
      expect(result.sync?.bytes).toBe(result.append.bytes);
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
