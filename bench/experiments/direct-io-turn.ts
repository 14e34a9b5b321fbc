// One turn of direct-io.ts, in a process of its own: appends drains to segments and reads them, and says what CPU each took.
import { closeSync, constants, fdatasyncSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type AppendFile, BLOCK_BYTES, createAppendFile, type Staging, type Way } from './append-files.js';
import { SharedArena } from './shared-arena.js';

/** Where readers find what was appended: in the page cache, if it is there; or past it, on the disk. */
export type ReadWay = 'buffered' | 'direct';

export interface TurnJob {
  readonly folder: string;
  readonly way: Way;
  readonly drainBytes: number;
  readonly bytes: number;
  readonly segmentBytes: number;
  /** A reader that reads each drain as soon as it is appended; null: none, or one that is sent the memory that it was written from. */
  readonly tail: ReadWay | null;
  /** Whether all is synced at the end. */
  readonly syncs: boolean;
  /** A reader that reads all of it when all is written; null: none. */
  readonly fromStart: ReadWay | null;
}

export interface Cost {
  readonly bytes: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly seconds: number;
}

export interface TurnResult {
  /** The appends, and the reads of the tail, if there are any. */
  readonly append: Cost;
  readonly sync?: Cost;
  readonly fromStart?: Cost;
}

const SOURCE_BYTES = 4 * 2 ** 20;
const READ_BYTES = 256 * 1024;
/** So that hardly a drain ends where a block does. */
const SHORT_BY_BYTES = 35;
const WARM_UP_BYTES_MAX = 16 * 2 ** 20;

/** What `work`, which returns how many bytes it moved, took. */
function measured(work: () => number): Cost {
  const cpuAtStart = process.cpuUsage();
  const startMs = performance.now();
  const bytes = work();
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpuAtStart);
  return { bytes, seconds, userSeconds: user / 1e6, systemSeconds: system / 1e6 };
}

/** Reads ranges of files into one buffer that is used again and again. */
class RangeReader {
  readonly #way: ReadWay;
  readonly #buffer = new SharedArena(READ_BYTES + BLOCK_BYTES).bytes;
  #path = '';
  #descriptor = -1;

  constructor(way: ReadWay) {
    this.#way = way;
  }

  /** Throws if the file ends before. */
  read(path: string, start: number, end: number): void {
    if (path !== this.#path) this.#open(path);
    for (let position = start; position < end; ) {
      const from = this.#way === 'direct' ? position - (position % BLOCK_BYTES) : position;
      const wanted = Math.min(end - from, READ_BYTES);
      const length = this.#way === 'direct' ? Math.ceil(wanted / BLOCK_BYTES) * BLOCK_BYTES : wanted;
      const count = readSync(this.#descriptor, this.#buffer, 0, length, from);
      if (count < Math.min(wanted, length)) throw new Error(`${path} ends at ${from + count}.`);
      position = from + Math.min(count, wanted);
    }
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  #open(path: string): void {
    this.close();
    const direct = this.#way === 'direct' ? constants.O_DIRECT : 0;
    this.#descriptor = openSync(path, constants.O_RDONLY | direct);
    this.#path = path;
  }
}

interface Segment {
  readonly path: string;
  bytes: number;
}

type Follower = (segment: Segment, drain: Uint8Array) => void;

function followerOf(tail: ReadWay | null): { readonly follow: Follower; readonly close: () => void } {
  if (tail === null) return { follow: () => {}, close: () => {} };
  const reader = new RangeReader(tail);
  return {
    follow: ({ path, bytes }, drain) => reader.read(path, bytes - drain.length, bytes),
    close: () => reader.close(),
  };
}

/** Appends so many bytes, in segments that are rolled as they fill; returns these. */
function append(job: TurnJob, prefix: string, bytes: number, staging: Staging): Segment[] {
  const drainBytes = job.drainBytes - SHORT_BY_BYTES;
  const { follow, close } = followerOf(job.tail);
  const segments: Segment[] = [];
  let segment: Segment | null = null;
  let file: AppendFile | null = null;
  let at = 0;
  for (let appended = 0; appended < bytes; appended += drainBytes) {
    if (!segment || !file || segment.bytes + drainBytes > job.segmentBytes) {
      file?.close();
      segment = { path: join(job.folder, `${prefix}${segments.length}`), bytes: 0 };
      segments.push(segment);
      file = createAppendFile(segment.path, job.way, staging);
    }
    if (at + drainBytes > SOURCE_BYTES) at = 0;
    const drain = staging.arena.bytes.subarray(at, at + drainBytes);
    at += drainBytes;
    file.append(drain);
    segment.bytes += drainBytes;
    follow(segment, drain);
  }
  file?.close();
  close();
  return segments;
}

const bytesOf = (segments: readonly Segment[]) => segments.reduce((sum, { bytes }) => sum + bytes, 0);

function sync(segments: readonly Segment[]): number {
  for (const { path } of segments) {
    const descriptor = openSync(path, 'r+');
    fdatasyncSync(descriptor);
    closeSync(descriptor);
  }
  return bytesOf(segments);
}

function readAll(segments: readonly Segment[], way: ReadWay): number {
  const reader = new RangeReader(way);
  for (const { path, bytes } of segments) reader.read(path, 0, bytes);
  reader.close();
  return bytesOf(segments);
}

const remove = (segments: readonly Segment[]) => {
  for (const { path } of segments) rmSync(path);
};

/** Leaves page cache behind that was used and given back; bench/ground.ts says why. */
function warmPages(folder: string, bytes: number, staging: Staging): void {
  const path = join(folder, 'warm');
  const file = createAppendFile(path, { type: 'cut', pieceBytes: 65_536 }, staging);
  const source = staging.arena.bytes.subarray(0, SOURCE_BYTES);
  for (let written = 0; written < bytes; written += source.length) file.append(source);
  file.close();
  rmSync(path);
}

/** The folder must exist, and is as before when this returns. */
export function takeTurn(job: TurnJob): TurnResult {
  const arena = new SharedArena(SOURCE_BYTES + job.drainBytes + 2 * BLOCK_BYTES);
  for (let index = 0; index < SOURCE_BYTES; index++) arena.bytes[index] = (index * 2_654_435_761) >>> 24;
  const staging = { arena, at: SOURCE_BYTES };
  const warmUp = append(job, 'warm-up-', Math.min(WARM_UP_BYTES_MAX, job.bytes), staging);
  if (job.fromStart) readAll(warmUp, job.fromStart);
  remove(warmUp);
  warmPages(job.folder, job.bytes, staging);
  let segments: Segment[] = [];
  const appended = measured(() => {
    segments = append(job, 'segment-', job.bytes, staging);
    return bytesOf(segments);
  });
  const { syncs, fromStart } = job;
  const result = {
    append: appended,
    ...(syncs && { sync: measured(() => sync(segments)) }),
    ...(fromStart && { fromStart: measured(() => readAll(segments, fromStart)) }),
  };
  remove(segments);
  return result;
}
