import { describe, expect, it } from 'vitest';
import { EntryWriter, lastEntryWhere } from '../../src/log/entry-file.js';
import { LogMachine } from './log-fixture.js';

const PATH = '/data/entries';

function add(writer: EntryWriter, value: number): void {
  const { buffer, position } = writer.add();
  buffer.writeInt32BE(value, position);
}

describe('lastEntryWhere', () => {
  it('agrees with a look at every entry, for every number of them', () => {
    const { disk } = new LogMachine();
    const file = disk.open(PATH, 'write');
    for (let count = 0; count <= 300; count += count < 140 ? 1 : 37) {
      const bytes = Buffer.alloc(count * 4);
      for (let i = 0; i < count; i++) bytes.writeInt32BE(i * 2, i * 4);
      disk.truncate(file, 0);
      disk.write(file, 0, [bytes]);
      for (let target = -1; target <= count * 2; target += count < 70 ? 1 : 13) {
        const found = lastEntryWhere(disk, file, 4, count, (block, at) => block.readInt32BE(at) <= target);
        const expected = Math.min(Math.floor(target / 2), count - 1);
        expect(found?.number ?? -1, `${target} of ${count}`).toBe(expected);
        if (found) expect(found.bytes.readInt32BE(found.at)).toBe(expected * 2);
      }
    }
  });

  it('agrees with it whatever is guessed', () => {
    const { disk } = new LogMachine();
    const file = disk.open(PATH, 'write');
    const bytes = Buffer.alloc(4000);
    for (let i = 0; i < 1000; i++) bytes.writeInt32BE(i * 2, i * 4);
    disk.write(file, 0, [bytes]);
    for (const count of [1, 255, 256, 257, 258, 700, 1000]) {
      for (let target = -1; target <= count * 2; target += 7) {
        for (const guess of [
          0,
          1,
          target >> 1,
          (target >> 1) + 100,
          (target >> 1) + 130,
          count - 1,
          count,
          5000,
        ]) {
          const holds = (block: Buffer, at: number) => block.readInt32BE(at) <= target;
          const found = lastEntryWhere(disk, file, 4, count, holds, guess);
          const expected = Math.min(Math.floor(target / 2), count - 1);
          expect(found?.number ?? -1, `${target} of ${count}, guessed ${guess}`).toBe(expected);
          if (found) expect(found.bytes.readInt32BE(found.at)).toBe(expected * 2);
        }
      }
    }
    expect(lastEntryWhere(disk, file, 4, 1001, () => true, 1000)).toBeNull();
  });

  it('finds nothing in a file that is shorter than it should be', () => {
    const { disk } = new LogMachine();
    const file = disk.open(PATH, 'write');
    disk.write(file, 0, [Buffer.alloc(10)]);
    expect(lastEntryWhere(disk, file, 4, 3, () => true)).toBeNull();
    expect(lastEntryWhere(disk, file, 4, 300, () => true)).toBeNull();
  });
});

describe('EntryWriter', () => {
  it('leaves nothing of a write that failed behind the entries of the next one', () => {
    const { disk } = new LogMachine();
    const writer = new EntryWriter(disk, PATH, 4, 0, false);
    for (let i = 0; i < 10; i++) add(writer, i);
    writer.write();
    const stale = Buffer.alloc(400, 0x7f);
    for (let i = 10; i < 60; i++) add(writer, i);
    disk.failNext({ operation: 'write', path: /entries/, code: 'ENOSPC' });
    expect(() => writer.write()).toThrow('ENOSPC');
    // As much of it as can be may have been written.
    const file = disk.open(PATH, 'write');
    disk.write(file, 40, [stale]);
    add(writer, 60);
    writer.write();
    expect(writer.entries).toBe(11);
    expect(disk.size(file)).toBe(44);
    expect(disk.contents(PATH).readInt32BE(40)).toBe(60);
  });

  it('writes entries in groups, and creates the file with the first', () => {
    const { disk } = new LogMachine();
    const writer = new EntryWriter(disk, PATH, 4, 0, false);
    for (let i = 0; i < 64; i++) add(writer, i);
    expect(disk.files()).toEqual([]);
    add(writer, 64);
    expect(disk.contents(PATH)).toHaveLength(64 * 4);
    writer.write();
    expect(disk.contents(PATH).readInt32BE(64 * 4)).toBe(64);
    expect([writer.entries, writer.dirty, writer.takeCreated(), writer.takeCreated()]).toEqual([
      65,
      true,
      true,
      false,
    ]);
  });

  it('drops the entries that could not be written and goes on behind the others', () => {
    const { disk } = new LogMachine();
    const writer = new EntryWriter(disk, PATH, 4, 0, false);
    add(writer, 1);
    writer.write();
    add(writer, 2);
    disk.failNext({ operation: 'write' });
    expect(() => writer.write()).toThrow('EIO');
    add(writer, 3);
    writer.write();
    expect(disk.contents(PATH).toString('hex')).toBe('0000000100000003');
    expect(writer.entries).toBe(2);
  });

  it('is clean after a sync, unless the sync failed', () => {
    const machine = new LogMachine();
    const writer = new EntryWriter(machine.disk, PATH, 4, 0, false);
    add(writer, 1);
    writer.write();
    machine.disk.failNext({ operation: 'sync' });
    expect(machine.wait((done) => writer.sync(done))).toMatchObject({ code: 'EIO' });
    expect(writer.dirty).toBe(true);
    expect(machine.wait((done) => writer.sync(done))).toBeNull();
    expect(writer.dirty).toBe(false);
  });

  it('replaces the end of the file', () => {
    const { disk } = new LogMachine();
    const writer = new EntryWriter(disk, PATH, 4, 0, false);
    for (let i = 0; i < 10; i++) add(writer, i);
    writer.replaceFrom(2, Buffer.from('0000000900000010', 'hex'));
    expect(disk.contents(PATH).toString('hex')).toBe('00000000000000010000000900000010');
    expect(writer.entries).toBe(4);
  });
});
