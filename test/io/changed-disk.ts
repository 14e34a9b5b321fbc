import type { Disk } from '../../src/io/disk.js';

/** A disk that does as another does, but for what `changes` replaces. */
export function changed(disk: Disk, changes: Partial<Disk>): Disk {
  return {
    open: (path, mode) => disk.open(path, mode),
    close: (file) => disk.close(file),
    size: (file) => disk.size(file),
    isCurrent: (file) => disk.isCurrent(file),
    write: (file, position, pieces) => disk.write(file, position, pieces),
    read: (file, position, target) => disk.read(file, position, target),
    lend: (file) => disk.lend(file),
    truncate: (file, size) => disk.truncate(file, size),
    readFile: (path) => disk.readFile(path),
    list: (directory) => disk.list(directory),
    makeDirectory: (path) => disk.makeDirectory(path),
    sync: (file, done) => disk.sync(file, done),
    syncDirectory: (path, done) => disk.syncDirectory(path, done),
    rename: (from, to, done) => disk.rename(from, to, done),
    remove: (path, done) => disk.remove(path, done),
    readLater: (file, position, target, done) => disk.readLater(file, position, target, done),
    ...changes,
  };
}
