import { existsSync } from 'node:fs';
import { OdradekError } from './errors.js';

export type WorkerName = 'partition' | 'supervisor' | 'jobs';

/**
 * The compiled file that a worker thread starts from: a bundle if this module is part of one, else the module. Workers run
 * compiled code also where this module runs as TypeScript (under vitest), because Node 20 strips no types. Throws `ODR_START` if
 * the project was not built.
 */
export function workerEntry(name: WorkerName): URL {
  const entry = new URL(pathFromHere(name), import.meta.url);
  if (!existsSync(entry)) {
    throw new OdradekError('ODR_START', `the worker ${entry.pathname} is missing: run npm run build first`);
  }
  return entry;
}

/** This module is in dist/bundle/*.cjs, is dist/src/base/worker-entry.js, or src/base/worker-entry.ts. */
function pathFromHere(name: WorkerName): string {
  if (import.meta.url.endsWith('.cjs')) return `./${name}.cjs`;
  return import.meta.url.endsWith('.js') ? `../../workers/${name}.js` : `../../dist/workers/${name}.js`;
}
