import { describe, expect, it } from 'vitest';
import { abortable } from '../../src/client/abortable.js';
import { deferred } from '../../src/client/deferred.js';

describe('abortable', () => {
  it('is the promise itself without a signal', () => {
    const promise = Promise.resolve(1);
    expect(abortable(promise, undefined)).toBe(promise);
  });

  it('settles as the promise does', async () => {
    const { signal } = new AbortController();
    await expect(abortable(Promise.resolve(1), signal)).resolves.toBe(1);
    await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  });

  it('rejects with the reason of the signal, and leaves no rejection behind', async () => {
    const controller = new AbortController();
    const { promise, reject } = deferred<number>();
    const aborted = abortable(promise, controller.signal);
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await expect(abortable(promise, controller.signal)).rejects.toThrow('enough');
    reject(new Error('nobody hears this'));
  });
});
