// Which commits a run measures, and where their brokers come from.
import { join } from 'node:path';
import { buildCommit, copyBuild, resolveCommit } from './builds.js';
import type { Builds } from './compare-builds.js';
import { type Commit, currentCommit } from './machine.js';
import type { BenchOptions } from './options.js';

export interface Revisions {
  /** Whose broker is measured. */
  readonly candidate: Commit;
  /** Whether the candidate is checked out and built; else it is what this program was built with. */
  readonly isCheckedOut: boolean;
  /** Whose broker stands beside it; null: none. */
  readonly base: Commit | null;
}

export function revisionsOf(
  root: string,
  { candidate, against }: Pick<BenchOptions, 'candidate' | 'against'>,
): Revisions {
  const commitOf = (revision: string): Commit => ({ commit: resolveCommit(root, revision), dirty: false });
  return {
    candidate: candidate === null ? currentCommit(root) : commitOf(candidate),
    isCheckedOut: candidate !== null,
    base: against === null ? null : commitOf(against),
  };
}

/** Puts both builds into folders of their own, where no other build changes them; null if there is nothing to compare. */
export function prepareBuilds(
  root: string,
  folder: string,
  { candidate, isCheckedOut, base }: Revisions,
  say: (line: string) => void,
): Builds | null {
  if (base === null || base.commit === null) return null;
  const builds: Builds = { broker: join(folder, 'build-candidate'), base: join(folder, 'build-base') };
  const build = (commit: string, into: string) => {
    say(`Building ${commit}`);
    buildCommit(root, commit, into);
  };
  build(base.commit, builds.base);
  if (isCheckedOut && candidate.commit !== null) build(candidate.commit, builds.broker);
  else copyBuild(root, builds.broker);
  return builds;
}
