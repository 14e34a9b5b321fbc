// Builds of this project in folders of their own, for a comparison: of a commit, or of the working tree as it is.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const INSTALL_DEADLINE_MS = 600_000;
const BUILD_DEADLINE_MS = 300_000;
const GIT_DEADLINE_MS = 60_000;
/** What of a build the broker needs. */
const BUILT_FOLDERS = ['dist/bundle', 'dist/src', 'dist/workers'];

interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly deadlineMs: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a program to its end; returns what it printed. Throws what it said if it fails. */
function runProgram({ file, args, cwd, deadlineMs, environment = {} }: Command): string {
  try {
    return execFileSync(file, args, {
      cwd,
      encoding: 'utf8',
      timeout: deadlineMs,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    const printed = error instanceof Error && 'stdout' in error ? String(error.stdout).trim() : '';
    const reason = [said, printed].filter((text) => text !== '').join('\n') || String(error);
    throw new Error(`${[file, ...args].join(' ')}: ${reason}`, { cause: error });
  }
}

/** The commit that a revision names, as results name it. Throws if there is none. */
export function resolveCommit(repository: string, revision: string): string {
  try {
    return runProgram({
      file: 'git',
      args: ['rev-parse', '--verify', '--short=12', '--end-of-options', `${revision}^{commit}`],
      cwd: repository,
      deadlineMs: GIT_DEADLINE_MS,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new Error(`${repository} has no commit "${revision}" (${reason})`, { cause: error });
  }
}

/**
 * Writes a commit's files into a new folder and builds them there. Nothing of the repository changes, nor of its index or list of
 * worktrees. Libraries are those of the repository's folder if both lock files are the same; else they are installed.
 */
export function buildCommit(repository: string, commit: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const environment = { GIT_INDEX_FILE: `${folder}.index` };
  const git = { file: 'git', cwd: repository, deadlineMs: GIT_DEADLINE_MS, environment };
  runProgram({ ...git, args: ['read-tree', commit] });
  runProgram({ ...git, args: ['checkout-index', '--all', `--prefix=${folder}/`] });
  if (!linkLibraries(repository, folder)) {
    const args = ['ci', '--no-audit', '--no-fund'];
    runProgram({ file: 'npm', args, cwd: folder, deadlineMs: INSTALL_DEADLINE_MS });
  }
  runProgram({ file: 'npm', args: ['run', 'build'], cwd: folder, deadlineMs: BUILD_DEADLINE_MS });
}

/** Copies what was built in `source` to a new folder, so that nobody changes it while it is measured. */
export function copyBuild(source: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', ...BUILT_FOLDERS]) {
    cpSync(join(source, name), join(folder, name), { recursive: true });
  }
  linkLibraries(source, folder);
}

/** Whether the libraries in `from` are those that `folder` asks for; then it has them, too. */
function linkLibraries(from: string, folder: string): boolean {
  const lockOf = (of: string) => readFileSync(join(of, 'package-lock.json'), 'utf8');
  const libraries = join(from, 'node_modules');
  if (!existsSync(libraries) || lockOf(from) !== lockOf(folder)) return false;
  symlinkSync(libraries, join(folder, 'node_modules'), 'junction');
  return true;
}
