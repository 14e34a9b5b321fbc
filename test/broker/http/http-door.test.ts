import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.js';
import { silentLogger } from '../../../src/base/log.js';
import { HttpDoor, jsonPage, type PageSource } from '../../../src/broker/http/http-door.js';

const LARGE = Buffer.alloc(64 * 1024 * 1024, 'x');
const doors: HttpDoor[] = [];

async function open(pages: Record<string, PageSource>, clock: Clock = systemClock): Promise<HttpDoor> {
  const door = await HttpDoor.start(
    { host: '127.0.0.1', port: 0 },
    { pages: new Map(Object.entries(pages)), clock, logger: silentLogger },
  );
  doors.push(door);
  return door;
}

afterEach(async () => {
  for (const door of doors.splice(0)) await door.close();
});

async function get(door: HttpDoor, path: string, method = 'GET') {
  const response = await fetch(`http://${door.address}${path}`, { method });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

const eventually = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 20_000 });

/** Asks and reads nothing of the answer. */
function askOnly(door: HttpDoor, path: string) {
  const [host = '', port] = door.address.split(':');
  const socket = connect({ host, port: Number(port) });
  let closed = false;
  socket.pause();
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return { socket, closed: () => closed };
}

/** A clock whose timers the test fires. */
function manualClock() {
  const timers = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    after: (_delayMs, fire) => {
      timers.add(fire);
      return { timer: fire };
    },
    cancel: ({ timer }) => {
      for (const fire of timers) if (fire === timer) timers.delete(fire);
    },
  };
  return { clock, timers };
}

describe('HttpDoor', () => {
  it('serves pages by path, whatever the query', async () => {
    const door = await open({ '/page': (accept) => jsonPage(200, { accept }) });
    expect(await get(door, '/page?a=b')).toMatchObject({ status: 200, body: '{"accept":"*/*"}\n' });
  });

  it('answers HEAD with the headers of GET', async () => {
    const door = await open({ '/page': () => jsonPage(503, { ready: false }) });
    const head = await get(door, '/page', 'HEAD');
    expect(head).toMatchObject({ status: 503, body: '' });
    expect(head.headers.get('content-length')).toBe('16');
    expect(head.headers.get('content-type')).toBe('application/json');
  });

  it('refuses unknown paths and other methods', async () => {
    const door = await open({ '/page': () => jsonPage(200, {}) });
    expect(await get(door, '/elsewhere')).toMatchObject({
      status: 404,
      body: expect.stringContaining('/page'),
    });
    expect((await get(door, '/page/')).status).toBe(404);
    const post = await get(door, '/page', 'POST');
    expect(post.status).toBe(405);
    expect(post.headers.get('allow')).toBe('GET, HEAD');
  });

  it('says 500 if a page cannot be made, and lives on', async () => {
    let calls = 0;
    const door = await open({
      '/page': () => {
        if (calls++ === 0) throw new Error('not today');
        return jsonPage(200, {});
      },
    });
    expect((await get(door, '/page')).status).toBe(500);
    expect((await get(door, '/page')).status).toBe(200);
  });

  it('ends the connection of a reader that does not take its answer in time', async () => {
    const { clock, timers } = manualClock();
    const door = await open(
      { '/large': () => ({ status: 200, contentType: 'text/plain', body: LARGE }) },
      clock,
    );
    const reader = askOnly(door, '/large');
    await eventually(() => timers.size === 1);
    for (const fire of timers) fire();
    reader.socket.resume();
    await eventually(reader.closed);
    expect(timers.size).toBe(0);
  });

  it('makes no more answers at a time than it may, and goes on when they are taken', async () => {
    const door = await open({ '/large': () => ({ status: 200, contentType: 'text/plain', body: LARGE }) });
    const statuses: number[] = [];
    const readers = Array.from({ length: 32 }, () => askOnly(door, '/large'));
    await eventually(async () => {
      statuses.push((await get(door, '/large', 'HEAD')).status);
      return statuses.at(-1) === 503;
    });
    for (const { socket } of readers) socket.destroy();
    await eventually(async () => (await get(door, '/large', 'HEAD')).status === 200);
  });

  it('says why it cannot listen', async () => {
    const door = await open({});
    const port = Number(door.address.split(':')[1]);
    const second = HttpDoor.start(
      { host: '127.0.0.1', port },
      { pages: new Map(), clock: systemClock, logger: silentLogger },
    );
    await expect(second).rejects.toMatchObject({
      code: 'ODR_START',
      message: expect.stringContaining(String(port)),
    });
  });
});
