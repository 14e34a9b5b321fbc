/** A test that must fail as long as the mutant is planted, and must pass without it. */
export interface Witness {
  /** From the root of the repository. It must import the sources: a test that uses dist/ sees no mutant. */
  readonly file: string;
  /** A part of the test's full name, or of the names of its describes. Absent: all tests of the file. */
  readonly name?: string;
  /** Environment variables, so that what is drawn at random is the same in each run. Default: SEED=1. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** One error, as somebody might make it. */
export interface Mutant {
  readonly name: string;
  /** What is wrong, in one sentence. */
  readonly wrong: string;
  /** The source that has it, from the root of the repository. */
  readonly file: string;
  /** What is replaced: it must occur in the file exactly once. */
  readonly piece: string;
  readonly replacement: string;
  readonly caughtBy: Witness;
}

/** What the planting process has to know of a mutant. */
export type Change = Pick<Mutant, 'file' | 'piece' | 'replacement'>;

/** The source with the mutant in it. Throws if the piece is not there exactly once, or nothing would change. */
export function plant(source: string, { file, piece, replacement }: Change): string {
  const count = source.split(piece).length - 1;
  if (piece === '' || count !== 1) throw new Error(`${file} has ${count} times: ${piece}`);
  if (piece === replacement) throw new Error(`nothing changes in ${file}: ${piece}`);
  return source.replace(piece, () => replacement);
}
