// Sequences of slow operations without promises: each begins when the one before called back.
import type { Clock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { DiskError } from '../io/disk.js';

/** Ends a step: with an error, or with null for the next one. */
export type StepDone = (error: Error | null) => void;
export type Step = (next: StepDone) => void;

/**
 * Runs `step` for one item after the other, each begun when the one before called back, and stops at the first error.
 * Calls `done` once; at once if there are no items.
 */
export function inTurn<Item>(
  items: readonly Item[],
  step: (item: Item, next: StepDone) => void,
  done: StepDone,
): void {
  const remaining = items.values();
  const run = (error: Error | null): void => {
    if (error) {
      done(error);
      return;
    }
    const { value, done: finished } = remaining.next();
    if (finished) {
      done(null);
      return;
    }
    step(value, run);
  };
  run(null);
}

/**
 * {@link inTurn} for steps that may throw a DiskError or an OdradekError before they call `next`: it comes in a later turn, as
 * their other errors do. Anything else that is thrown passes.
 */
export function runSteps(clock: Clock, steps: readonly Step[], done: StepDone): void {
  const run = (step: Step, next: StepDone): void => {
    let called = false;
    try {
      step((error) => {
        called = true;
        next(error);
      });
    } catch (error) {
      if (called || !(error instanceof DiskError || error instanceof OdradekError)) throw error;
      clock.after(0, () => next(error));
    }
  };
  inTurn(steps, run, done);
}
