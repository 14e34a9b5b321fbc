import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Random } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { type Frame, FrameReceiver, type ReceiveSizes } from '../../src/broker/frame-receiver.js';
import { type Extent, WriteBuffer } from '../../src/partition/write-buffer.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';

const SHARED_BYTES = 256;
const EXTENT_BYTES = 1024;
const SIZES: ReceiveSizes = { smallFrameBytes: 64, largeReadBytes: 128, extentReadBytes: 300 };
/** A copy into private memory is never larger: what the shared buffer held, a small frame, or one read and a split length. */
const PRIVATE_BYTES_MAX = Math.max(SHARED_BYTES, SIZES.smallFrameBytes, SIZES.extentReadBytes + 3);

/** A frame with its length field. Its bytes tell which one it is. */
function frameOf(bytes: number, fill: number): Buffer {
  const frame = Buffer.alloc(4 + bytes);
  frame.writeUInt32BE(bytes);
  for (let i = 0; i < bytes; i++) frame[4 + i] = (fill * 31 + i * 7 + (i >>> 8)) & 0xff;
  return frame;
}

const bodyOf = ({ bytes, start, end }: Frame): Buffer => Buffer.from(bytes.subarray(start, end));

function writeBufferOf(extents: number, largeBytes = 0): WriteBuffer {
  return new WriteBuffer({ extentBytes: EXTENT_BYTES, extents, largeBytes });
}

/** One connection's receiver, fed by hand. */
class Fed {
  readonly receiver: FrameReceiver;
  readonly frames: Buffer[] = [];
  readonly extents: (Extent | null)[] = [];
  readonly invalid: string[] = [];
  readonly clock = new SimulatedClock();
  accept = true;
  resumed = 0;

  constructor(
    writeBuffer = writeBufferOf(4),
    sharedBuffer = Buffer.alloc(SHARED_BYTES),
    frameBytesMax = 4096,
  ) {
    this.receiver = new FrameReceiver({
      writeBuffer,
      sharedBuffer,
      frameBytesMax,
      clock: this.clock,
      sizes: SIZES,
      take: (frame) => {
        if (!this.accept) return false;
        this.frames.push(bodyOf(frame));
        this.extents.push(frame.extent);
        return true;
      },
      invalid: (reason) => {
        this.invalid.push(reason);
        this.receiver.close();
      },
      resume: () => this.resumed++,
    });
  }

  /** Delivers the bytes in pieces of up to `pieceBytes`; false if the receiver paused, and how many bytes it took until then. */
  feed(bytes: Buffer, pieceBytes = bytes.length): { more: boolean; taken: number } {
    let at = 0;
    while (at < bytes.length) {
      const region = this.receiver.receiveBuffer();
      const count = Math.min(region.length, pieceBytes, bytes.length - at);
      expect(count).toBeGreaterThan(0);
      bytes.copy(region, 0, at, at + count);
      at += count;
      if (!this.receiver.received(count)) return { more: false, taken: at };
    }
    return { more: true, taken: at };
  }
}

