import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../src/base/errors.js';
import { toOffset, toPartitionIndex } from '../../src/base/ids.js';
import { SimulatedCrash } from '../../src/io/simulated-disk.js';
import {
  CheckpointWriter,
  parseCheckpoint,
  readOffsetCheckpoint,
  replaceFile,
  writeOffsetCheckpoint,
} from '../../src/log/checkpoint-file.js';
import vectors from '../vectors/log-files.json' with { type: 'json' };
import { LogMachine } from './log-fixture.js';

const NAME = 'recovery-point-offset-checkpoint';
const entry = (topic: string, partition: number, offset: number) => ({
  topic,
  partition: toPartitionIndex(partition),
  offset: toOffset(offset),
});

function put(machine: LogMachine, path: string, content: string): void {
  machine.wait((done) => replaceFile(machine.disk, path, content, done));
}

describe('offset checkpoint', () => {
  it("is what Kafka's replication-offset-checkpoint is", () => {
    const text = vectors.files.find(({ name }) => name === 'replication-offset-checkpoint')?.text ?? '';
    const machine = new LogMachine();
    put(machine, '/data/replication-offset-checkpoint', text);
    const entries = readOffsetCheckpoint(machine.disk, '/data', 'replication-offset-checkpoint');
    expect(entries).toEqual([entry('java-t', 1, 12), entry('java-t', 0, 18)]);
    machine.wait((done) => writeOffsetCheckpoint(machine.disk, '/data', NAME, entries, done));
    expect(machine.disk.contents(`/data/${NAME}`).toString()).toBe(text);
  });

  it('is empty if there is no file', () => {
    expect(readOffsetCheckpoint(new LogMachine().disk, '/data', NAME)).toEqual([]);
  });

  const damaged = [
    '',
    '0',
    'x\n0\n',
    '1\n0\n',
    '0\nx\n',
    '0\n2\na 0 1\n',
    '0\n1\na 0\n',
    '0\n1\na 0 1 2\n',
    '0\n1\na 0 -1\n',
    '0\n1\na x 1\n',
    '0\n1\na 0 99999999999999999999\n',
    '0\n1\na 4294967296 1\n',
  ];
  for (const text of damaged) {
    it(`refuses ${JSON.stringify(text)} and names the file`, () => {
      const machine = new LogMachine();
      put(machine, `/data/${NAME}`, text);
      const read = () => readOffsetCheckpoint(machine.disk, '/data', NAME);
      expect(read).toThrow(OdradekError);
      expect(read).toThrow(`/data/${NAME}`);
    });
  }
});

describe('parseCheckpoint', () => {
  it('does not mind a missing line end', () => {
    expect(parseCheckpoint('file', '0\n1\na b', 2)).toEqual([['a', 'b']]);
  });
});

describe('replaceFile', () => {
  it('leaves the old content or the new one, whenever the power goes', () => {
    for (let calls = 1; calls < 10; calls++) {
      for (let seed = 0; seed < 10; seed++) {
        const machine = new LogMachine(seed);
        put(machine, '/data/file', 'old content');
        machine.disk.crashIn(calls);
        let done = false;
        try {
          replaceFile(machine.disk, '/data/file', 'new', () => {
            done = true;
          });
          machine.settle();
        } catch (error) {
          if (!(error instanceof SimulatedCrash)) throw error;
        }
        machine.losePower();
        const content = machine.disk.readFile('/data/file')?.toString();
        expect(done ? ['new'] : ['new', 'old content'], `call ${calls}, seed ${seed}`).toContain(content);
      }
    }
  });

  for (const operation of ['open', 'write', 'sync', 'rename', 'syncDirectory'] as const) {
    it(`reports that ${operation} failed`, () => {
      const machine = new LogMachine();
      put(machine, '/data/file', 'old content');
      machine.disk.failNext({ operation, code: 'ENOSPC' });
      const error = machine.wait((done) => replaceFile(machine.disk, '/data/file', 'new', done));
      expect(error).toMatchObject({ code: 'ENOSPC' });
      if (operation !== 'syncDirectory')
        expect(machine.disk.contents('/data/file').toString()).toBe('old content');
      expect(machine.disk.files()).toEqual(['/data/file']);
    });
  }
});

describe('CheckpointWriter', () => {
  it('writes the newest of the contents that came meanwhile', () => {
    const machine = new LogMachine();
    const writer = new CheckpointWriter(machine.disk, '/data/file');
    const done: string[] = [];
    const before = machine.disk.operations;
    for (const content of ['one', 'two', 'three', 'four']) writer.write(content, () => done.push(content));
    machine.settle();
    expect(done).toEqual(['one', 'two', 'three', 'four']);
    expect(machine.disk.contents('/data/file').toString()).toBe('four');
    // Two writes: open, cut, write, sync, rename, sync of the folder. (Cutting counts, closing does not.)
    expect(machine.disk.operations - before).toBe(12);
  });

  it('leaves the sync of the folder to who only has a content placed, unless it comes with others', () => {
    const machine = new LogMachine();
    const writer = new CheckpointWriter(machine.disk, '/data/file');
    const durable = () => machine.disk.durableContents('/data/file')?.toString() ?? null;
    expect(machine.wait((done) => writer.place('one', done))).toBeNull();
    expect(machine.disk.contents('/data/file').toString()).toBe('one');
    expect(durable()).toBeNull();
    writer.place('two', () => {});
    writer.write('three', () => {});
    expect(machine.wait((done) => writer.place('four', done))).toBeNull();
    expect(durable()).toBe('four');
  });

  it('goes on after an error', () => {
    const machine = new LogMachine();
    const writer = new CheckpointWriter(machine.disk, '/data/file');
    machine.disk.failNext({ operation: 'sync' });
    expect(machine.wait((done) => writer.write('one', done))).toMatchObject({ code: 'EIO' });
    expect(machine.wait((done) => writer.write('two', done))).toBeNull();
    expect(machine.disk.contents('/data/file').toString()).toBe('two');
  });
});
