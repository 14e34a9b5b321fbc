import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { stampBatchCrc } from '../../src/record/batch-crc.js';
import { BatchReader, decodeBatch } from '../../src/record/batch-reader.js';
import { CODEC_NAMES } from '../../src/record/compression/codec.js';

const firstSeed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const seeds = (count: number) =>
  process.env['SEED'] === undefined ? Array.from({ length: count }, (_, i) => firstSeed + i) : [firstSeed];

interface BatchVector {
  readonly name: string;
  readonly hex: string;
  readonly batches: readonly {
    readonly magic: number;
    readonly records: readonly { readonly sequence: number; readonly [field: string]: unknown }[];
    readonly [field: string]: unknown;
  }[];
}

const vectorsFile = new URL('../vectors/record-batches.json', import.meta.url);
const vectors: readonly BatchVector[] = JSON.parse(readFileSync(vectorsFile, 'utf8')).batches;
const ofMagic = (isWanted: (magic: number) => boolean) =>
  vectors.filter(({ batches }) => batches.every(({ magic }) => isWanted(magic)));
const hex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex');

function input(value: string, timestampMs = 1000) {
  return {
    timestampMs,
    key: null,
    value: Buffer.from(value),
    headers: [{ key: 'h', value: Buffer.from('1') }],
  };
}

function batchOf(values: readonly string[], options: Parameters<BatchBuilder['build']>[0] = {}): Buffer {
  const builder = new BatchBuilder();
  for (const value of values) builder.add(input(value));
  return builder.build(options);
}

/** Changes bytes and makes the checksum right again, so that what lies behind it is reached. */
function tampered(batch: Buffer, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(batch);
  change(bytes);
  stampBatchCrc(bytes, 0);
  return bytes;
}

