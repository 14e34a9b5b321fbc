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
 * The same with up to `lanes` items under way at a time. After an error no further one is begun, and `done` gets it when those that
 * were have ended.
 */
export function severalAtOnce<Item>(
  items: readonly Item[],
  lanes: number,
  step: (item: Item, next: StepDone) => void,
  done: StepDone,
): void {
  const remaining = items.values();
  let left = Math.max(1, Math.min(lanes, items.length));
  let failure: Error | null = null;
  const goOn = (): void => {
    // A loop, because a step may call back at once.
    for (let isOver = true; isOver; ) {
      const following = failure ? null : remaining.next();
      if (!following || following.done) {
        if (--left === 0) done(failure);
        return;
      }
      let isAtOnce = true;
      isOver = false;
      step(following.value, (error) => {
        failure ??= error;
        if (isAtOnce) isOver = true;
        else goOn();
      });
      isAtOnce = false;
    }
  };
  for (let lane = left; lane > 0; lane--) goOn();
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
