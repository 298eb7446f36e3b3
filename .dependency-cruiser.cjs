// Which folder may import which; checked by `npm run boundaries`.
const not = (from, to, comment) => ({
  name: `${from.replace(/[^a-z]/g, '')}-not-to-${to.replace(/[^a-z|]/g, '').replace(/\|/g, '-')}`,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to },
});

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    not(
      '^judge/',
      '^(benchmarks|world|engine|activities|workflows|workers|client|infra|recipes)/',
      'the domain is pure',
    ),
    not(
      '^benchmarks/',
      '^(judge|world|engine|activities|workflows|workers|client|infra|recipes)/',
      'scoring is pure',
    ),
    not(
      '^world/',
      '^(benchmarks|engine|activities|workflows|workers|client|infra|recipes)/',
      'the world knows pairs only',
    ),
    not(
      '^engine/',
      '^(benchmarks|world|activities|workflows|workers|client|infra|recipes)/',
      'the engine knows rewards only',
    ),
    not('^activities/', '^(workers|client|serving)/', 'activities are called, they do not call'),
    not('^serving/', '^(workers|client|world)/', 'a server of judges needs judges only'),
    {
      name: 'workflows-only-types-of-activities',
      severity: 'error',
      comment: 'artifacts/ref.ts is a schema and sandbox-safe',
      from: { path: '^workflows/' },
      to: {
        path: '^activities/',
        pathNot: '^activities/artifacts/ref\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    not(
      '^workflows/',
      '^(engine|world|client|workers|infra|serving)/',
      'workflows orchestrate; scoring is pure',
    ),
    not('^client/', '^(workers|world)/', 'clients talk to Temporal'),
    {
      name: 'nothing-imports-workers',
      severity: 'error',
      from: { pathNot: '^(workers|test)/' },
      to: { path: '^workers/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: 'specify',
  },
};