describe('decodeBatch', () => {
  it('has vectors of all codecs', () => {
    expect(ofMagic((magic) => magic === 2)).toHaveLength(34);
    expect(new Set(vectors.flatMap(({ batches }) => batches.map(({ codec }) => codec)))).toEqual(
      new Set(CODEC_NAMES),
    );
  });

  it.each(ofMagic((magic) => magic === 2).map((vector) => [vector.name, vector] as const))(
    'decodes %s',
    (_, vector) => {
      const bytes = Buffer.from(vector.hex, 'hex');
      const decoded = [...new BatchReader(bytes)].map((batch) => ({
        magic: 2,
        baseOffset: batch.baseOffset,
        lastOffset: batch.lastOffset,
        size: batch.sizeBytes,
        crc: bytes.readUInt32BE(17),
        codec: batch.codec,
        timestampType: batch.timestampType,
        maxTimestamp: batch.maxTimestampMs,
        producerId: batch.producerId,
        producerEpoch: batch.producerEpoch,
        baseSequence: batch.baseSequence,
        leaderEpoch: batch.leaderEpoch,
        transactional: batch.isTransactional,
        control: batch.isControl,
        deleteHorizonMs: batch.deleteHorizonMs,
        records: [...batch.records()].map((record) => ({
          offset: record.offset,
          timestamp: record.timestampMs,
          key: hex(record.key),
          value: hex(record.value),
          headers: record.headers.map(({ key, value }) => [key, hex(value)]),
        })),
      }));
      // Sequences of records belong to the log: what the header says of them is checked above.
      const expected = vector.batches.map((batch) => ({
        ...batch,
        records: batch.records.map(({ sequence, ...record }) => record),
      }));
      expect(decoded).toEqual(expected);
    },
  );

  it.each(ofMagic((magic) => magic < 2).map((vector) => [vector.name, vector] as const))(
    'says of %s that the format is too old',
    (_, vector) => {
      const bytes = Buffer.from(vector.hex, 'hex');
      expect(() => decodeBatch(bytes)).toThrow(/has the old format [01], which is not supported/);
    },
  );

  it('checks the checksum unless told not to', () => {
    const bytes = batchOf(['one', 'two']);
    bytes.writeUInt8(0x78, bytes.length - 2);
    expect(() => decodeBatch(bytes)).toThrow('the batch at offset 0 is corrupt: it fails its checksum');
    expect(decodeBatch(bytes, 0, { checkCrc: false }).recordCount).toBe(2);
  });

  it('refuses a batch that is cut off', () => {
    const bytes = batchOf(['one']);
    for (const length of [0, 16, 17, 60, bytes.length - 1]) {
      expect(() => decodeBatch(bytes.subarray(0, length))).toThrow(`cut off: only ${length} bytes are there`);
    }
  });

  it.each<[string, (bytes: Buffer) => void, RegExp]>([
    ['magic', (bytes) => bytes.writeInt8(3, 16), /magic 3, which is not supported/],
    ['batchLength', (bytes) => bytes.writeInt32BE(48, 8), /says that it has 60 bytes/],
    ['negative batchLength', (bytes) => bytes.writeInt32BE(-5, 8), /says that it has 7 bytes/],
    ['negative base offset', (bytes) => bytes.writeBigInt64BE(-1n, 0), /offsets are not possible/],
    ['unsafe base offset', (bytes) => bytes.writeBigInt64BE(2n ** 53n, 0), /offsets are not possible/],
    ['last offset delta', (bytes) => bytes.writeInt32BE(-1, 23), /offsets are not possible/],
    ['base timestamp', (bytes) => bytes.writeBigInt64BE(2n ** 62n, 27), /timestamps are not possible/],
    ['max timestamp', (bytes) => bytes.writeBigInt64BE(-(2n ** 62n), 35), /timestamps are not possible/],
    ['producer id', (bytes) => bytes.writeBigInt64BE(2n ** 60n, 43), /producer id is not possible/],
    ['leader epoch', (bytes) => bytes.writeInt32BE(-2, 12), /leader epoch .* is not possible/],
    ['negative record count', (bytes) => bytes.writeInt32BE(-1, 57), /cannot hold -1 records/],
    ['record count', (bytes) => bytes.writeInt32BE(3, 57), /cannot hold 3 records/],
    ['codec', (bytes) => bytes.writeInt16BE(5, 21), /codec 5, which is unknown/],
  ])('refuses an impossible %s', (_, change, message) => {
    const bytes = Buffer.from(batchOf(['one', 'two']));
    change(bytes);
    expect(() => decodeBatch(bytes, 0, { checkCrc: false })).toThrow(message);
    expect(() => decodeBatch(bytes, 0, { checkCrc: false })).toThrow(OdradekError);
  });

  it('knows batches that do not begin at the first byte', () => {
    const bytes = Buffer.concat([Buffer.from('abc'), batchOf(['one', 'two'])]);
    expect([...decodeBatch(bytes, 3).records()].map(({ value }) => value?.toString())).toEqual([
      'one',
      'two',
    ]);
  });
});

describe('Batch.records', () => {
  it('refuses records that are not those of the header', () => {
    const batch = batchOf(['one', 'two', 'three']);
    const read = (change: (bytes: Buffer) => void) => () => [
      ...decodeBatch(tampered(batch, change)).records(),
    ];
    expect(read((bytes) => bytes.writeInt32BE(2, 57))).toThrow('more bytes follow its 2 records');
    expect(read((bytes) => bytes.writeInt32BE(1, 23))).toThrow('cannot hold 3 records');
    expect(
      read((bytes) => {
        bytes.writeInt32BE(4, 57);
        bytes.writeInt32BE(9, 23);
      }),
    ).toThrow('record 3: its length is cut off or malformed');
    // The offset delta of the second record: 0 again.
    const second = 61 + 1 + (batch[61] ?? 0) / 2;
    expect(read((bytes) => bytes.writeUInt8(0, second + 3))).toThrow('offset delta 0, which is out of order');
    expect(read((bytes) => bytes.writeUInt8(8, second + 3))).toThrow('offset delta 4, which is out of order');
    expect(read((bytes) => bytes.writeUInt8(0x7f, second))).toThrow('record 1: its length');
  });

  it('refuses a timestamp beyond the safe range', () => {
    const builder = new BatchBuilder();
    builder.add(input('a', 0));
    builder.add(input('b', 100));
    const bytes = tampered(builder.build(), (batch) => batch.writeBigInt64BE(2n ** 53n - 2n, 27));
    expect(() => [...decodeBatch(bytes).records()]).toThrow('record 1 has a timestamp that is not possible');
  });

  it('stops inflating at the bound', () => {
    for (const codec of CODEC_NAMES.filter((name) => name !== 'none')) {
      const bytes = batchOf(['z'.repeat(100_000)], { codec });
      const batch = decodeBatch(bytes, 0, { maxRecordsBytes: 99_999 });
      expect(() => batch.records().next(), codec).toThrow(/inflate/);
      expect([...decodeBatch(bytes, 0, { maxRecordsBytes: 100_020 }).records()]).toHaveLength(1);
    }
  });

  it('is lazy: the header is there though the records cannot be read', () => {
    const bytes = tampered(batchOf(['z'.repeat(1000)], { codec: 'gzip' }), (batch) => batch.fill(0, 61));
    const batch = decodeBatch(bytes);
    expect(batch).toMatchObject({ codec: 'gzip', recordCount: 1 });
    expect(() => batch.records().next()).toThrow(expect.objectContaining({ code: 'ODR_COMPRESSION' }));
  });
});

