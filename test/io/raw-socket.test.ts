import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { NodeTransport } from '../../src/io/node-transport.js';
import { takeOver, writeNow } from '../../src/io/raw-socket.js';

describe('takeOver', () => {
  const read = { buffer: () => Buffer.alloc(1), received: () => true };

  it('leaves a socket alone that is not of the expected shape', () => {
    for (const handle of [null, undefined, 5, {}, { readStart() {}, readStop() {} }]) {
      const socket = new Socket();
      Reflect.set(socket, '_handle', handle);
      expect(takeOver(socket, read)).toBe(null);
      expect(Reflect.get(socket, '_handle')).toBe(handle);
      expect(socket.destroyed).toBe(false);
    }
  });

  it('leads to data events then', () => {
    const clock = new SimulatedClock();
    const transport = new NodeTransport(new Socket(), {
      clock,
      receive: 'direct',
      halfOpenMs: 1,
      lingerMs: 1,
      sendBufferBytes: -1,
    });
    expect(transport.direct).toBe(false);
    expect(transport.remoteAddress).toBe('unknown:0');
  });
});

describe('writeNow', () => {
  it('takes nothing where there is no open handle', () => {
    const socket = new Socket();
    for (const handle of [null, undefined, {}, { fd: -1 }, { fd: 'x' }]) {
      Reflect.set(socket, '_handle', handle);
      expect(writeNow(socket, Buffer.from('a'))).toBe(0);
    }
    Reflect.set(socket, '_handle', null);
  });

  it.skipIf(process.platform === 'win32')('has the kernel take what the peer then reads', async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const peer = connect(address.port, '127.0.0.1');
    const [accepted] = await once(server, 'connection');
    const socket = takeOver(accepted, { buffer: () => Buffer.alloc(1), received: () => true });
    if (!socket) throw new Error('a socket of this version of Node has another shape');
    try {
      expect(writeNow(socket, Buffer.from('at once'))).toBe(7);
      const [bytes] = await once(peer, 'data');
      expect(String(bytes)).toBe('at once');
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
      expect(writeNow(socket, Buffer.from('too late'))).toBe(0);
    } finally {
      socket.destroy();
      peer.destroy();
      server.close();
    }
  });
});
