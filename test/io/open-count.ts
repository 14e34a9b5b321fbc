import type { Disk } from '../../src/io/disk.js';

/** Counts the files that are open on the disk from here on. */
export function countOpenFiles(disk: Disk): () => number {
  let open = 0;
  const [opened, closed] = [disk.open.bind(disk), disk.close.bind(disk)];
  disk.open = (path, mode) => {
    open++;
    return opened(path, mode);
  };
  disk.close = (file) => {
    open--;
    closed(file);
  };
  return () => open;
}
