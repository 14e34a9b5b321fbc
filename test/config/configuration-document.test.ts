import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { configurationDocument } from '../../src/config/configuration-document.js';

const path = fileURLToPath(new URL('../../docs/configuration.md', import.meta.url));

describe('docs/configuration.md', () => {
  it('is what the tables of settings say', () => {
    if (process.env['SNAPSHOT'] === 'write') writeFileSync(path, configurationDocument());
    expect(readFileSync(path, 'utf8')).toBe(configurationDocument());
  });
});
