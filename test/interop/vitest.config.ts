// What needs clients from other registries: not part of `npm test`. See README.md.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import type { TestModule } from 'vitest/node';
import main from '../../vitest.config.js';

/** The last line. */
class Totals {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') counts[state]++;
      }
      counts.failed += module.errors().length;
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}

export default defineConfig({
  ...main,
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    ...main.test,
    include: ['test/interop/*.interop.ts'],
    reporters: ['verbose', new Totals()],
    fileParallelism: false,
    // The first use installs what is not there.
    hookTimeout: 600_000,
    testTimeout: 180_000,
  },
});
