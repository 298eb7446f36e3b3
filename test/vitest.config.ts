import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Folders whose tests call functions and keep nothing in their process: they share it, and load what they import once. */
const FUNCTIONS = [
  'benchmarks',
  'docs',
  'engine-core',
  'judge',
  'recipes',
  'report',
  'training',
  'verdicts',
].map((folder) => `test/${folder}/**/*.test.ts`);

/** The quick suites: unit, property, golden, workflow and integration tests. Slow ones live in `test/slow`. */
export default defineConfig({
  test: {
    // Tests on real servers wait more than they compute: a third keeps two cores busy.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: 'functions', include: FUNCTIONS, isolate: false } },
      {
        extends: true,
        test: {
          name: 'processes',
          include: ['test/**/*.test.ts'],
          exclude: ['test/slow/**', 'test/browser/**', 'test/on-ray/**', ...FUNCTIONS],
          globalSetup: [fileURLToPath(new URL('support/shared-folder.ts', import.meta.url))],
        },
      },
    ],
  },
});
