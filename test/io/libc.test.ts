// Against the system's own words on the sockets.
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { assert } from '../../src/base/assert.js';
import { FileSender } from '../../src/io/file-sender.js';
import { loadLibc } from '../../src/io/libc.js';
import { descriptorOf } from '../../src/io/raw-socket.js';

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;

const libc = process.platform === 'linux' ? await loadLibc() : null;
const calls = libc && (await load());

/** Null where no `libc` has these names. */
async function load(): Promise<Record<'get' | 'set', (...values: unknown[]) => unknown>> {
  const { default: koffi } = await import('koffi');
  const library = koffi.load('libc.so.6');
  return {
    get: library.func('int getsockopt(int, int, int, void *, void *)'),
    set: library.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  };
}

describe('libc', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  async function socket(): Promise<Socket> {
    const server = createServer((accepted) => sockets.push(accepted));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    assert(typeof address === 'object' && address !== null, 'it listens');
    const connected = connect(address.port, '127.0.0.1');
    sockets.push(connected);
    await new Promise<void>((done) => connected.once('connect', done));
    server.close();
    return connected;
  }

  const congestionOf = (fd: number): string => {
    const name = Buffer.alloc(16);
    calls?.get(fd, IPPROTO_TCP, TCP_CONGESTION, name, Uint32Array.of(name.length));
    return name.toString('latin1').replace(/\0.*/s, '');
  };
  const setCongestion = (fd: number, name: string): boolean =>
    calls?.set(fd, IPPROTO_TCP, TCP_CONGESTION, Buffer.from(name), name.length) === 0;

  it.skipIf(!calls)('leaves other congestion controls alone', async () => {
    const fd = descriptorOf(await socket());
    expect(setCongestion(fd, 'reno')).toBe(true);
    libc?.leaveBbr(fd);
    expect(congestionOf(fd)).toBe('reno');
  });

  it.skipIf(!calls)('puts another one in the place of BBR, where the system has that', async ({ skip }) => {
    const fd = descriptorOf(await socket());
    if (!setCongestion(fd, 'bbr')) skip('this system has no BBR, or not for everybody');
    expect(congestionOf(fd)).toBe('bbr');
    libc?.leaveBbr(fd);
    expect(['cubic', 'reno']).toContain(congestionOf(fd));
  });

  it.skipIf(!calls).each([
    { isNear: true, sendBufferBytes: -1, expected: 2 * 512 * 1024 },
    { isNear: true, sendBufferBytes: 100_000, expected: 200_000 },
    { isNear: false, sendBufferBytes: 100_000, expected: 200_000 },
    { isNear: false, sendBufferBytes: -1, expected: null },
  ])('has the buffer of a peer: $isNear, $sendBufferBytes', async ({ expected, ...sending }) => {
    const peer = await socket();
    const fd = descriptorOf(peer);
    const size = (): number => {
      const value = new Int32Array(1);
      calls?.get(fd, SOL_SOCKET, SO_SNDBUF, value, Uint32Array.of(4));
      return value[0] ?? -1;
    };
    const before = size();
    const isBbr = setCongestion(fd, 'bbr');
    new FileSender(peer, libc, sending);
    const most = 2 * Number(readFileSync('/proc/sys/net/core/wmem_max', 'latin1'));
    expect(size()).toBe(expected === null ? before : Math.min(expected, most));
    if (isBbr) expect(congestionOf(fd) === 'bbr').toBe(!sending.isNear);
  });

  it.skipIf(!calls)('does nothing to what is no socket', () => {
    libc?.leaveBbr(-1);
    libc?.setSendBuffer(-1, 1000);
    expect(libc?.sendFile(-1, -1, 0, 10)).toBe(-1);
  });
});
