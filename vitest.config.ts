import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const built = (path: string) => fileURLToPath(new URL(`./dist/src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests that start a broker use the package as its users do, from what `npm run build` wrote.
    alias: [
      { find: /^odradek$/, replacement: built('client/index.js') },
      { find: /^odradek\/testing$/, replacement: built('testing/index.js') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    server: { deps: { external: [/\/dist\//] } },
  },
});
