/** Requests that may be unanswered before the open loop is given up: the peer is much too slow then. */
export const UNANSWERED_MAX = 4096;

/** What the pacer thread gets. */
export interface PacerData {
  /** A connected socket, which nobody else writes to. */
  readonly descriptor: number;
  /** One per slot; request i takes the frame of slot i modulo their number. */
  readonly frames: readonly Uint8Array[];
  readonly count: number;
  readonly intervalMs: number;
  /** When the first is due, as {@link nowMs} counts. */
  readonly startMs: number;
  /** Shared; the thread writes here when it sent each request. */
  readonly sentMs: Float64Array;
  /** Shared; one word: how many were answered. */
  readonly answered: Int32Array;
}

/** Monotonic, and the same in all threads of a process, unlike performance.now. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
