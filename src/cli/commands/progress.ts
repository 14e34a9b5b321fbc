import { formatBytes } from './table.js';

/** Shows how far a command is. */
export interface Progress {
  /** In all, so far. */
  update(bytes: number, records: number): void;
  stop(): void;
}

const silent: Progress = { update: () => {}, stop: () => {} };

/** A progress bar on stderr if that is a terminal. `bytesTotal` is null if nobody knows it. */
export async function startProgress(bytesTotal: number | null): Promise<Progress> {
  if (!process.stderr.isTTY) return silent;
  const { default: cliProgress } = await import('cli-progress');
  const counts = '{records} records  {size}';
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: bytesTotal === null ? counts : `{bar} {percentage}%  ${counts}  {eta_formatted} left`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    fps: 10,
  });
  bar.start(Math.max(1, bytesTotal ?? 1), 0, { records: 0, size: formatBytes(0) });
  return {
    update: (bytes, records) => bar.update(bytes, { records, size: formatBytes(bytes) }),
    stop: () => bar.stop(),
  };
}
