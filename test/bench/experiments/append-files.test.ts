import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type AppendFile,
  BLOCK_BYTES,
  createAppendFile,
  type Way,
} from '../../../bench/experiments/append-files.js';
import { SharedArena } from '../../../bench/experiments/shared-arena.js';
import { seededRandom, systemRandom } from '../../../src/base/random.js';

const DRAIN_BYTES_MAX = 40_000;
const DRAINS = 60;
/** Behind the drains. */
const STAGING_AT = 64 * BLOCK_BYTES;
const BUFFERED: readonly Way[] = [
  { type: 'whole' },
  { type: 'cut', pieceBytes: 1000 },
  { type: 'cut', pieceBytes: 16_384 },
  { type: 'cut-aligned', pieceBytes: 4096 },
  { type: 'cut-aligned', pieceBytes: 16_384 },
];

const DIRECT: readonly Way[] = [
  { type: 'direct', copies: 'set' },
  { type: 'direct', copies: 'wasm' },
];

/** Whether the folder for temporary files takes direct I/O. */
function hasDirect(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-'));
  try {
    writeFileSync(join(folder, 'file'), '');
    closeSync(openSync(join(folder, 'file'), constants.O_RDWR | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('createAppendFile', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const seed = Number(process.env['SEED'] ?? systemRandom.uint32());
  const random = seededRandom(seed);

  /** Of any size, and often just at the borders of blocks. */
  function drainBytes(): number {
    const near = BLOCK_BYTES * (1 + random.below(8)) + random.below(3) - 1;
    return random.below(3) === 0 ? near : 1 + random.below(DRAIN_BYTES_MAX);
  }

  const arena = new SharedArena(STAGING_AT + DRAIN_BYTES_MAX + 2 * BLOCK_BYTES);

  /** Appends drains from somewhere in the arena; `appended` hears of each, and of all bytes so far, which are returned. */
  function appendDrains(file: AppendFile, appended: (all: Buffer) => void = () => {}): Buffer {
    let all = Buffer.alloc(0);
    for (let count = 0; count < DRAINS; count++) {
      const length = drainBytes();
      const start = random.below(STAGING_AT - length);
      const drain = arena.bytes.subarray(start, start + length);
      for (let index = 0; index < length; index++) drain[index] = 1 + random.below(255);
      file.append(drain);
      all = Buffer.concat([all, drain]);
      appended(all);
    }
    return all;
  }

  const create = (way: Way) => createAppendFile(join(folder, 'file'), way, { arena, at: STAGING_AT });
  const content = () => readFileSync(join(folder, 'file'));
  afterEach(() => rmSync(join(folder, 'file')));

  it.each(BUFFERED)('keeps what was appended: %o', (way) => {
    const file = create(way);
    const all = appendDrains(file);
    file.close();
    expect(all.equals(content()), `SEED=${seed}`).toBe(true);
  });

  it.runIf(hasDirect()).each(DIRECT)('keeps it in whole blocks until it is closed: %o', (way) => {
    const file = create(way);
    const all = appendDrains(file, (all) => {
      const blocks = Math.ceil(all.length / BLOCK_BYTES) * BLOCK_BYTES;
      const expected = Buffer.concat([all, Buffer.alloc(blocks - all.length)]);
      expect(expected.equals(content()), `SEED=${seed}`).toBe(true);
    });
    file.close();
    expect(all.equals(content()), `SEED=${seed}`).toBe(true);
  });

  it.runIf(hasDirect())('takes no drain from elsewhere than the arena', () => {
    const file = create({ type: 'direct', copies: 'wasm' });
    expect(() => file.append(Buffer.from('elsewhere'))).toThrow('not in the arena');
    file.close();
  });
});
