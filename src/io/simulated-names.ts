// The folders of the SimulatedDisk, twice: as every process sees them and as the disk holds them. In between stands a
// journal of the changes that no sync of their folder covered. A loss of power keeps any selection of it that respects
// cause and effect; each entry, a rename above all, happens as a whole or not at all.
import { present } from '../base/assert.js';
import type { Random } from '../base/random.js';
import { SimulatedFile } from './simulated-file.js';

export class SimulatedFolder {
  entries = new Map<string, SimulatedNode>();
  durable = new Map<string, SimulatedNode>();
}

export type SimulatedNode = SimulatedFile | SimulatedFolder;

interface NameChange {
  readonly folder: SimulatedFolder;
  readonly name: string;
  /** Null: the name goes. */
  readonly node: SimulatedNode | null;
}

/** What happens to names at once. */
interface NameOperation {
  readonly sequence: number;
  readonly changes: readonly NameChange[];
}

/** As file systems commit their journals now and then, whether asked or not; it bounds ours. */
const JOURNAL_MAX = 1024;

/** Names as a set of (folder, name). */
class Names {
  readonly #names = new Map<SimulatedFolder, Set<string>>();

  add({ folder, name }: NameChange): void {
    const names = this.#names.get(folder);
    if (names === undefined) this.#names.set(folder, new Set([name]));
    else names.add(name);
  }

  has({ folder, name }: NameChange): boolean {
    return this.#names.get(folder)?.has(name) ?? false;
  }
}

function set(entries: Map<string, SimulatedNode>, name: string, node: SimulatedNode | null): void {
  if (node === null) entries.delete(name);
  else entries.set(name, node);
}

function commit(operation: NameOperation): void {
  for (const { folder, name, node } of operation.changes) set(folder.durable, name, node);
}

/** Paths that were taken apart before: a simulation asks for the same ones again and again. */
const knownPaths = new Map<string, readonly string[]>();
const KNOWN_PATHS_MAX = 4096;

/** The parts of a path, which lead from the root: `/a//b/` and `a/b` are the same. */
export function pathParts(path: string): readonly string[] {
  const known = knownPaths.get(path);
  if (known) return known;
  const parts: string[] = [];
  for (const part of path.split(/[\\/]/)) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  if (knownPaths.size === KNOWN_PATHS_MAX) knownPaths.clear();
  knownPaths.set(path, parts);
  return parts;
}

export class SimulatedNames {
  readonly root = new SimulatedFolder();
  #journal: NameOperation[] = [];
  #sequence = 0;

  /** What the path names, or undefined. */
  find(path: string): SimulatedNode | undefined {
    return this.#follow(pathParts(path));
  }

  #follow(parts: readonly string[]): SimulatedNode | undefined {
    let node: SimulatedNode | undefined = this.root;
    for (const part of parts) node = node instanceof SimulatedFolder ? node.entries.get(part) : undefined;
    return node;
  }

  /** What the path would name after a loss of power that loses whatever it may, or undefined. */
  findDurable(path: string): SimulatedNode | undefined {
    let node: SimulatedNode | undefined = this.root;
    for (const part of pathParts(path))
      node = node instanceof SimulatedFolder ? node.durable.get(part) : undefined;
    return node;
  }

  /** The folder that the path lies in and its name there; undefined if there is no such folder. */
  place(path: string): { folder: SimulatedFolder; name: string } | undefined {
    const parts = pathParts(path);
    const name = parts.at(-1);
    const folder = this.#follow(parts.slice(0, -1));
    return name !== undefined && folder instanceof SimulatedFolder ? { folder, name } : undefined;
  }

  /** Changes names, all at once. */
  change(changes: readonly NameChange[]): void {
    for (const { folder, name, node } of changes) set(folder.entries, name, node);
    this.#journal.push({ sequence: ++this.#sequence, changes });
    if (this.#journal.length > JOURNAL_MAX) this.#commitOldest(JOURNAL_MAX / 2);
  }

  /** Some moment; {@link sync} takes it. */
  syncPoint(): number {
    return this.#sequence;
  }

  /** Makes durable what happened in the folder until then, and what that rests on. */
  sync(folder: SimulatedFolder, until: number): void {
    const names = new Names();
    const folders = new Set<SimulatedNode>();
    const chosen: NameOperation[] = [];
    const kept: NameOperation[] = [];
    for (const operation of this.#journal.toReversed()) {
      const asked =
        operation.sequence <= until && operation.changes.some((change) => change.folder === folder);
      const causes = operation.changes.some(
        (change) => names.has(change) || (change.node !== null && folders.has(change.node)),
      );
      if (!asked && !causes) {
        kept.push(operation);
        continue;
      }
      chosen.push(operation);
      for (const change of operation.changes) names.add(change);
      // A move out of one folder is durable only together with the way to the other, or what moved would be lost.
      const moves = operation.changes.some((change) => change.folder !== folder);
      if (moves) for (const change of operation.changes) folders.add(change.folder);
    }
    for (const operation of chosen.reverse()) commit(operation);
    this.#journal = kept.reverse();
  }

  /** The kernel commits its journal on its own: the oldest entries, in order. */
  commitSome(random: Random): void {
    this.#commitOldest(random.below(this.#journal.length + 1));
  }

  /** Leaves what a loss of power leaves, and answers which nodes are still there. */
  losePower(random: Random): SimulatedNode[] {
    const lostNames = new Names();
    const lostNodes = new Set<SimulatedNode>();
    // In tenths; the ends are cases of their own: everything arrived, and nothing did.
    const chance = random.below(11);
    for (const operation of this.#journal) {
      const baseless = operation.changes.some(
        (change) => lostNames.has(change) || lostNodes.has(change.folder),
      );
      if (!baseless && random.below(10) < chance) commit(operation);
      else {
        for (const change of operation.changes) {
          lostNames.add(change);
          if (change.node !== null) lostNodes.add(change.node);
        }
      }
    }
    this.#journal = [];
    const nodes: SimulatedNode[] = [this.root];
    // The list grows while it is walked.
    for (const node of nodes) {
      if (node instanceof SimulatedFolder) {
        node.entries = new Map(node.durable);
        nodes.push(...node.entries.values());
      }
    }
    return nodes;
  }

  /** Paths of all files, sorted. */
  files(): string[] {
    const found: string[] = [];
    const visit = (folder: SimulatedFolder, path: string): void => {
      for (const [name, node] of folder.entries) {
        if (node instanceof SimulatedFile) found.push(`${path}/${name}`);
        else visit(node, `${path}/${name}`);
      }
    };
    visit(this.root, '');
    return found.sort();
  }

  #commitOldest(count: number): void {
    for (let i = 0; i < count; i++) commit(present(this.#journal[i], 'an entry of the journal'));
    this.#journal.splice(0, count);
  }
}
