import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { NodeDisk } from '../../src/io/node-disk.js';
import { segmentFileName } from '../../src/log/file-names.js';
import { measureRecovery } from '../../src/log/measure-recovery.js';

describe('measureRecovery', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-measure-'));
    mkdirSync(join(folder, 'topic-0'));
    for (const [offset, bytes] of [
      [0, 1000],
      [10, 200],
      [20, 30],
    ] as const) {
      const path = (suffix: 'log' | 'index') =>
        join(folder, 'topic-0', segmentFileName(toOffset(offset), suffix));
      writeFileSync(path('log'), Buffer.alloc(bytes));
      writeFileSync(path('index'), Buffer.alloc(8));
    }
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const measured = (recoveryPoint: number, name = 'topic-0') =>
    measureRecovery(new NodeDisk(), [
      { directory: join(folder, name), recoveryPoint: toOffset(recoveryPoint) },
    ]);

  it('counts the segments that reach behind the recovery point', () => {
    expect([0, 1, 10, 11, 20, 21].map((point) => measured(point))).toEqual(
      [1230, 1230, 1230, 230, 230, 30].map((bytes) => [bytes]),
    );
  });

  it('counts nothing for what is not there, and a log that cannot be read does not keep it from the others', () => {
    expect(measured(0, 'gone-0')).toEqual([0]);
    mkdirSync(join(folder, 'broken-0'));
    mkdirSync(join(folder, 'broken-0', segmentFileName(toOffset(0), 'log')));
    const logs = ['gone-0', 'broken-0', 'topic-0'].map((name) => ({
      directory: join(folder, name),
      recoveryPoint: toOffset(20),
    }));
    expect(measureRecovery(new NodeDisk(), logs).at(-1)).toBe(230);
  });
});
