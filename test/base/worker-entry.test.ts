import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { workerEntry } from '../../src/base/worker-entry.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('workerEntry', () => {
  it('finds the compiled file from the sources', () => {
    expect(fileURLToPath(workerEntry('jobs'))).toBe(`${root}dist/workers/jobs.js`);
  });

  it('finds the same from the compiled module', () => {
    const module = new URL('../../dist/src/base/worker-entry.js', import.meta.url).href;
    const program = `const { workerEntry } = await import('${module}'); console.log(workerEntry('jobs').href);`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    expect(output.trim()).toBe(workerEntry('jobs').href);
  });
});
