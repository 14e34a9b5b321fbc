import { describe, expect, it } from 'vitest';
import type { FileSlice } from '../../src/base/piece.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { Connection, type Door } from '../../src/broker/connection.js';
import type { Frame } from '../../src/broker/frame-receiver.js';
import { WriteBuffer } from '../../src/partition/write-buffer.js';
import { TestTransport } from './test-transport.js';

const EXTENT_BYTES = 4096;

/** A door that is worked by hand. */
class TestDoor implements Door {
  readonly taken: string[] = [];
  readonly connection: Connection;
  /** What to do with a frame; false: it must wait. */
  accept: (text: string) => boolean = () => true;
  drains = 0;
  closes = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  take({ bytes, start, end }: Frame): boolean {
    const text = bytes.toString('latin1', start, end);
    if (!this.accept(text)) return false;
    this.taken.push(text);
    return true;
  }

  drain(): void {
    this.drains++;
  }

  closed(): void {
    this.closes++;
  }
}

class Scene {
  readonly clock = new SimulatedClock();
  readonly transport = new TestTransport();
  readonly writeBuffer: WriteBuffer;
  readonly connection: Connection;
  readonly door: TestDoor;
  readonly logged: string[] = [];
  /** Memory for which others wait. */
  readonly scarce = Buffer.alloc(8192);
  gone = 0;
  delivered = 0;
  readonly #deferred: (() => void)[] = [];

  constructor({ requestsMax = 3, extents = 2 } = {}) {
    this.writeBuffer = new WriteBuffer({ extentBytes: EXTENT_BYTES, extents, largeBytes: 0 });
    let door: TestDoor | null = null;
    this.connection = new Connection({
      transport: this.transport,
      writeBuffer: this.writeBuffer,
      sharedBuffer: Buffer.alloc(1024),
      receiveSizes: { smallFrameBytes: 100, largeReadBytes: 500, extentReadBytes: 1000 },
      frameBytesMax: EXTENT_BYTES - 4,
      requestsMax,
      isScarce: (bytes) => bytes.buffer === this.scarce.buffer,
      clock: this.clock,
      defer: (run) => this.#deferred.push(run),
      door: (connection) => {
        door = new TestDoor(connection);
        return door;
      },
      delivered: () => this.delivered++,
      log: (reason) => this.logged.push(reason),
      gone: () => this.gone++,
    });
    if (!door) throw new Error('a connection has a door');
    this.door = door;
    this.transport.handler = this.connection;
  }

  /** Sends frames with these texts. */
  send(...texts: string[]): void {
    this.transport.send(Buffer.concat(texts.map(frameOf)));
  }

  /** Ends the turn: all that was deferred runs. */
  turn(): void {
    for (let runs = 0; this.#deferred.length > 0; runs++) {
      if (runs > 1000) throw new Error('a turn that never ends');
      this.#deferred.shift()?.();
    }
  }

  get read(): string[] {
    return this.transport.read.map((bytes) => bytes.toString('latin1'));
  }
}

function frameOf(text: string): Buffer {
  const frame = Buffer.alloc(4 + text.length);
  frame.writeUInt32BE(text.length);
  frame.write(text, 4, 'latin1');
  return frame;
}

/** Bytes that are only read when they are sent. */
function sliceOf(text: string): FileSlice {
  const bytes = Buffer.from(text, 'latin1');
  return {
    ...{ length: bytes.length, position: 0, descriptor: null, mayBlock: true },
    sending: (call) => call(),
    read: (at, target, done) => done(null, bytes.copy(target, 0, at)),
    failed: (reason) => {
      throw new Error(reason);
    },
  };
}

const BOUNDS = {
  frameTimeoutMs: 1000,
  idleTimeoutMs: 5000,
  stallTimeoutMs: Number.POSITIVE_INFINITY,
  receiveStallTimeoutMs: Number.POSITIVE_INFINITY,
};

