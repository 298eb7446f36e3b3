import { defineConfig } from 'vitest/config';

/** The pipeline on a real Ray head with TRL: `npm run test:ray`. Its Python environment is built once, some gigabytes. */
export default defineConfig({
  test: {
    include: ['test/on-ray/**/*.test.ts'],
    testTimeout: 240_000,
    hookTimeout: 900_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});
