import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receive, send } from '../../../bench/load/peer.js';
import { answer } from '../../../bench/pump/answer.js';
import { sink } from '../../../bench/pump/sink.js';
import { source } from '../../../bench/pump/source.js';
import { deferred } from '../../../src/client/deferred.js';

const BYTES = 3_000_001;

describe('pump', () => {
  let folder = '';
  let file = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-'));
    file = join(folder, 'pump');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('brings every byte from the loopback into the file and out again, in pieces smaller and larger than a read', async () => {
    for (const pieceBytes of [10_000, 65_536, 4_000_000]) {
      const sendPort = deferred<number>();
      const sent = send({ type: 'send', bytes: BYTES }, sendPort.resolve);
      const port = await sendPort.promise;
      expect(await sink({ type: 'sink', port, file, pieceBytes }, () => {})).toBe(BYTES);
      expect((await sent).bytes).toBe(BYTES);
      expect(statSync(file).size).toBe(BYTES);

      const sourcePort = deferred<number>();
      const poured = source({ type: 'source', file, bytes: BYTES, pieceBytes }, sourcePort.resolve, () => {});
      const received = receive({ type: 'receive', port: await sourcePort.promise, bytes: BYTES });
      expect(await poured).toBe(BYTES);
      expect((await received).bytes).toBe(BYTES);
    }
  });

  it('is found out if it loses bytes', async () => {
    const sendPort = deferred<number>();
    const sent = send({ type: 'send', bytes: 1000 }, sendPort.resolve);
    await sink({ type: 'sink', port: await sendPort.promise, file, pieceBytes: 100 }, () => {});
    await sent;
    const sourcePort = deferred<number>();
    const poured = source(
      { type: 'source', file, bytes: 1000, pieceBytes: 64 },
      sourcePort.resolve,
      () => {},
    );
    const job = { type: 'receive', port: await sourcePort.promise, bytes: 1001 } as const;
    await expect(receive(job)).rejects.toThrow('1000 of 1001 bytes');
    await poured;
  });

  it('answers each whole request, also if it comes in parts or with others, and keeps the bytes', async () => {
    const port = deferred<number>();
    const all = deferred<void>();
    const job = {
      type: 'answer',
      file,
      requestBytes: 10,
      answerBase64: Buffer.from('ok.').toString('base64'),
    } as const;
    const ended = answer(job, { listening: port.resolve, begin: () => {}, until: all.promise });
    const socket = connect(await port.promise, '127.0.0.1');
    let answers = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answers += text;
      if (answers.length === 3) socket.write('6789abcdefghijABCDEFGHIJ');
      if (answers.length === 12) all.resolve();
    });
    socket.write('0123456789012345');
    await all.promise;
    socket.destroy();
    expect(await ended).toBe(40);
    expect(answers).toBe('ok.ok.ok.ok.');
    expect(readFileSync(file, 'utf8')).toBe('01234567890123456789abcdefghijABCDEFGHIJ');
  });
});