describe('FrameReceiver', () => {
  it('finds the frames, wherever the bytes are cut', () => {
    const frames = [frameOf(0, 1), frameOf(5, 2), frameOf(70, 3), frameOf(1, 4)];
    const stream = Buffer.concat(frames);
    for (let first = 1; first < stream.length; first++) {
      for (const piece of [1, 2, 3, 5, 50, stream.length]) {
        const fed = new Fed();
        fed.feed(stream.subarray(0, first), piece);
        fed.feed(stream.subarray(first), piece);
        expect(fed.frames.map((body) => body.toString('hex'))).toEqual(
          frames.map((frame) => frame.subarray(4).toString('hex')),
        );
        expect(fed.receiver.partialSinceMs).toBeNull();
      }
    }
  });

  it('keeps what connections that share a buffer received apart', () => {
    const shared = Buffer.alloc(SHARED_BYTES);
    const writeBuffer = writeBufferOf(4);
    const feds = [1, 2, 3].map(() => new Fed(writeBuffer, shared));
    const frames = feds.map((_, index) => frameOf(40, index));
    for (let at = 0; at < 44; at++) {
      feds.forEach((fed, index) => {
        fed.feed(frames[index]?.subarray(at, at + 1) ?? Buffer.alloc(0));
      });
    }
    feds.forEach((fed, index) => {
      expect(fed.frames).toEqual([frames[index]?.subarray(4)]);
    });
    expect(writeBuffer.freeExtents).toBe(4);
  });

  it('receives a large frame in an extent, and goes back to the shared buffer', () => {
    const writeBuffer = writeBufferOf(4);
    const fed = new Fed(writeBuffer);
    const frame = frameOf(900, 9);
    fed.feed(frame.subarray(0, 100));
    expect(fed.receiver.holdsExtent).toBe(true);
    expect(writeBuffer.freeExtents).toBe(3);
    fed.feed(frame.subarray(100), 100);
    expect(fed.frames).toEqual([frame.subarray(4)]);
    expect(fed.extents[0]).not.toBeNull();
    expect(fed.receiver.holdsExtent).toBe(false);
    expect(writeBuffer.freeExtents).toBe(4);
  });

  it('receives a frame that is larger than an extent in the region for large frames', () => {
    const writeBuffer = writeBufferOf(2, 4096);
    const fed = new Fed(writeBuffer);
    const frame = frameOf(4000, 5);
    fed.feed(frame);
    expect(fed.frames).toEqual([frame.subarray(4)]);
    expect(fed.extents[0]?.large).toBe(true);
    fed.receiver.close();
    expect(writeBuffer.freeExtents).toBe(2);
  });

  it('stays in extents while reads are large, and uses an extent again whose records are written', () => {
    const writeBuffer = writeBufferOf(4);
    const fed = new Fed(writeBuffer);
    const frames = Array.from({ length: 60 }, (_, i) => frameOf(26, i));
    fed.feed(Buffer.concat(frames));
    expect(fed.frames).toEqual(frames.map((frame) => frame.subarray(4)));
    // What came first came by the shared buffer, for nobody knew that so much would follow.
    expect(fed.extents.lastIndexOf(null)).toBeLessThan(10);
    expect(new Set(fed.extents.filter((extent) => extent !== null)).size).toBeLessThanOrEqual(2);
    expect(fed.receiver.holdsExtent).toBe(true);
    expect(writeBuffer.freeExtents).toBe(3);
    fed.feed(frameOf(3, 99));
    expect(fed.receiver.holdsExtent).toBe(false);
    expect(writeBuffer.freeExtents).toBe(4);
  });

  it('reports a frame that is too large, and takes nothing behind it', () => {
    const fed = new Fed();
    const header = Buffer.alloc(4);
    header.writeUInt32BE(4097);
    const more = fed.feed(Buffer.concat([frameOf(3, 1), header, frameOf(3, 2)])).more;
    expect(more).toBe(false);
    expect(fed.invalid).toEqual(['a frame of 4097 bytes is larger than 4096']);
    expect(fed.frames.length).toBe(1);
    expect(fed.receiver.received(0)).toBe(false);
  });

  it('keeps frames that have to wait, and takes them in order when they may be tried again', () => {
    const writeBuffer = writeBufferOf(4);
    const shared = Buffer.alloc(SHARED_BYTES);
    const fed = new Fed(writeBuffer, shared);
    const other = new Fed(writeBuffer, shared);
    fed.accept = false;
    const frames = [frameOf(20, 1), frameOf(30, 2), frameOf(40, 3)];
    const { more, taken } = fed.feed(Buffer.concat(frames).subarray(0, 80));
    expect([more, taken]).toEqual([false, 80]);
    other.feed(frameOf(100, 7));
    fed.receiver.retry();
    expect(fed.frames).toEqual([]);
    fed.accept = true;
    fed.receiver.retry();
    expect(fed.resumed).toBe(1);
    expect(fed.frames).toEqual(frames.slice(0, 2).map((frame) => frame.subarray(4)));
    fed.feed(frames[2]?.subarray(80 - 58) ?? Buffer.alloc(0));
    expect(fed.frames.length).toBe(3);
    expect(fed.frames[2]).toEqual(frames[2]?.subarray(4));
  });

  it('waits for an extent without holding one, and goes on when one is free', () => {
    const writeBuffer = writeBufferOf(3);
    const staged = writeBuffer.stage(Buffer.alloc(1));
    const [a, b, c] = [new Fed(writeBuffer), new Fed(writeBuffer), new Fed(writeBuffer)];
    const frame = frameOf(500, 1);
    expect(a.feed(frame.subarray(0, 50)).more).toBe(true);
    expect(b.feed(frame.subarray(0, 50)).more).toBe(true);
    expect(c.feed(frame.subarray(0, 50)).more).toBe(false);
    expect(c.receiver.holdsExtent).toBe(false);
    expect(writeBuffer.contended).toBe(true);
    a.receiver.close();
    expect(c.resumed).toBe(1);
    c.feed(frame.subarray(50));
    expect(c.frames).toEqual([frame.subarray(4)]);
    b.receiver.close();
    c.receiver.close();
    staged?.extent.release();
    expect(writeBuffer.contended).toBe(false);
    expect(writeBuffer.freeExtents).toBe(2);
  });

  it('is not woken any more once it is closed', () => {
    const writeBuffer = writeBufferOf(2);
    writeBuffer.stage(Buffer.alloc(1));
    const [a, b] = [new Fed(writeBuffer), new Fed(writeBuffer)];
    a.feed(frameOf(500, 1).subarray(0, 50));
    b.feed(frameOf(500, 1).subarray(0, 50));
    b.receiver.close();
    expect(writeBuffer.contended).toBe(false);
    a.receiver.close();
    expect(b.resumed).toBe(0);
    expect(writeBuffer.freeExtents).toBe(1);
  });

  it('tells since when a frame is here in part, not counting the time that it was kept waiting', () => {
    const fed = new Fed();
    expect(fed.receiver.partialSinceMs).toBeNull();
    fed.clock.advance(10);
    fed.feed(frameOf(50, 1).subarray(0, 2));
    expect(fed.receiver.partialSinceMs).toBe(10);
    fed.clock.advance(10);
    fed.feed(frameOf(50, 1).subarray(2, 20));
    expect(fed.receiver.partialSinceMs).toBe(10);
    expect(fed.receiver.lastProgressMs).toBe(20);
    fed.clock.advance(10);
    fed.feed(frameOf(50, 1).subarray(20));
    expect(fed.receiver.partialSinceMs).toBeNull();

    fed.accept = false;
    fed.feed(Buffer.concat([frameOf(10, 2), frameOf(50, 3).subarray(0, 10)]));
    expect(fed.receiver.partialSinceMs).toBeNull();
    fed.clock.advance(1000);
    fed.accept = true;
    fed.receiver.retry();
    expect(fed.receiver.partialSinceMs).toBe(1030);
    expect(fed.receiver.lastProgressMs).toBe(1030);
  });

  it('does not count the time that it waited for an extent', () => {
    const writeBuffer = writeBufferOf(2);
    writeBuffer.stage(Buffer.alloc(1));
    const [a, b] = [new Fed(writeBuffer), new Fed(writeBuffer)];
    a.feed(frameOf(500, 1).subarray(0, 50));
    b.feed(frameOf(500, 1).subarray(0, 50));
    b.clock.advance(5000);
    expect(b.receiver.partialSinceMs).toBeNull();
    a.receiver.close();
    expect(b.receiver.partialSinceMs).toBe(5000);
    expect(b.receiver.lastProgressMs).toBe(5000);
    b.receiver.close();
  });
});

