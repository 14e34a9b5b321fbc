import { describe, expect, it } from 'vitest';
import { DiskError, type DiskErrorCode } from '../../src/io/disk.js';
import { DiskRoom } from '../../src/partition/disk-room.js';
import { LogMachine } from '../log/log-fixture.js';

function scene() {
  const machine = new LogMachine();
  const told: string[] = [];
  const room = new DiskRoom({
    ...{ directory: '/data', owner: 'worker-0', disk: machine.disk, clock: machine.clock },
    ended: ({ code }) => told.push(code),
    returned: () => told.push('room'),
  });
  const ranOut = (code: DiskErrorCode = 'ENOSPC') =>
    room.ranOut(new DiskError(code, '/data/x', 'cannot write'));
  const trials = () => machine.disk.files().filter((path) => path.includes('trial'));
  return { machine, disk: machine.disk, room, told, ranOut, trials };
}

describe('DiskRoom', () => {
  it('tries the disk once a second, until it takes a MiB', () => {
    const { machine, disk, room, told, ranOut, trials } = scene();
    disk.capacityBytes = disk.usedBytes;
    ranOut();
    ranOut();
    expect(room.shortage?.code).toBe('ENOSPC');
    machine.clock.advance(5000);
    disk.capacityBytes = disk.usedBytes + 1024 * 1024 - 1;
    machine.clock.advance(5000);
    expect(room.shortage).not.toBeNull();
    disk.capacityBytes += 1;
    machine.clock.advance(1000);
    expect(room.shortage).toBeNull();
    expect(told).toEqual(['ENOSPC', 'room']);
    machine.clock.advance(10_000);
    expect(trials()).toEqual([]);
    expect(disk.usedBytes).toBeLessThan(1024 * 1024);
  });

  it('leaves a disk that fails in another way to those who write to it', () => {
    const { machine, disk, room, ranOut } = scene();
    disk.failNext({ operation: 'write', path: /trial/, code: 'EMFILE' });
    disk.failNext({ operation: 'open', path: /trial/, code: 'EIO' });
    ranOut();
    machine.clock.advance(1000);
    expect(room.shortage).toBeNull();
  });

  it('gives back what a trial took that failed', () => {
    const { machine, disk, ranOut } = scene();
    const before = disk.usedBytes;
    disk.capacityBytes = before + 1024 * 1024 - 1;
    ranOut();
    machine.clock.advance(3500);
    expect(disk.usedBytes).toBe(before);
  });

  it('leaves no timer behind when it is closed', () => {
    const { machine, disk, room, told, ranOut } = scene();
    ranOut();
    room.close();
    const { operations } = disk;
    machine.clock.advance(10_000);
    expect(disk.operations).toBe(operations);
    expect(told).toEqual(['ENOSPC']);
    ranOut();
    expect(told).toEqual(['ENOSPC']);
  });
});