describe('BatchReader', () => {
  const first = batchOf(['a', 'b']);
  const second = batchOf(['c'], { codec: 'lz4' });
  const both = Buffer.concat([first, second]);

  it('reads batch after batch', () => {
    const reader = new BatchReader(both);
    expect(reader.next()?.recordCount).toBe(2);
    expect(reader.position).toBe(first.length);
    expect(reader.next()?.recordCount).toBe(1);
    expect(reader.next()).toBe(null);
    expect(reader).toMatchObject({ position: both.length, isTruncated: false });
  });

  it('tolerates a partial batch at the end, and says so', () => {
    for (let length = 0; length <= both.length; length++) {
      const reader = new BatchReader(both.subarray(0, length));
      const whole = [first.length, both.length].filter((end) => end <= length);
      expect([...reader]).toHaveLength(whole.length);
      expect(reader.position).toBe(whole.at(-1) ?? 0);
      expect(reader.isTruncated).toBe(length !== reader.position);
    }
  });

  it('keeps to its range', () => {
    const bytes = Buffer.concat([Buffer.from('xyz'), both, Buffer.from('xyz')]);
    const reader = new BatchReader(bytes, { start: 3, end: 3 + both.length - 1 });
    expect([...reader]).toHaveLength(1);
    expect(reader.isTruncated).toBe(true);
    expect([...new BatchReader(bytes, { start: 3, end: 3 + both.length })]).toHaveLength(2);
    expect(() => new BatchReader(bytes, { start: 3, end: bytes.length + 1 })).toThrow(
      'range outside the bytes',
    );
  });

  it('throws nothing but its own errors, whatever the bytes', () => {
    const originals = [
      ...ofMagic((magic) => magic === 2).map(({ hex }) => Buffer.from(hex, 'hex')),
      ...CODEC_NAMES.map((codec) => batchOf(['a'.repeat(50), 'b'.repeat(50), 'c'.repeat(200)], { codec })),
    ];
    for (const seed of seeds(1500)) {
      const random = seededRandom(seed);
      const bytes = Buffer.from(originals[random.below(originals.length)] ?? first);
      for (let flips = random.below(4); flips >= 0; flips--) {
        const at = random.below(bytes.length);
        bytes.writeUInt8(
          random.below(2) ? random.below(256) : bytes.readUInt8(at) ^ (1 << random.below(8)),
          at,
        );
      }
      const cut = random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
      try {
        const reader = new BatchReader(cut, { checkCrc: false, maxRecordsBytes: 2 ** 20 });
        for (const batch of reader)
          for (const record of batch.records()) expect(record.offset).toBeGreaterThanOrEqual(0);
      } catch (error) {
        if (!(error instanceof OdradekError)) throw new Error(`SEED=${seed}`, { cause: error });
        expect(['ODR_CORRUPT', 'ODR_COMPRESSION'], `SEED=${seed}`).toContain(error.code);
      }
    }
  });

  it('finds every flipped bit behind the checksum', () => {
    fc.assert(
      fc.property(fc.integer({ min: 17, max: first.length - 1 }), fc.nat(7), (at, bit) => {
        const bytes = Buffer.from(first);
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        expect(() => new BatchReader(bytes).next()).toThrow('checksum');
      }),
      process.env['SEED'] === undefined ? {} : { seed: firstSeed },
    );
  });
});
