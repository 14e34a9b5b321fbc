import { onAbort } from './on-abort.js';

/**
 * The promise, or a rejection with the signal's reason if that is aborted first. What the promise stands for goes on, and
 * nobody hears of it any more.
 */
export function abortable<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const stopListening = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(stopListening);
  });
}
