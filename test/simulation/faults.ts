// The faults of a history. A fault counts once, and only when it took effect: an armed error that no call met is none.
export type FaultKind =
  | 'process crash'
  | 'process crash inside a disk call'
  | 'power loss'
  | 'power loss inside a disk call'
  | 'worker death'
  | 'worker death inside a disk call'
  | 'disk write error'
  | 'disk sync error'
  | 'disk read error'
  | 'other disk error'
  | 'disk full'
  | 'slow disk'
  | 'stalled reader'
  | 'connection drop'
  | 'half a frame'
  | 'refused batch'
  | 'slow control messages'
  | 'wall clock jump'
  | 'retention'
  | 'topic deletion'
  | 'topic alteration'
  | 'added partition'
  | 'deletion of records'
  | 'clean restart';

export class FaultCounts {
  readonly #counts = new Map<FaultKind, number>();

  count(kind: FaultKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  of(kind: FaultKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  addAll(other: FaultCounts): void {
    for (const [kind, count] of other.#counts) this.#counts.set(kind, this.of(kind) + count);
  }

  toString(): string {
    return [...this.#counts]
      .sort(([, a], [, b]) => b - a)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ');
  }
}
