import { createRequire } from 'node:module';

export const SOFTWARE_VERSION = readVersion();
/** Name and version of this software, as it introduces itself on the wire and in logs. */
export const SOFTWARE = `odradek/${SOFTWARE_VERSION}`;

function readVersion(): string {
  // dist/src/broker/version.js and src/broker/version.ts lie at different depths below package.json.
  const require = createRequire(import.meta.url);
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = require(path) as { name: string; version: string };
      if (name === 'odradek') return version;
    } catch {
      // Not at this depth.
    }
  }
  return 'unknown';
}