describe('Connection', () => {
  it('passes frames to its door, and says when a delivery is over', () => {
    const scene = new Scene();
    scene.send('a', 'bc', '');
    expect(scene.door.taken).toEqual(['a', 'bc', '']);
    expect(scene.delivered).toBe(1);
  });

  it('sends the answers of one turn in one write', () => {
    const scene = new Scene();
    const done: string[] = [];
    scene.connection.send([Buffer.from('a'), Buffer.from('b')], () => done.push('ab'));
    scene.connection.send([Buffer.from('c')], () => done.push('c'));
    expect(scene.read).toEqual([]);
    scene.turn();
    expect(scene.read).toEqual(['abc']);
    expect(done).toEqual(['ab', 'c']);
  });

  it('takes no further frame while too many requests are unanswered', () => {
    const scene = new Scene({ requestsMax: 2 });
    scene.door.accept = () => {
      scene.connection.begin();
      return true;
    };
    scene.send('1', '2', '3', '4');
    scene.turn();
    expect(scene.door.taken).toEqual(['1', '2']);
    expect(scene.transport.paused).toBe(true);
    expect(scene.connection.unanswered).toBe(2);
    scene.connection.finish();
    scene.turn();
    expect(scene.door.taken).toEqual(['1', '2', '3']);
    expect(scene.transport.paused).toBe(true);
    scene.connection.finish();
    scene.connection.finish();
    scene.turn();
    expect(scene.door.taken).toEqual(['1', '2', '3', '4']);
    expect(scene.transport.paused).toBe(false);
    expect(() => [scene.connection.finish(), scene.connection.finish()]).toThrow('was begun');
  });

  it('takes no further frame while its peer leaves a MiB unread', () => {
    const scene = new Scene();
    scene.transport.reading = false;
    scene.connection.send([Buffer.alloc(1024 * 1024)]);
    expect(scene.connection.writable).toBe(false);
    scene.send('a');
    scene.turn();
    expect(scene.door.taken).toEqual([]);
    expect(scene.transport.paused).toBe(true);
    scene.transport.readOn();
    scene.turn();
    expect(scene.connection.writable).toBe(true);
    expect(scene.door.taken).toEqual(['a']);
    expect(scene.transport.paused).toBe(false);
  });

  it('tries a frame again when it is told so, and not before', () => {
    const scene = new Scene();
    scene.door.accept = () => false;
    scene.send('a', 'b');
    expect(scene.connection.stalled).toBe(true);
    scene.door.accept = () => true;
    scene.turn();
    expect(scene.door.taken).toEqual([]);
    const before = scene.delivered;
    scene.connection.retry();
    expect(scene.door.taken).toEqual(['a', 'b']);
    expect(scene.delivered).toBe(before + 1);
    expect(scene.transport.paused).toBe(false);
    scene.connection.retry();
    expect(scene.delivered).toBe(before + 1);
  });

  it('tries a frame again when the write buffer has room, waits in one place only, and holds up nobody', () => {
    const scene = new Scene();
    const { connection, writeBuffer } = scene;
    const staged = writeBuffer.stage(Buffer.alloc(EXTENT_BYTES));
    expect(writeBuffer.acquire(1)).not.toBeNull();
    let tries = 0;
    scene.door.accept = () => {
      tries++;
      if (writeBuffer.stage(Buffer.alloc(100))) return true;
      connection.retryWhenFree(100);
      return false;
    };
    scene.send('a');
    connection.retry();
    connection.retry();
    expect(tries).toBe(3);
    let others = 0;
    writeBuffer.whenFree(100, () => {
      others++;
      return true;
    });
    staged?.extent.release();
    expect(tries).toBe(4);
    expect(others).toBe(1);
    expect(scene.door.taken).toEqual(['a']);
    expect(writeBuffer.contended).toBe(false);
  });

  it('does not wait for room any more when the frame got through by itself, or the peer is gone', () => {
    const scene = new Scene();
    const { connection, writeBuffer } = scene;
    scene.door.accept = () => {
      connection.retryWhenFree(100);
      return false;
    };
    scene.send('a');
    expect(writeBuffer.contended).toBe(true);
    scene.door.accept = () => true;
    connection.retry();
    expect(writeBuffer.contended).toBe(false);
    scene.door.accept = () => {
      connection.retryWhenFree(100);
      return false;
    };
    scene.send('b');
    expect(writeBuffer.contended).toBe(true);
    scene.transport.close();
    expect(writeBuffer.contended).toBe(false);
  });

  it('ends when its peer sends no frames of ours, after what was answered before', () => {
    const scene = new Scene();
    scene.connection.send([Buffer.from('you see')]);
    const header = Buffer.alloc(4);
    header.writeUInt32BE(2 ** 31);
    scene.transport.send(header);
    expect(scene.logged).toEqual([`a frame of ${2 ** 31} bytes is larger than ${EXTENT_BYTES - 4}`]);
    expect(scene.read).toEqual(['you see']);
    expect(scene.transport.ended).toBe(true);
    expect([scene.gone, scene.door.closes]).toEqual([1, 1]);
    scene.transport.close();
    expect([scene.gone, scene.door.closes]).toEqual([1, 1]);
  });

  it('frees what it holds when the peer is gone', () => {
    const scene = new Scene();
    const released: string[] = [];
    scene.transport.reading = false;
    scene.connection.send([Buffer.from('a')], () => released.push('a'));
    scene.turn();
    scene.connection.send([Buffer.from('b')], () => released.push('b'));
    scene.transport.send(frameOf('x'.repeat(2000)).subarray(0, 700));
    expect(scene.writeBuffer.freeExtents).toBe(1);
    scene.transport.close();
    expect(released.sort()).toEqual(['a', 'b']);
    expect(scene.writeBuffer.freeExtents).toBe(2);
    scene.connection.send([Buffer.from('c')], () => released.push('c'));
    scene.turn();
    expect(released).toContain('c');
    expect(scene.gone).toBe(1);
  });

  it('drains: its door ends the waits, no frame is taken', () => {
    const scene = new Scene();
    scene.connection.drain();
    expect(scene.door.drains).toBe(1);
    scene.send('a');
    scene.connection.retry();
    scene.turn();
    expect(scene.door.taken).toEqual([]);
  });
});

