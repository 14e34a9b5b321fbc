// The metadata store: a small map from keys to texts with etcd's semantics (revisions, compare-and-swap, watches), so that
// one broker keeps it embedded on its own log and a cluster in etcd, with the same keys and the same code above.
//
// Revisions are whole numbers that rise with each commit; all changes of a commit have the same one.

import type { ErrorName } from '../base/errors.js';

export interface MetadataEntry {
  readonly key: string;
  readonly value: string;
  /** The revision of the commit that wrote it last. */
  readonly modRevision: number;
}

/** null: the key was deleted. */
export interface MetadataChange {
  readonly key: string;
  readonly value: string | null;
  readonly modRevision: number;
}

export interface MetadataCommit {
  /** The commit takes effect only if each key was last written at that revision; 0: if there is no such key. */
  readonly compare: readonly { readonly key: string; readonly modRevision: number }[];
  readonly puts: readonly { readonly key: string; readonly value: string }[];
  readonly deletes: readonly string[];
}

export type CommitResult =
  | { readonly type: 'committed'; readonly revision: number }
  /** A comparison did not hold; nothing was changed. */
  | { readonly type: 'conflict' }
  /** Not known whether it took effect. With KAFKA_STORAGE_ERROR the disk is in the way, and it may work later. */
  | { readonly type: 'failed'; readonly error: ErrorName; readonly reason: string };

export interface MetadataStore {
  /** Why it takes no more commits; null while it does. */
  readonly failure: string | null;
  /** All entries, in order of their keys, as of `revision`. */
  list(done: (entries: readonly MetadataEntry[], revision: number) => void): void;
  /** Takes effect as a whole or not at all. `committed` means that it survives a loss of power. */
  commit(commit: MetadataCommit, done: (result: CommitResult) => void): void;
  /** Calls `changed` for each commit after `revision`, in order, before that commit's own `done`. Returns what ends the watch. */
  watch(revision: number, changed: (changes: readonly MetadataChange[]) => void): () => void;
  /** Writes what is pending. */
  close(done: () => void): void;
}
