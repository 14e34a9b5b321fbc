import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../src/base/errors.js';
import { toBrokerId, toPartitionIndex } from '../../src/base/ids.js';
import type { DiskError } from '../../src/io/disk.js';
import { replaceFile } from '../../src/log/checkpoint-file.js';
import {
  deletePartitionFolder,
  hasCleanShutdownMark,
  listPartitionFolders,
  markCleanShutdown,
  partitionFolderName,
  readMetaProperties,
  removeCleanShutdownMark,
  removeDeletedPartitions,
  setFolderAside,
  writeMetaProperties,
} from '../../src/log/data-directory.js';
import { readPartitionTopicId, writePartitionTopicId } from '../../src/log/partition-metadata.js';
import { LogMachine, TOPIC_ID } from './log-fixture.js';

const meta = {
  clusterId: 'MkU3OEVBNTcwNTJENDM2Qk',
  nodeId: toBrokerId(1),
  directoryId: '7ZyYfZYtS3qoqYDSHtQoGA',
};

function put(machine: LogMachine, path: string, content: string): void {
  machine.wait((done) => replaceFile(machine.disk, path, content, done));
}

describe('meta.properties', () => {
  it('is written durably and read again', () => {
    const machine = new LogMachine();
    expect(readMetaProperties(machine.disk, '/data')).toBeNull();
    machine.wait((done) => writeMetaProperties(machine.disk, '/data', meta, done));
    machine.losePower();
    expect(readMetaProperties(machine.disk, '/data')).toEqual(meta);
  });

  it('is read as Kafka writes it', () => {
    const machine = new LogMachine();
    const lines = [
      '#',
      '#Sat Nov 21 07:29:00 UTC 2026',
      'node.id=1',
      `directory.id=${meta.directoryId}`,
      'version=1',
      `cluster.id=${meta.clusterId}`,
      '',
    ];
    put(machine, '/data/meta.properties', lines.join('\n'));
    expect(readMetaProperties(machine.disk, '/data')).toEqual(meta);
  });

  for (const [what, content] of [
    ['another version', 'version=0\nnode.id=1\ncluster.id=a\ndirectory.id=b\n'],
    ['a missing id', 'version=1\nnode.id=1\ncluster.id=a\n'],
    ['a node id that is none', 'version=1\nnode.id=one\ncluster.id=a\ndirectory.id=b\n'],
    ['a line without a value', 'version=1\nnonsense\n'],
    ['nothing', ''],
  ] as const) {
    it(`refuses ${what}`, () => {
      const machine = new LogMachine();
      put(machine, '/data/meta.properties', content);
      expect(() => readMetaProperties(machine.disk, '/data')).toThrow(OdradekError);
      expect(() => readMetaProperties(machine.disk, '/data')).toThrow('/data/meta.properties');
    });
  }
});

describe('clean shutdown mark', () => {
  it('comes and goes durably', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = new LogMachine(seed);
      expect(hasCleanShutdownMark(machine.disk, '/data')).toBe(false);
      machine.wait((done) => markCleanShutdown(machine.disk, '/data', done));
      machine.losePower();
      expect(hasCleanShutdownMark(machine.disk, '/data')).toBe(true);
      machine.wait((done) => removeCleanShutdownMark(machine.disk, '/data', done));
      machine.losePower();
      expect(hasCleanShutdownMark(machine.disk, '/data'), `SEED ${seed}`).toBe(false);
    }
  });
});

