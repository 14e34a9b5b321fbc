/** Ends a step: with an error, or with null for the next one. */
export type StepDone = (error: Error | null) => void;

/**
 * Runs `step` for one item after the other, each begun when the one before called back, and stops at the first error.
 * Calls `done` once; at once if there are no items.
 */
export function inTurn<Item>(items: readonly Item[], step: (item: Item, next: StepDone) => void, done: StepDone): void {
  const remaining = items.values();
  const run = (error: Error | null): void => {
    if (error) return done(error);
    const { value, done: finished } = remaining.next();
    if (finished) return done(null);
    step(value, run);
  };
  run(null);
}
