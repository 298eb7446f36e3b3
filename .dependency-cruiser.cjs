// Which folder may import which; checked by `npm run boundaries`, held against docs/architecture.md by test/docs.

/** What each room may import of the others; nothing else, and of a folder that has no entry nothing at all. */
const rooms = {
  judge: [],
  benchmarks: [],
  world: ['judge/'],
  engine: ['judge/reward\\.ts'],
  recipes: [
    'engine/job\\.ts',
    'infra/environment\\.ts',
    'judge/prompt/versions\\.ts',
    'workflows/errors\\.ts',
  ],
  // Types of activities: see below.
  workflows: ['activities/', 'benchmarks/', 'judge/prompt/versions\\.ts', 'recipes/', 'temporal\\.config'],
  activities: [
    ...['benchmarks/', 'engine/', 'infra/', 'judge/', 'recipes/', 'world/'],
    // Activities are called, they do not call: schemas, names and errors.
    'workflows/(errors|messages|inputs|benchmark-input|judge-settings|ledger|watched-hub)\\.ts',
  ],
  'activities/artifacts': ['engine/crash-point\\.ts'],
  'activities/hub': ['activities/artifacts/(errors|local-files)\\.ts', 'workflows/errors\\.ts'],
  'activities/pretrained': [
    'activities/hub/',
    'engine/',
    'infra/local/',
    'recipes/',
    'workflows/errors\\.ts',
  ],
  serving: ['activities/evaluation/judges/judge\\.ts', 'judge/'],
  client: [
    ...['activities/', 'benchmarks/', 'engine/', 'infra/', 'judge/', 'recipes/', 'serving/', 'workflows/'],
    'temporal\\.config',
  ],
  infra: [
    ...['activities/artifacts/', 'engine/trace/', 'judge/', 'workflows/errors\\.ts', 'world/'],
    'temporal\\.config',
  ],
  'infra/local': ['activities/artifacts/', 'infra/'],
  'infra/oracle': ['judge/', 'world/'],
  'infra/tracing': ['engine/trace/', 'infra/secrets\\.ts', 'workflows/errors\\.ts'],
  workers: ['activities/', 'engine/crash-point\\.ts', 'infra/', 'workflows/', 'temporal\\.config'],
  bench: [
    ...[
      'activities/',
      'benchmarks/',
      'client/',
      'engine/',
      'infra/',
      'judge/',
      'recipes/',
      'serving/',
      'world/',
    ],
    ...['test/(support|on-ray)/', 'workflows/', 'temporal\\.config'],
  ],
};

/** Of the folders of `activities/`, those that each may import; `activities/` itself is open to all but the three above. */
const activities = {
  dataset: ['artifacts/', 'hub/', 'pretrained/', 'training/student-prompt\\.ts'],
  oracle: ['artifacts/', 'dataset/', 'evaluation/ask-served\\.ts', 'training/(figures|generate)\\.ts'],
  training: ['artifacts/', 'dataset/', 'oracle/(select-pairs|filter-traces)\\.ts', 'pretrained/', 'ray/'],
  ray: ['artifacts/', 'training/(figures|optimizer-of|stage-metrics)\\.ts'],
  evaluation: ['artifacts/', 'dataset/', 'oracle/distillation-stats\\.ts', 'ray/', 'training/'],
  planning: ['artifacts/', 'oracle/endpoint\\.ts'],
  registry: ['artifacts/', 'dataset/'],
};

const LOCAL = '^(?!node_modules/|@)([\\w-]+/|temporal\\.config)';

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...Object.entries(rooms).map(([room, may]) => ({
      name: `${room} imports only what it may`,
      severity: 'error',
      from: { path: `^${room}/` },
      to: {
        path: LOCAL,
        pathNot: [room + '/', ...may].map((path) => `^${path}`),
        dependencyTypesNot: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer'],
      },
    })),
    ...Object.entries(activities).map(([room, may]) => ({
      name: `activities/${room} imports only what it may of activities`,
      severity: 'error',
      from: { path: `^activities/${room}/` },
      to: {
        path: '^activities/[^/]+/',
        pathNot: [room + '/', ...may].map((path) => `^activities/${path}`),
      },
    })),
    {
      name: 'workflows import only types of activities',
      severity: 'error',
      comment: 'artifacts/ref.ts is a schema and sandbox-safe',
      from: { path: '^workflows/' },
      to: {
        path: '^activities/',
        pathNot: '^activities/artifacts/ref\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: 'specify',
  },
};
