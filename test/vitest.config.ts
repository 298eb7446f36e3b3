import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The quick suites: unit, property, golden, workflow and integration tests. Slow ones live in `test/slow`. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**', 'test/browser/**', 'test/on-ray/**', 'node_modules/**', 'dist/**'],
    globalSetup: [fileURLToPath(new URL('support/shared-folder.ts', import.meta.url))],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Tests on real servers wait more than they compute: a third keeps two cores busy.
    maxWorkers: 3,
  },
});
