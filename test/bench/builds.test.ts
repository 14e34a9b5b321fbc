import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommit, copyBuild, resolveCommit } from '../../bench/builds.js';

/** A package whose build copies its source; a source that says so breaks the build. */
const BUILD =
  "const fs=require('fs'),text=fs.readFileSync('source.txt','utf8');if(text==='broken')throw new Error('cannot build that');" +
  "for(const folder of ['bundle','src','workers']){fs.mkdirSync('dist/'+folder,{recursive:true});fs.writeFileSync('dist/'+folder+'/built.txt',text)}";

describe('builds', () => {
  let folder = '';
  let repository = '';
  const commits: string[] = [];

  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', ...args], {
      cwd: repository,
      encoding: 'utf8',
    }).trim();

  function commit(source: string, version: string): void {
    const manifest = { name: 'built', version, private: true, scripts: { build: `node -e "${BUILD}"` } };
    const lock = {
      name: 'built',
      version,
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name: 'built', version } },
    };
    writeFileSync(join(repository, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(repository, 'package-lock.json'), JSON.stringify(lock));
    writeFileSync(join(repository, 'source.txt'), source);
    git('add', '.');
    git('commit', '-q', '-m', source);
    commits.push(git('rev-parse', 'HEAD'));
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-'));
    repository = join(folder, 'repository');
    mkdirSync(repository);
    git('init', '-q');
    writeFileSync(join(repository, '.gitignore'), 'node_modules\n');
    mkdirSync(join(repository, 'node_modules'));
    writeFileSync(join(repository, 'node_modules/library.txt'), 'a library');
    commit('other libraries', '1.0.0');
    commit('first', '2.0.0');
    commit('broken', '2.0.0');
    commit('last', '2.0.0');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const built = (of: string) => readFileSync(join(of, 'dist/src/built.txt'), 'utf8');

  it('are of the commit that was asked for, with the libraries that are there, and leave the repository alone', () => {
    writeFileSync(join(repository, 'source.txt'), 'changed');
    git('add', '.');
    writeFileSync(join(repository, 'source.txt'), 'changed again');
    const before = git('status', '--porcelain=v2');
    const into = join(folder, 'of-first');
    buildCommit(repository, resolveCommit(repository, 'HEAD~2'), into);
    expect(built(into)).toBe('first');
    expect(readFileSync(join(into, 'node_modules/library.txt'), 'utf8')).toBe('a library');
    expect(git('status', '--porcelain=v2')).toBe(before);
    expect(git('worktree', 'list').split('\n')).toHaveLength(1);
    expect(readFileSync(join(repository, 'source.txt'), 'utf8')).toBe('changed again');
    git('reset', '-q', '--hard');
  });

  it('have libraries of their own where the lock file differs', () => {
    const into = join(folder, 'of-other-libraries');
    buildCommit(repository, resolveCommit(repository, 'HEAD~3'), into);
    expect(built(into)).toBe('other libraries');
    expect(readdirSync(into)).not.toContain('library.txt');
    expect(lstatSync(join(into, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false).toBe(
      false,
    );
  });

  it('say what went wrong', () => {
    expect(() =>
      buildCommit(repository, resolveCommit(repository, 'HEAD~1'), join(folder, 'of-broken')),
    ).toThrow(/npm run build: .*cannot build that/s);
    expect(() => resolveCommit(repository, 'no-such-branch')).toThrow('has no commit "no-such-branch"');
    expect(() => resolveCommit(repository, '--all')).toThrow('has no commit "--all"');
  });

  it('are copied as they are', () => {
    const into = join(folder, 'copy');
    copyBuild(join(folder, 'of-first'), into);
    writeFileSync(join(folder, 'of-first/dist/src/built.txt'), 'built anew');
    expect(built(into)).toBe('first');
    expect(readFileSync(join(into, 'node_modules/library.txt'), 'utf8')).toBe('a library');
    expect(resolveCommit(repository, 'HEAD')).toBe(commits[3]?.slice(0, 12));
  });
});
