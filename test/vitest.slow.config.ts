import { defineConfig } from 'vitest/config';

/** Files that wait for servers, clocks and restarts more than they compute: two at a time keep two cores busy. */
const WAITING = [
  ...['bad-input', 'bad-store', 'evaluate-benchmark', 'nth-write', 'oracle-batches', 'oracle-kill'],
  ...['prometheus', 'retrain-real', 'retrain-soak', 'scale', 'traces'],
].map((name) => `test/slow/${name}.test.ts`);

/** Slow suites on real processes and servers. Those that train want the whole machine: one file at a time. */
export default defineConfig({
  test: {
    testTimeout: 900_000,
    hookTimeout: 300_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'training',
          include: ['test/slow/**/*.test.ts'],
          exclude: WAITING,
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'waiting', include: WAITING, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
