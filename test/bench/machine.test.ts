import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { currentCommit, describeMachine, fileSystemOf } from '../../bench/machine.js';

const MOUNTS = [
  'rootfs / rootfs rw 0 0',
  '/dev/vda / ext4 rw,relatime 0 0',
  'tmpfs /dev/shm tmpfs rw 0 0',
  '/dev/vdb /mnt/my\\040disk xfs rw 0 0',
  '',
].join('\n');

describe('fileSystemOf', () => {
  it('takes the longest mount point that holds the path, and of two the later', () => {
    expect(fileSystemOf(MOUNTS, '/home/me')).toBe('ext4');
    expect(fileSystemOf(MOUNTS, '/dev/shm/data')).toBe('tmpfs');
    expect(fileSystemOf(MOUNTS, '/dev/shm')).toBe('tmpfs');
    expect(fileSystemOf(MOUNTS, '/dev/shmem')).toBe('ext4');
  });

  it('understands blanks in mount points', () => {
    expect(fileSystemOf(MOUNTS, '/mnt/my disk/data')).toBe('xfs');
  });

  it('knows nothing without mounts', () => {
    expect(fileSystemOf('', '/home')).toBeNull();
  });
});

describe('describeMachine', () => {
  it('fills in everything', () => {
    const machine = describeMachine(tmpdir());
    expect(machine.cores).toBeGreaterThan(0);
    expect(machine.memoryGib).toBeGreaterThan(0);
    for (const text of [machine.cpu, machine.kernel, machine.fileSystem]) expect(text).not.toBe('');
  });
});

describe('currentCommit', () => {
  it('has none outside of a repository', () => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-'));
    try {
      expect(currentCommit(folder)).toEqual({ commit: null, dirty: false });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
