import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { brokerError } from '../../src/base/errors.js';
import { deferred } from '../../src/client/deferred.js';
import { messageWritable } from '../../src/client/message-writable.js';

/** Takes all messages, and answers as it is told. */
function sinkOf({ send = () => Promise.resolve() }: { send?: () => Promise<unknown> } = {}) {
  const sent: unknown[] = [];
  const flushing = deferred<void>();
  const flushed = deferred<void>();
  let room: Promise<void> = Promise.resolve();
  return {
    sent,
    flushing,
    flushed,
    fill: () => {
      const { promise, resolve } = deferred<void>();
      room = promise;
      return () => {
        room = Promise.resolve();
        resolve();
      };
    },
    send: (message: unknown) => {
      sent.push(message);
      return send();
    },
    ready: () => room,
    flush: () => {
      flushing.resolve();
      return flushed.promise;
    },
  };
}

describe('messageWritable', () => {
  it('sends values and messages, and finishes when all are delivered', async () => {
    const sink = sinkOf();
    const stream = messageWritable(sink, { topic: 'lines' });
    const done = pipeline(
      Readable.from(['a', Buffer.from('b'), { key: 'k', value: 'c', topic: 'other' }]),
      stream,
    );
    await sink.flushing.promise;
    expect(stream.writableFinished).toBe(false);
    sink.flushed.resolve();
    await done;
    expect(sink.sent).toEqual([
      { topic: 'lines', value: 'a' },
      { topic: 'lines', value: Buffer.from('b') },
      { topic: 'other', key: 'k', value: 'c' },
    ]);
  });

  it('takes no more while there is no room', async () => {
    const sink = sinkOf();
    const makeRoom = sink.fill();
    const stream = messageWritable(sink, { topic: 't', highWaterMark: 2 });
    expect([stream.write('a'), stream.write('b'), stream.write('c')]).toEqual([true, false, false]);
    expect(sink.sent).toHaveLength(1);
    const drained = once(stream, 'drain');
    makeRoom();
    await drained;
    expect(sink.sent).toHaveLength(3);
    stream.destroy();
  });

  it('ends with the error of a message that is not delivered', async () => {
    const refused = brokerError('MESSAGE_TOO_LARGE');
    const stream = messageWritable(sinkOf({ send: () => Promise.reject(refused) }), { topic: 't' });
    const failed = once(stream, 'error');
    stream.write('a');
    const [error] = await failed;
    expect(error).toBe(refused);
  });

  it.each<[string, unknown, string]>([
    ['a value without a topic', 'a', 'needs a topic'],
    ['a number', 7, 'not number'],
  ])('refuses %s', async (_, chunk, message) => {
    const stream = messageWritable(sinkOf(), {});
    const failed = once(stream, 'error');
    stream.write(chunk);
    const [error] = await failed;
    expect(error).toMatchObject({ code: 'ODR_USAGE', message: expect.stringContaining(message) });
  });
});
