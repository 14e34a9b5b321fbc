import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from '../../../bench/load/answer-reader.js';
import { encodeFrame } from '../../../src/protocol/native/frame.js';
import { encodeResponseHeader } from '../../../src/protocol/native/response-header.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

function read(stream: Buffer, cuts: readonly number[]) {
  const answers: { correlationId: number; payloadBytes: number; payload: Buffer }[] = [];
  const reader = new AnswerReader({
    answered: ({ correlationId }, payloadBytes) =>
      answers.push({ correlationId, payloadBytes, payload: Buffer.alloc(0) }),
    payload(piece) {
      const last = answers.at(-1);
      if (!last) throw new Error('A payload came before its answer.');
      last.payload = Buffer.concat([last.payload, piece]);
    },
  });
  let at = 0;
  for (const cut of cuts) {
    reader.received(stream.subarray(at, at + cut));
    at += cut;
  }
  reader.received(stream.subarray(at));
  return answers;
}

describe('AnswerReader', () => {
  it('finds the same answers however the stream is cut', () => {
    const answer = fc.record({
      correlationId: fc.nat(),
      detail: fc.string({ maxLength: 600 }),
      payload: fc.uint8Array({ maxLength: 400 }),
    });
    fc.assert(
      fc.property(
        fc.array(answer, { maxLength: 8 }),
        fc.array(fc.nat(300), { maxLength: 50 }),
        (answers, cuts) => {
          const stream = Buffer.concat(
            answers.flatMap(({ correlationId, detail, payload }) => {
              const error = { error: 'INVALID_REQUEST', detail } as const;
              return encodeFrame(encodeResponseHeader({ correlationId, error, body: null }), [payload]);
            }),
          );
          expect(read(stream, cuts)).toEqual(
            answers.map(({ correlationId, payload }) => ({
              correlationId,
              payloadBytes: payload.length,
              payload: Buffer.from(payload),
            })),
          );
        },
      ),
      seed,
    );
  });

  it('refuses an answer whose header is longer than the whole', () => {
    expect(() => read(Buffer.from([0, 0, 0, 8, 0, 0, 0, 9, 1, 2, 3, 4]), [])).toThrow('its header has 9');
  });
});
