import { defineConfig } from 'vitest/config';

/** Suites that are too long for every change; not yet seen green as a whole (docs/status.md). */
export default defineConfig({
  test: {
    include: ['test/long/**/*.test.ts'],
    testTimeout: 900_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