describe('FrameReceivers that share their memory', () => {
  afterEach(() => vi.restoreAllMocks());

  it('take every frame whole, once and in order, whatever comes, and give all memory back', () => {
    const allocations = vi.spyOn(Buffer, 'allocUnsafeSlow');
    withSeeds(300, (random) => {
      allocations.mockClear();
      new Traffic(random).run();
      const largest = Math.max(0, ...allocations.mock.calls.map(([bytes]) => bytes));
      expect(largest).toBeLessThanOrEqual(PRIVATE_BYTES_MAX);
    });
  });

  it('wait for memory, and for nothing else, when partial frames hold all of it', () => {
    withSeeds(200, (random) => new Traffic(random, { holders: 6 }).run());
  });
});

/** Records of a frame that was taken, until they are written. */
interface Kept {
  readonly extent: Extent;
  readonly start: number;
  readonly bytes: Buffer;
}

class Peer {
  readonly name: string;
  readonly receiver: FrameReceiver;
  readonly #traffic: Traffic;
  readonly #random: Random;
  readonly #expected: Buffer[] = [];
  readonly #stream: Buffer;
  #sent = 0;
  #paused = false;
  /** The region that the transport was given, where bytes may land at any moment. */
  #lent: Buffer | null = null;
  /** A frame had to wait and may be tried again by the test; one that waits for room is woken by the buffer. */
  stalled: 'no' | 'until-retry' | 'until-room' = 'no';
  closed = false;
  /** What it sends ends with this: nothing, a frame cut short, or one that is too large. */
  readonly #end: 'whole' | 'partial' | 'oversize';
  invalid: string | null = null;