describe('Connection.readInTurn', () => {
  /** Reads that begin and end by hand. */
  const reads = (scene: Scene, count: number) => {
    const begun: number[] = [];
    const overs: (() => void)[] = [];
    for (let i = 0; i < count; i++) {
      scene.connection.readInTurn((over) => {
        begun.push(i);
        overs[i] = over;
      });
    }
    return { begun, overs };
  };

  it('runs one read at a time, in order', () => {
    const scene = new Scene();
    const { begun, overs } = reads(scene, 3);
    scene.turn();
    expect(begun).toEqual([0]);
    overs[0]?.();
    scene.turn();
    expect(begun).toEqual([0, 1]);
    overs[1]?.();
    overs[1]?.();
    scene.turn();
    expect(begun).toEqual([0, 1, 2]);
  });

  it('runs reads that end at once without a break', () => {
    const scene = new Scene();
    let ran = 0;
    for (let i = 0; i < 100; i++) {
      scene.connection.readInTurn((over) => {
        ran++;
        over();
      });
    }
    scene.turn();
    expect(ran).toBe(100);
  });

  it('begins no read while the peer leaves answers unread', () => {
    const scene = new Scene();
    scene.transport.reading = false;
    scene.connection.send([Buffer.alloc(1024 * 1024)]);
    const { begun, overs } = reads(scene, 2);
    scene.turn();
    expect(begun).toEqual([]);
    scene.transport.readOn();
    scene.turn();
    expect(begun).toEqual([0]);
    scene.connection.send([Buffer.alloc(1024 * 1024)]);
    overs[0]?.();
    scene.turn();
    expect(begun).toEqual([0]);
    scene.transport.readOn();
    scene.turn();
    expect(begun).toEqual([0, 1]);
  });

  it('runs all of them at once when the peer is gone, later ones too', () => {
    const scene = new Scene();
    scene.transport.reading = false;
    scene.connection.send([Buffer.alloc(2 * 1024 * 1024)]);
    const { begun } = reads(scene, 3);
    expect(begun).toEqual([]);
    scene.transport.close();
    expect(begun).toEqual([0, 1, 2]);
    let late = false;
    scene.connection.readInTurn(() => {
      late = true;
    });
    expect(late).toBe(true);
  });
});

