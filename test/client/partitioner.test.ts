import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { murmur2 } from '../../src/client/murmur2.js';
import { defaultPartition, defaultPartitioner, StickyPartition } from '../../src/client/partitioner.js';

// As Kafka's Java client computes them: key, hash, partition of 3 and of 12.
const vectors: [string | Buffer, number, number, number][] = [
  ['', 275646681, 0, 9],
  ['a', -1563381124, 1, 4],
  ['ab', 316155434, 2, 2],
  ['abc', 479470107, 0, 3],
  ['abcd', -1323649548, 2, 8],
  ['foobar', -790332482, 0, 6],
  ['user-12345', -243491053, 1, 7],
  ['kéy', 1747934899, 1, 7],
  ['a-little-bit-long-string', -985981536, 2, 8],
  [Buffer.from('fffe000102', 'hex'), -1074705298, 1, 10],
];

describe.each(vectors)('the key %s', (key, hash, ofThree, ofTwelve) => {
  const bytes = Buffer.from(key);

  it("has the hash of Kafka's Java client", () => {
    expect(murmur2(bytes)).toBe(hash >>> 0);
    expect(murmur2(new Uint8Array(bytes))).toBe(hash >>> 0);
  });

  it('goes where that client sends it', () => {
    const choose = (partitionCount: number) =>
      defaultPartitioner({ topic: 't', key: bytes, value: null, partitionCount });
    expect([choose(3), choose(12), choose(1)]).toEqual([ofThree, ofTwelve, 0]);
  });
});

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

describe('defaultPartitioner', () => {
  it('leaves messages without a key to the producer', () => {
    expect(
      defaultPartitioner({ topic: 't', key: null, value: Buffer.from('v'), partitionCount: 3 }),
    ).toBeNull();
  });
});

describe('StickyPartition', () => {
  it('stays until a batch is full, then takes another partition', () => {
    const sticky = new StickyPartition(seededRandom(1), 100);
    sticky.choose([0, 1, 2]);
    for (let round = 0; round < 50; round++) {
      const partition = sticky.take(60);
      expect(sticky.take(60)).toBe(partition);
      const next = sticky.take(60);
      expect(next).not.toBe(partition);
      expect(sticky.take(60)).toBe(next);
    }
  });

  it('reaches all partitions alike', () => {
    const sticky = new StickyPartition(seededRandom(2), 1);
    sticky.choose([3, 5, 8]);
    const counts = new Map<number, number>();
    for (let i = 0; i < 3000; i++) {
      const partition = sticky.take(1);
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([3, 5, 8]);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it('leaves a partition that lost its leader', () => {
    const sticky = new StickyPartition(seededRandom(3), 1000);
    sticky.choose([0]);
    expect(sticky.take(10)).toBe(0);
    sticky.choose([1]);
    expect(sticky.take(10)).toBe(1);
  });

  it('stays where it is if it can', () => {
    const sticky = new StickyPartition(seededRandom(4), 1000);
    sticky.choose([0, 1, 2, 3]);
    const partition = sticky.take(10);
    for (let i = 0; i < 20; i++) sticky.choose([0, 1, 2, 3]);
    expect(sticky.take(10)).toBe(partition);
  });
});

describe('defaultPartition', () => {
  it('is where the default partitioner places a key, be it bytes or text of any length', () => {
    const text = fc.array(fc.nat(0xffff), { maxLength: 300 }).map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(
        fc.oneof(text, fc.string({ maxLength: 40 })),
        fc.integer({ min: 1, max: 50 }),
        (key, count) => {
          const input = { topic: 't', key: Buffer.from(key), value: null, partitionCount: count };
          const partition = defaultPartitioner(input);
          expect(defaultPartition(key, count)).toBe(partition);
          expect(defaultPartition(input.key, count)).toBe(partition);
        },
      ),
      seed,
    );
    expect(defaultPartition(null, 5)).toBeNull();
  });
});
