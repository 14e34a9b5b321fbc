import { createRequire } from 'node:module';
import { OdradekError } from '../../base/errors.js';

const require = createRequire(import.meta.url);
const loaded = new Map<string, unknown>();

/** The CommonJS package of this name, loaded once. Throws {@link OdradekError} if this platform has no binary of it. */
export function load<Library>(name: string): Library {
  let library = loaded.get(name);
  if (library === undefined) {
    try {
      library = require(name);
    } catch (cause) {
      throw new OdradekError(
        'ODR_COMPRESSION',
        `the package ${name} could not be loaded on ${process.platform}-${process.arch}; install it anew, or use another codec`,
        { cause },
      );
    }
    loaded.set(name, library);
  }
  return library as Library;
}
