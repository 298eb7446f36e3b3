/** What mutation testing changes, and which tests have to notice. */

export interface MutationGroup {
  /** Files whose code is changed. A pattern with `!` leaves files out, and has its reason beside it. */
  mutate: readonly string[];
  /** Only these tests run, so that pure code is not tested by starting servers. */
  tests: readonly string[];
  /** Slow ones of them, which run after all others: most mutants are noticed before. */
  last?: readonly string[];
  /** The tests need an S3: one server is started for all of them. */
  store?: true;
}

/** Parts of the artefact store that are tested without one, a hundred times faster. */
const ON_NO_SERVER = [
  ...['bucket', 'canonical-json', 'checkpoints', 'clean-up', 'directories', 'errors', 'fence', 'hashing'],
  ...['json-lines', 'local-cache', 'local-files', 'manifests', 'map-limit', 'objects', 'records', 'ref'],
  ...['s3-client', 'settings', 'translate-error'],
];

export const MUTATION_GROUPS: Readonly<Record<string, MutationGroup>> = {
  judge: {
    mutate: ['judge/**/*.ts'],
    tests: ['test/judge/**/*.test.ts'],
    last: ['pointwise', 'verdict-and-reward', 'prompt-round-trip'].map(
      (name) => `test/judge/${name}.test.ts`,
    ),
  },
  rewards: {
    mutate: ['judge/reward.ts', 'engine/loss/advantages.ts'],
    tests: ['test/judge/verdict-and-reward.test.ts', 'test/engine-core/advantages.test.ts'],
  },
  ledger: {
    mutate: ['workflows/ledger.ts', 'workflows/spending.ts'],
    // Workflow tests bundle their own copy of the code, in which no mutant is ever switched on.
    tests: ['test/oracle/ledger.test.ts', 'test/oracle/spending.test.ts'],
  },
  benchmarks: {
    mutate: [
      'benchmarks/*.ts',
      // Re-exports only.
      '!benchmarks/index.ts',
      // A table of published numbers: a test could only repeat it.
      '!benchmarks/published.ts',
    ],
    // The reference scores need data that is not part of the project: the share found must not depend on it. The
    // coverage of intervals is measured over many comparisons, too long to ask of each mutant.
    tests: ['test/benchmarks/**/!(golden-scores|compare-coverage).test.ts'],
    last: ['test/benchmarks/score-verdicts.test.ts', 'test/benchmarks/compare-units.test.ts'],
  },
  artifacts: {
    mutate: ON_NO_SERVER.map((name) => `activities/artifacts/${name}.ts`),
    tests: [
      ...['bucket', 'canonical-json', 'checkpoint-rules', 'clean-up-rules', 'errors', 'local-cache'],
      ...['local-files', 'manifest-rules', 'object-rules', 'patience', 'record-rules', 'settings'],
    ].map((name) => `test/artifacts/${name}.test.ts`),
    last: ['test/artifacts/patience.test.ts'],
  },
  'artifacts-on-s3': {
    mutate: ['activities/artifacts/*.ts', ...ON_NO_SERVER.map((name) => `!activities/artifacts/${name}.ts`)],
    // `failures.test.ts` kills a server of its own in mid-write, half a minute for each mutant.
    tests: ['records', 'manifests', 'retention', 'checkpoints', 'content', 'store-model'].map(
      (name) => `test/artifacts/${name}.test.ts`,
    ),
    last: ['content', 'store-model'].map((name) => `test/artifacts/${name}.test.ts`),
    store: true,
  },
};