  constructor(
    name: string,
    traffic: Traffic,
    random: Random,
    end: 'whole' | 'partial' | 'oversize',
    frames: number,
  ) {
    this.name = name;
    this.#traffic = traffic;
    this.#random = random;
    this.#end = end;
    const { writeBuffer, sharedBuffer, frameBytesMax } = traffic;
    const pieces: Buffer[] = [];
    for (let i = 0; i < frames; i++) {
      const frame = frameOf(traffic.frameBytes(), random.below(256));
      pieces.push(frame);
      this.#expected.push(frame.subarray(4));
    }
    if (end === 'partial') {
      const frame = frameOf(Math.max(200, traffic.frameBytes()), 3);
      pieces.push(frame.subarray(0, frame.length - 1 - random.below(100)));
    } else if (end === 'oversize') {
      const header = Buffer.alloc(4 + random.below(50));
      header.writeUInt32BE(frameBytesMax + 1 + random.below(2 ** 31));
      pieces.push(header);
    }
    this.#stream = Buffer.concat(pieces);
    this.receiver = new FrameReceiver({
      writeBuffer,
      sharedBuffer,
      frameBytesMax,
      clock: traffic.clock,
      sizes: SIZES,
      take: (frame) => this.#take(frame),
      invalid: (reason) => {
        this.invalid = reason;
        this.close();
      },
      resume: () => {
        expect(this.#paused).toBe(true);
        this.#paused = false;
      },
    });
  }

  get canSend(): boolean {
    return !this.closed && !this.#paused && this.#sent < this.#stream.length;
  }

  /** Has sent all it had, and holds nothing up: it may be closed. */
  get isDone(): boolean {
    return !this.closed && !this.#paused && this.#sent === this.#stream.length;
  }

  get endsPartly(): boolean {
    return this.#end === 'partial';
  }

  send(): void {
    const region = this.#lent ?? this.receiver.receiveBuffer();
    if (region.length === 0) throw new Error(`${this.name} has no room, and is not paused`);
    const left = this.#stream.length - this.#sent;
    const wanted = pick(this.#random, [1, 2, 4, 10, 100, 150, 300, 2000]);
    const count = Math.min(region.length, left, 1 + this.#random.below(wanted));
    this.#stream.copy(region, 0, this.#sent, this.#sent + count);
    this.#sent += count;
    this.#lent = null;
    const more = this.receiver.received(count);
    this.#paused = !more;
    if (!more || this.closed) return;
    const next = this.receiver.receiveBuffer();
    // Connections share one buffer, where bytes land and are delivered in one step. Elsewhere they may land at once.
    if (next.buffer !== this.#traffic.sharedBuffer.buffer) {
      this.#lent = next;
      next.fill(0xee);
    }
  }

  retry(): void {
    this.stalled = 'no';
    this.receiver.retry();
  }

  close(): void {
    this.closed = true;
    this.#lent = null;
    this.receiver.close();
  }

  /** Everything that it sent whole was taken. */
  check(): void {
    if (this.#end === 'oversize') expect(this.invalid).toMatch(/^a frame of \d+ bytes is larger than/);
    else expect(this.invalid).toBeNull();
    expect(this.#expected.length, `${this.name}: frames that were not taken`).toBe(0);
  }

  #take(frame: Frame): boolean {
    if (this.stalled !== 'no') throw new Error(`${this.name} is given a frame while one waits`);
    if (chance(this.#random, 1, 5)) {
      this.stalled = 'until-retry';
      return false;
    }
    const body = bodyOf(frame);
    const { extent } = frame;
    if (extent) {
      if (!extent.bytes.subarray(frame.start, frame.end).equals(body))
        throw new Error('a frame lies where its extent is not');
      if (chance(this.#random, 2, 3)) {
        extent.retain();
        this.#traffic.keep({ extent, start: extent.start + frame.start, bytes: body });
      }
    } else if (chance(this.#random, 1, 2)) {
      // As a produce request does with records that arrived in private memory.
      const staged = this.#traffic.writeBuffer.stage(body);
      if (!staged) {
        this.stalled = 'until-room';
        this.#traffic.writeBuffer.whenFree(body.length, () => {
          if (this.closed) return true;
          if (this.stalled === 'until-room') this.retry();
          return this.stalled !== 'until-room';
        });
        return false;
      }
      this.#traffic.keep({ extent: staged.extent, start: staged.start, bytes: body });
    }
    const expected = this.#expected.shift();
    if (!expected) throw new Error(`${this.name} is given a frame that was not sent`);
    if (!body.equals(expected)) throw new Error(`${this.name} is given a damaged frame`);
    return true;
  }
}

/** Peers that send random frames in random pieces to receivers with one shared buffer and one small write buffer. */
class Traffic {
  readonly #random: Random;
  readonly writeBuffer: WriteBuffer;
  readonly sharedBuffer = Buffer.from(new SharedArrayBuffer(SHARED_BYTES));
  readonly frameBytesMax: number;
  readonly clock = new SimulatedClock();
  readonly #extents: number;
  readonly #peers: Peer[] = [];
  readonly #kept = new Set<Kept>();

  constructor(random: Random, { holders = 0 } = {}) {
    this.#random = random;
    this.#extents = 2 + random.below(4);
    const largeBytes = pick(random, [0, 3000, 6000]);
    this.writeBuffer = writeBufferOf(this.#extents, largeBytes);
    this.frameBytesMax = this.writeBuffer.frameBytesMax - 4;
    for (let i = 0; i < holders; i++) this.#peers.push(new Peer(`holder ${i}`, this, random, 'partial', 0));
    const count = 1 + random.below(8);
    for (let i = 0; i < count; i++) {
      const end = pick(random, ['whole', 'whole', 'partial', 'oversize'] as const);
      this.#peers.push(new Peer(`peer ${i}`, this, random, end, random.below(25)));
    }
  }

  frameBytes(): number {
    const random = this.#random;
    const largest = pick(random, [
      0,
      3,
      20,
      60,
      70,
      250,
      900,
      EXTENT_BYTES - 4,
      EXTENT_BYTES,
      this.frameBytesMax,
    ]);
    return Math.min(random.below(largest + 1), this.frameBytesMax);
  }

  keep(kept: Kept): void {
    this.#kept.add(kept);
  }

  run(): void {
    for (let step = 0; this.#step(); step++) if (step > 100_000) throw new Error('it never ends');
    for (const peer of this.#peers) {
      if (!peer.closed) peer.close();
      peer.check();
    }
    expect(this.writeBuffer.contended).toBe(false);
    // One may be set aside for staging, for good; the others are free, and so is all of the region for large frames.
    expect(this.writeBuffer.freeExtents).toBeGreaterThanOrEqual(this.#extents - 1);
    if (this.writeBuffer.frameBytesMax > EXTENT_BYTES) {
      expect(this.writeBuffer.acquire(this.writeBuffer.frameBytesMax)).not.toBeNull();
    }
  }

  /** False if nothing is left to happen. */
  #step(): boolean {
    const random = this.#random;
    const actions: (() => void)[] = [];
    for (const peer of this.#peers) {
      if (peer.canSend) actions.push(() => peer.send());
      if (peer.stalled === 'until-retry' && !peer.closed) actions.push(() => peer.retry());
    }
    if (this.#kept.size > 0 && (actions.length === 0 || chance(random, 1, 3))) {
      actions.push(() => this.#release(pick(random, [...this.#kept])));
    }
    if (actions.length > 0) {
      pick(random, actions)();
      return true;
    }
    // Nobody can go on: peers that stopped in the middle of a frame are closed, one by one, as overdue.
    const overdue = this.#peers.filter((peer) => peer.isDone && peer.endsPartly);
    if (overdue.length > 0) {
      pick(random, overdue).close();
      return true;
    }
    const waiting = this.#peers.filter((peer) => !peer.closed && !peer.isDone);
    if (waiting.length > 0)
      throw new Error(`${waiting.map(({ name, stalled }) => `${name} (${stalled})`)} wait for ever`);
    return false;
  }

  #release(kept: Kept): void {
    this.#kept.delete(kept);
    const { extent, start, bytes } = kept;
    const now = this.writeBuffer.bytes.subarray(start, start + bytes.length);
    if (!now.equals(bytes)) throw new Error(`records at ${start} changed before they were written`);
    extent.release();
  }
}
