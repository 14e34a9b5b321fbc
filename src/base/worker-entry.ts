import { existsSync } from 'node:fs';
import { OdradekError } from './errors.js';

export type WorkerName = 'partition' | 'supervisor' | 'jobs';

/**
 * The compiled file that a worker thread starts from. Workers run compiled code also where this module runs as TypeScript
 * (under vitest), because Node 20 strips no types. Throws `ODR_START` if the project was not built.
 */
export function workerEntry(name: WorkerName): URL {
  const file = `workers/${name}.js`;
  // This module is dist/src/base/worker-entry.js or src/base/worker-entry.ts.
  const compiled = import.meta.url.endsWith('.js');
  const entry = new URL(compiled ? `../../${file}` : `../../dist/${file}`, import.meta.url);
  if (!existsSync(entry)) {
    throw new OdradekError('ODR_START', `the worker ${entry.pathname} is missing: run npm run build first`);
  }
  return entry;
}