describe('partition folders', () => {
  it('are told from other things in the directory', () => {
    const machine = new LogMachine();
    const names = [
      'a-0',
      'a-10',
      'a.b_c-d-e-3',
      '__consumer_offsets-49',
      'a--1',
      'a-01',
      'a-x',
      '-0',
      'lost+found',
      'a-99999999999',
      `a-0.${'0'.repeat(32)}-delete`,
      'a-0-future',
    ];
    for (const name of names) machine.disk.makeDirectory(`/data/${name}`);
    const found = listPartitionFolders(machine.disk, '/data');
    expect(found.map(({ topic, partition }) => [topic, partition])).toEqual([
      ['__consumer_offsets', 49], ['a-', 1], ['a', 0], ['a', 10], ['a.b_c-d-e', 3],
    ]); // biome-ignore format: one line
    for (const { topic, partition, directory } of found) {
      expect(directory).toBe(`/data/${partitionFolderName(topic, partition)}`);
    }
  });

  it('are renamed when they are deleted, and removed later', () => {
    const machine = new LogMachine();
    machine.disk.makeDirectory('/data/orders-0');
    writePartitionTopicId(machine.disk, '/data/orders-0', TOPIC_ID);
    machine.wait((done) => deletePartitionFolder(machine.disk, machine.clock, '/data/orders-0', 5000, done));
    const digits = Buffer.from(TOPIC_ID, 'base64url').toString('hex');
    expect(machine.disk.list('/data')).toEqual([`orders-0.${digits}-delete`]);
    machine.clock.advance(4000);
    expect(machine.disk.list('/data')).toHaveLength(1);
    machine.clock.advance(2000);
    expect(machine.disk.list('/data')).toEqual([]);
  });

  it('keep their deleted name below 255 bytes', () => {
    const machine = new LogMachine();
    const name = partitionFolderName('t'.repeat(249), toPartitionIndex(12));
    machine.disk.makeDirectory(`/data/${name}`);
    machine.wait((done) => deletePartitionFolder(machine.disk, machine.clock, `/data/${name}`, 5000, done));
    const [deleted] = machine.disk.list('/data');
    expect(deleted).toMatch(/^t+-12\.0{32}-delete$/);
    expect(deleted).toHaveLength(255);
  });

  it('need not be there to be deleted', () => {
    const machine = new LogMachine();
    expect(
      machine.wait((done) => deletePartitionFolder(machine.disk, machine.clock, '/data/none-0', 0, done)),
    ).toBeNull();
  });

  it('are set aside under names that are free, and for good, though not at the first attempt', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const machine = new LogMachine(seed);
      const setAside = (): DiskError | string | null => {
        let result: DiskError | string | null = null;
        const isDone = machine.wait((done) =>
          setFolderAside(machine.disk, '/data/orders-0', (outcome) => {
            result = outcome;
            done(null);
          }),
        );
        expect(isDone).toBeNull();
        return result;
      };
      const digits = Buffer.from(TOPIC_ID, 'base64url').toString('hex');
      const next = (BigInt(`0x${digits}`) + 1n).toString(16);
      for (const expected of [digits, next]) {
        machine.disk.makeDirectory('/data/orders-0');
        writePartitionTopicId(machine.disk, '/data/orders-0', TOPIC_ID);
        machine.disk.failNext({ operation: 'syncDirectory' });
        expect(setAside()).toMatchObject({ code: 'EIO' });
        expect(setAside()).toBeNull();
        expect(machine.disk.list('/data')).toContain(`orders-0.${expected}-stray`);
      }
      machine.losePower();
      expect(machine.disk.list('/data'), `SEED ${seed}`).toEqual(
        [digits, next].map((one) => `orders-0.${one}-stray`),
      );
      expect(listPartitionFolders(machine.disk, '/data')).toEqual([]);
    }
  });

  it('are removed if an earlier process did not finish that', () => {
    const machine = new LogMachine();
    machine.disk.makeDirectory(`/data/a-0.${'0a'.repeat(16)}-delete`);
    machine.disk.makeDirectory('/data/a-0');
    machine.disk.makeDirectory('/data/a-delete');
    expect(machine.wait((done) => removeDeletedPartitions(machine.disk, '/data', done))).toBeNull();
    expect(machine.disk.list('/data')).toEqual(['a-0', 'a-delete']);
  });
});

describe('partition.metadata', () => {
  it('is absent, or holds the topic id', () => {
    const machine = new LogMachine();
    machine.disk.makeDirectory('/data/a-0');
    expect(readPartitionTopicId(machine.disk, '/data/a-0')).toBeNull();
    writePartitionTopicId(machine.disk, '/data/a-0', TOPIC_ID);
    expect(readPartitionTopicId(machine.disk, '/data/a-0')).toBe(TOPIC_ID);
  });

  for (const content of [
    '',
    'version: 1\ntopic_id: o_EPBDsTQkm1Ua--nqUtaQ',
    'version: 0\ntopic_id: short',
    'topic_id: o_EPBDsTQkm1Ua--nqUtaQ',
  ]) {
    it(`is refused as ${JSON.stringify(content)}`, () => {
      const machine = new LogMachine();
      put(machine, '/data/a-0/partition.metadata', '');
      machine.disk.makeDirectory('/data/a-0');
      put(machine, '/data/a-0/partition.metadata', content);
      expect(() => readPartitionTopicId(machine.disk, '/data/a-0')).toThrow(OdradekError);
    });
  }
});
