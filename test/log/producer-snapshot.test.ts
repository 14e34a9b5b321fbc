import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../src/log/producer-snapshot.js';
import { ProducerStates } from '../../src/log/producer-states.js';
import { header } from './producer-fixture.js';

interface VectorFile {
  readonly name: string;
  readonly hex: string;
}

const { files } = JSON.parse(readFileSync(new URL('../vectors/log-files.json', import.meta.url), 'utf8')) as {
  files: VectorFile[];
};
const vector = Buffer.from(files.find(({ name }) => name === 'producer-snapshot')?.hex ?? '', 'hex');

describe('A producer snapshot', () => {
  it('is read as Kafka wrote it, and written the same', () => {
    const producers = decodeProducerSnapshot('file', vector);
    const batch = { firstSequence: 0, lastSequence: 10, baseOffset: 3, lastOffset: 13 };
    expect(producers).toEqual([
      {
        ...{ producerId: 0, epoch: 0, usedAtMs: 1795238329547, coordinatorEpoch: -1 },
        ...{ transactionFirstOffset: -1, batches: [{ ...batch, timestampMs: 1795238329547 }] },
      },
      {
        ...{ producerId: 1, epoch: 2, usedAtMs: 1795238330814, coordinatorEpoch: 0 },
        ...{ transactionFirstOffset: -1, batches: [] },
      },
    ]);
    expect(encodeProducerSnapshot(producers).toString('hex')).toBe(vector.toString('hex'));
  });

  it('of no producers has ten bytes', () => {
    const bytes = encodeProducerSnapshot([]);
    expect([bytes.length, decodeProducerSnapshot('file', bytes)]).toEqual([10, []]);
  });

  it('keeps a batch whose sequence numbers begin anew within', () => {
    const states = new ProducerStates();
    states.apply(header({ sequence: 2 ** 31 - 2, count: 4, baseOffset: 20 }), 0, 7);
    const [producer] = decodeProducerSnapshot('file', encodeProducerSnapshot(states.all));
    expect(producer?.batches).toEqual([
      { firstSequence: 2 ** 31 - 2, lastSequence: 1, baseOffset: 20, lastOffset: 23, timestampMs: 7 },
    ]);
  });

  it('is refused when any byte of it is wrong, or it is cut off', () => {
    for (let at = 0; at < vector.length; at++) {
      const damaged = Buffer.from(vector);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      expect(() => decodeProducerSnapshot('the/file', damaged), `byte ${at}`).toThrow(
        expect.objectContaining({ code: 'ODR_CORRUPT', message: expect.stringContaining('the/file') }),
      );
      expect(() => decodeProducerSnapshot('the/file', vector.subarray(0, at)), `${at} bytes`).toThrow(
        expect.objectContaining({ code: 'ODR_CORRUPT' }),
      );
    }
  });
});
