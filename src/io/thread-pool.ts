// Node's thread pool, which all threads of a process share: reads of older data, opened folders, and syncs, which take longest.
const SIZE_STANDARD = 4;
/** The rest is left to those that read. */
const SYNC_SHARE = 0.75;

/** How many files each of so many threads may sync at once. Source: libuv, UV_THREADPOOL_SIZE. */
export function syncsPerThread(threads: number, poolSize: string | undefined): number {
  const given = Number(poolSize);
  const size = Number.isInteger(given) && given > 0 ? given : SIZE_STANDARD;
  return Math.max(1, Math.floor((size * SYNC_SHARE) / threads));
}
