/** The message for a name that no row has, with the name that was probably meant. */
export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  const nearest = nearestName(name, known);
  return `${shown} is not a ${kind} of Odradek${nearest === null ? '.' : `; did you mean ${nearest}?`}`;
}

/** The known name with the fewest edits to this one, if there is one with few. */
export function nearestName(name: string, known: readonly string[]): string | null {
  if (name.length > 100) return null;
  let nearest: string | null = null;
  let fewest = Math.max(1, Math.floor(name.length / 4)) + 1;
  for (const candidate of known) {
    const count = editCount(name, candidate);
    if (count < fewest) {
      fewest = count;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Levenshtein's distance. O(a·b). */
function editCount(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[b.length] ?? 0;
}
