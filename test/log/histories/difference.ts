/** The log does not do what the model says. */
export class Difference extends Error {
  override readonly name = 'Difference';
}

/** Throws a {@link Difference} unless the condition holds. */
export function must(condition: boolean, what: () => string): asserts condition {
  if (!condition) throw new Difference(what());
}