describe('Connection.overdue', () => {
  it('finds a frame that does not arrive whole in time', () => {
    const scene = new Scene();
    scene.clock.advance(2000);
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    scene.transport.send(frameOf('abc').subarray(0, 5));
    scene.clock.advance(900);
    scene.transport.send(frameOf('abc').subarray(5, 6));
    scene.clock.advance(100);
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    scene.clock.advance(1);
    expect(scene.connection.overdue(BOUNDS)?.reason).toBe('a frame did not arrive whole in time');
    scene.transport.send(frameOf('abc').subarray(6));
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
  });

  it('does not blame a peer for a frame that waits here', () => {
    const scene = new Scene();
    scene.door.accept = () => false;
    scene.transport.send(Buffer.concat([frameOf('a'), frameOf('b').subarray(0, 2)]));
    scene.clock.advance(3000);
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    scene.door.accept = () => true;
    scene.connection.retry();
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    scene.clock.advance(1001);
    expect(scene.connection.overdue(BOUNDS)?.reason).toBe('a frame did not arrive whole in time');
  });

  it('finds a large frame that stops arriving, while others wait for memory only', () => {
    const scene = new Scene();
    scene.transport.send(frameOf('x'.repeat(2000)).subarray(0, 700));
    scene.clock.advance(600);
    const contended = { ...BOUNDS, receiveStallTimeoutMs: 500 };
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    expect(scene.connection.overdue(contended)?.reason).toBe(
      'a frame stopped arriving while others wait for memory',
    );
    scene.transport.send(Buffer.from('x'));
    expect(scene.connection.overdue(contended)).toBeNull();
  });

  it('finds a peer that leaves answers unread, while others wait for memory only', () => {
    const scene = new Scene();
    scene.transport.reading = false;
    const contended = { ...BOUNDS, stallTimeoutMs: 500 };
    scene.connection.send([scene.scarce.subarray(0, 1)], () => {});
    scene.turn();
    scene.connection.send([scene.scarce.subarray(1, 2)], () => {});
    scene.turn();
    expect(scene.connection.overdue(contended)).toBeNull();
    scene.clock.advance(501);
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    expect(scene.connection.overdue(contended)?.reason).toBe(
      'answers were left unread while others wait for memory',
    );
    scene.transport.readOn(1);
    expect(scene.connection.overdue(contended)).toBeNull();
    scene.clock.advance(500);
    expect(scene.connection.overdue(contended)).toBeNull();
    scene.clock.advance(1);
    expect(scene.connection.overdue(contended)).not.toBeNull();
  });

  it('lets a peer be that leaves answers unread which hold none of the memory that others wait for, but not for ever', () => {
    const scene = new Scene();
    scene.transport.reading = false;
    const contended = { ...BOUNDS, stallTimeoutMs: 500 };
    let released = 0;
    const release = () => released++;
    scene.connection.send([Buffer.from('header'), sliceOf('from a file')], release);
    scene.connection.send([Buffer.from('without records')]);
    scene.turn();
    expect(scene.connection.overdue(contended)).toBeNull();
    scene.clock.advance(5000);
    expect(scene.connection.overdue(contended)).toBeNull();
    // The next one is behind the others, and holds some as long as they are not read.
    scene.connection.send([Buffer.from('header'), scene.scarce.subarray(0, 100)], release);
    scene.turn();
    expect(scene.connection.overdue(contended)).toBeNull();
    scene.clock.advance(501);
    expect(scene.connection.overdue(contended)?.counted).toBe('stalled');
    scene.transport.readOn();
    expect(released).toBe(2);
    scene.connection.send([sliceOf('another')], release);
    scene.turn();
    expect(scene.connection.overdue(contended)).toBeNull();
    scene.clock.advance(5001);
    expect(scene.connection.overdue(contended)).toEqual({
      reason: 'answers were left unread',
      counted: 'stalled',
    });
    scene.transport.close();
    expect(released).toBe(3);
  });

  it('finds a peer that reads no answers while its frames hold an extent', () => {
    const scene = new Scene();
    scene.transport.reading = false;
    scene.connection.send([Buffer.alloc(1024 * 1024)]);
    scene.turn();
    // A large frame that is not taken, because the answers before it are not read.
    scene.transport.send(frameOf('x'.repeat(3000)));
    expect(scene.connection.stalled).toBe(true);
    expect(scene.writeBuffer.freeExtents).toBe(1);
    const contended = { ...BOUNDS, receiveStallTimeoutMs: 500 };
    expect(scene.connection.overdue(contended)).toBeNull();
    scene.clock.advance(501);
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    expect(scene.connection.overdue(contended)?.reason).toBe(
      'answers were left unread while others wait for memory',
    );
  });

  it('finds an idle connection, counted from its last request or answer', () => {
    const scene = new Scene();
    scene.clock.advance(5000);
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    scene.send('a');
    scene.connection.begin();
    scene.clock.advance(20_000);
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    scene.connection.finish();
    expect(scene.connection.overdue(BOUNDS)).toBeNull();
    scene.clock.advance(5001);
    expect(scene.connection.overdue(BOUNDS)?.reason).toBe('idle');
  });
});
