import { abortable } from './abortable.js';

/**
 * The same object, with calls that reject with the signal's reason as soon as that is aborted: those that are under way, and those
 * that come later. For objects whose calls only ask: what a call stands for may happen all the same.
 */
export function withSignal<Target extends object>(target: Target, signal: AbortSignal): Target {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name, target);
      // Whatever it refers to asks on its behalf.
      if (typeof member === 'object' && member !== null) return withSignal(member, signal);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (signal.aborted) return Promise.reject(signal.reason);
        const result: unknown = Reflect.apply(member, target, args);
        return result instanceof Promise ? abortable(result, signal) : result;
      };
    },
  });
}
