import { setMaxListeners } from 'node:events';

/**
 * Calls `listener` once, when the signal is aborted; not if it is already. The returned function takes that back. One signal may be
 * given to any number of calls: Node would warn of a leak at the eleventh.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
