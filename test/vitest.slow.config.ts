import { defineConfig } from 'vitest/config';

/** Slow suites on real processes and servers, one file at a time: each wants the whole machine. */
export default defineConfig({
  test: {
    include: ['test/slow/**/*.test.ts'],
    testTimeout: 900_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
