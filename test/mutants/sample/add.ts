/** What the runner's own test plants mutants in. */
export function add(a: number, b: number): number {
  return a + b;
}
