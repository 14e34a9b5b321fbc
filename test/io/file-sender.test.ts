// Slices of files through real sockets: with the system's call where there is one, and without.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { assert } from '../../src/base/assert.js';
import type { FileSlice, Piece } from '../../src/base/piece.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import type { DiskFile, LentFile } from '../../src/io/disk.js';
import { loadLibc } from '../../src/io/libc.js';
import type { Transport } from '../../src/io/network.js';
import { NodeDisk } from '../../src/io/node-disk.js';
import { NodeNetwork } from '../../src/io/node-network.js';
import { pick } from '../actor/seeds.js';

const FILE_BYTES = 3 * 2 ** 20;
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

const contents = Buffer.alloc(FILE_BYTES);
for (let at = 0; at < FILE_BYTES; at += 4) contents.writeUInt32LE((at * 2654435761) >>> 0, at);

const noLibc = process.platform !== 'linux' || (await loadLibc()) === null;

describe('A transport that sends slices of files', () => {
  const disk = new NodeDisk();
  let folder: string;
  let path: string;
  let file: DiskFile;
  let lent: LentFile;
  const sockets: Socket[] = [];
  const servers: { close: (done: () => void) => void }[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-slices-'));
    path = join(folder, 'segment');
    writeFileSync(path, contents);
    file = disk.open(path, 'read');
    const held = disk.lend(file);
    assert(held, 'nothing is lent yet');
    lent = held;
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) await new Promise<void>((done) => server.close(done));
  });
  afterAll(() => {
    lent.release();
    disk.close(file);
    rmSync(folder, { recursive: true });
  });

  /** How it is sent: by the system's call, by reading here, by reading elsewhere, or by any of them. */
  const slice = (position: number, length: number, how: () => 'sent' | 'here' | 'later'): FileSlice => ({
    length,
    position,
    get descriptor() {
      return how() === 'sent' ? lent.descriptor : null;
    },
    get mayBlock() {
      return how() !== 'later';
    },
    sending: (call) => call(),
    failed: (reason) => {
      throw new Error(reason);
    },
    read(at, target, done) {
      const into = target.subarray(0, Math.min(target.length, length - at));
      if (how() === 'later') lent.readLater(position + at, into, done);
      else done(null, lent.read(position + at, into));
    },
  });

  async function pair(
    sendBufferBytes = 32 * 1024,
  ): Promise<{ transport: Transport; client: Socket; closed: Promise<void> }> {
    const network = new NodeNetwork({ sendBufferBytes });
    return await new Promise((resolve, reject) => {
      let over: () => void = () => {};
      const closed = new Promise<void>((done) => {
        over = done;
      });
      network.listen(
        '127.0.0.1:0',
        (transport) => {
          setImmediate(() => resolve({ transport, client, closed }));
          return { receiveBuffer: () => Buffer.alloc(100), received: () => true, closed: () => over() };
        },
        (listener) => {
          if (listener instanceof Error) {
            reject(listener);
            return;
          }
          servers.push(listener);
          client = connect(Number(listener.address.split(':')[1]), '127.0.0.1');
          client.pause();
          client.write('hello');
          sockets.push(client);
        },
      );
      let client: Socket;
    });
  }

  /** Reads so many bytes, in its own pace. */
  async function read(client: Socket, count: number, random: Random): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let left = count;
    for await (const chunk of client) {
      assert(chunk instanceof Buffer, 'bytes');
      chunks.push(chunk);
      left -= chunk.length;
      if (left <= 0) break;
      if (random.below(20) === 0) await new Promise((later) => setTimeout(later, 2));
    }
    return Buffer.concat(chunks);
  }

  it.each(['sent', 'here', 'later', 'mixed'] as const)('sends all in order: %s', async (how) => {
    const random = seededRandom(seed);
    const { transport, client } = await pair();
    const expected: Buffer[] = [];
    const ended: number[] = [];
    let bytes = 0;
    const ways = how === 'mixed' ? (['sent', 'here', 'later'] as const) : [how];
    for (let output = 0; output < 16; output++) {
      const pieces: Piece[] = [contents.subarray(output, output + 1)];
      expected.push(contents.subarray(output, output + 1));
      bytes++;
      for (let piece = random.below(5); piece >= 0; piece--) {
        const length = pick(random, [0, 1, 300, 70_000, 400_000]);
        const position = random.below(FILE_BYTES - length);
        expected.push(contents.subarray(position, position + length));
        const isSlice = random.below(2) === 0;
        pieces.push(
          isSlice
            ? slice(position, length, () => pick(random, ways))
            : contents.subarray(position, position + length),
        );
        bytes += length;
      }
      transport.write(pieces, () => ended.push(output));
      if (random.below(3) === 0) await new Promise((later) => setImmediate(later));
    }
    const pending = transport.pendingBytes;
    const got = await read(client, bytes, random);
    expect(got.equals(Buffer.concat(expected)), `SEED=${seed}`).toBe(true);
    expect(pending).toBeGreaterThan(0);
    await new Promise((later) => setTimeout(later, 0));
    expect(transport.pendingBytes).toBe(0);
    // The stream tells a turn later than the system's call does.
    expect(ended.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, output) => output));
  });

  it('keeps the order of what is written while it is told that something is done', async () => {
    const random = seededRandom(seed);
    const { transport, client } = await pair();
    const large = contents.subarray(0, 2 * 2 ** 20);
    const expected = [contents.subarray(0, 300_000), large, contents.subarray(0, 5), contents.subarray(7, 9)];
    transport.write([slice(0, 300_000, () => 'sent')], () => {
      transport.write([large]); // More than the kernel takes.
      transport.write([slice(0, 5, () => 'sent'), contents.subarray(7, 9)]);
    });
    const whole = Buffer.concat(expected);
    expect((await read(client, whole.length, random)).equals(whole)).toBe(true);
  });

  it('sends very many small pieces beside slices, in order', async () => {
    const random = seededRandom(seed);
    const { transport, client } = await pair();
    const expected: Buffer[] = [];
    const pieces: Piece[] = [];
    for (let at = 0; at < 3000; at++) {
      const length = pick(random, [0, 1, 70, 900, 4096, 4097, 20_000]);
      const position = random.below(FILE_BYTES - length);
      const bytes = contents.subarray(position, position + length);
      expected.push(bytes);
      pieces.push(at % 1000 === 500 ? slice(position, length, () => 'sent') : bytes);
    }
    transport.write(pieces);
    const whole = Buffer.concat(expected);
    expect((await read(client, whole.length, random)).equals(whole), `SEED=${seed}`).toBe(true);
  });

  it('sends what is pending before it ends', async () => {
    const random = seededRandom(seed);
    const { transport, client } = await pair();
    transport.write([
      Buffer.from('begin'),
      slice(0, FILE_BYTES, () => pick(random, ['sent', 'here', 'later'])),
    ]);
    transport.write([Buffer.from('end')]);
    transport.end();
    let dropped = false;
    transport.write([Buffer.from('too late')], () => {
      dropped = true;
    });
    const got = await read(client, Number.POSITIVE_INFINITY, random);
    expect(dropped).toBe(true);
    expect(got.toString('latin1', 0, 5)).toBe('begin');
    expect(got.subarray(5, -3).equals(contents)).toBe(true);
    expect(got.toString('latin1', got.length - 3)).toBe('end');
  });

  it.each(['sent', 'here', 'later'] as const)(
    'closes if the file is shorter than it was: %s',
    async (how) => {
      const short = join(folder, 'short');
      writeFileSync(short, contents.subarray(0, 1000));
      const open = disk.open(short, 'read');
      const borrowed = disk.lend(open);
      assert(borrowed, 'few are lent');
      const { transport, client, closed } = await pair();
      truncateSync(short, 400);
      let done = 0;
      const reasons: string[] = [];
      const broken: FileSlice = {
        ...{ length: 1000, position: 0, mayBlock: how !== 'later', sending: (call) => call() },
        failed: (reason, position) => reasons.push(`${position}: ${reason}`),
        descriptor: how === 'sent' ? borrowed.descriptor : null,
        read: (at, target, ended) => borrowed.readLater(at, target, ended),
      };
      transport.write([Buffer.from('head'), broken], () => done++);
      transport.write([Buffer.from('never')], () => done++);
      client.on('error', () => {});
      const goesOn = new Promise<void>((_, reject) => {
        client.on('data', (bytes: Buffer) => {
          if (bytes.includes('never')) reject(new Error('what follows was sent all the same'));
        });
      });
      client.resume();
      await Promise.race([closed, goesOn]);
      expect(done).toBe(2);
      expect(reasons).toEqual(['400: the file is shorter than it was']);
      expect(transport.pendingBytes).toBe(0);
      borrowed.release();
      disk.close(open);
    },
  );

  it('is done with everything when the peer goes away', async () => {
    const random = seededRandom(seed);
    const { transport, client, closed } = await pair();
    let done = 0;
    for (let i = 0; i < 4; i++) {
      const whole = slice(0, FILE_BYTES, () => pick(random, ['sent', 'here', 'later']));
      transport.write([Buffer.from('head'), whole], () => done++);
    }
    expect(transport.pendingBytes).toBeGreaterThan(FILE_BYTES);
    client.destroy();
    await closed;
    await new Promise((later) => setTimeout(later, 20));
    expect(done).toBe(4);
    transport.write([slice(0, 10, () => 'sent')], () => done++);
    expect(done).toBe(5);
  });

  it.skipIf(noLibc)('copies where the system refuses to send', async () => {
    const random = seededRandom(seed);
    const { transport, client } = await pair();
    // A descriptor of nothing: every call fails.
    const refused: FileSlice = { ...slice(0, 1_000_000, () => 'here'), descriptor: 1_000_000 };
    let reads = 0;
    const counted: FileSlice = {
      ...refused,
      read: (...how) => {
        reads++;
        refused.read(...how);
      },
    };
    transport.write([Buffer.from('head'), counted]);
    const got = await read(client, 1_000_004, random);
    expect(got.subarray(4).equals(contents.subarray(0, 1_000_000))).toBe(true);
    expect(reads).toBeLessThanOrEqual(2 + 1_000_000 / 65_536);
  });

  it.skipIf(noLibc).each([1_000_000, null])('gives others their turn: descriptor %s', async (descriptor) => {
    const { transport, client } = await pair(4 * 2 ** 20);
    transport.write([{ ...slice(0, FILE_BYTES, () => 'here'), descriptor }]);
    client.resume();
    let most = 0;
    for (let before = FILE_BYTES, left = before; left > 0; before = left) {
      await new Promise((later) => setImmediate(later));
      left = transport.pendingBytes;
      most = Math.max(most, before - left);
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2 ** 20 + 65_536);
  });

  it.skipIf(noLibc)('ends while its peer still writes, and is not read', async () => {
    const random = seededRandom(seed);
    const { transport, client, closed } = await pair();
    transport.write([slice(0, FILE_BYTES, () => 'sent')]);
    transport.end();
    client.write(Buffer.alloc(4 * 2 ** 20));
    const got = await read(client, FILE_BYTES, random);
    expect(got.equals(contents)).toBe(true);
    client.end();
    await closed;
  });
});
