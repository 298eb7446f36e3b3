/** `npm run test:mutation`: see USAGE. Exit code 1 where a group is below its goal. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Stryker } from '@stryker-mutator/core';
import { resolveBinary } from '../../infra/local/binaries.js';
import { startSeaweed } from '../../infra/local/seaweed.js';
import { MUTATION_GROUPS, type MutationGroup } from './groups.js';

/** Share of mutants that the tests must notice, in percent. */
const GOAL = 85;

const USAGE = `npm run test:mutation -- [options] [group ...]

Changes the code in many small ways, one at a time, and counts the changes that no test notices.
Groups: ${Object.keys(MUTATION_GROUPS).join(', ')} (default: all).

  --mutate FILE[:FROM-TO]   only this file, or lines of it; may be given several times
  --concurrency N           mutants tested at the same time (default: 1)

The reports are build/mutation/GROUP.html and GROUP.json.
`;

type Mutants = Awaited<ReturnType<Stryker['runMutationTest']>>;

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        mutate: { type: 'string', multiple: true },
        concurrency: { type: 'string', default: '1' },
        help: { type: 'boolean', default: false },
      },
    });
    const names = positionals.length > 0 ? positionals : Object.keys(MUTATION_GROUPS);
    const unknown = names.find((name) => !(name in MUTATION_GROUPS));
    if (unknown !== undefined) throw new Error(`There is no group ${unknown}.`);
    if (!values.help) return { ...values, names };
    process.stdout.write(USAGE);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const { names, mutate, concurrency } = readOptions();
// Tests run in a copy of the project, from where the data beside it is somewhere else.
process.env.RMR1_SHARED_DATA ??= resolve('../shared/data');
const lines: string[] = [];
for (const name of names) {
  const group = MUTATION_GROUPS[name]!;
  process.env.RMR1_MUTATION_GROUP = name;
  const startedAt = Date.now();
  const mutants = await (group.store ? withStore(() => test(name, group)) : test(name, group));
  lines.push(`${name}: ${summary(mutants)}; ${((Date.now() - startedAt) / 60_000).toFixed(1)} min`);
}
process.stdout.write(`${lines.join('\n')}\n`);

function test(name: string, group: MutationGroup): Promise<Mutants> {
  return new Stryker({
    mutate: [...(mutate ?? group.mutate)],
    ignorePatterns: ['build', 'dist', 'docs', 'coverage', '.rmr1'],
    tempDirName: 'build/mutation/sandbox',
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
    coverageAnalysis: 'perTest',
    concurrency: Number(concurrency),
    // A busy machine is several times slower than it was at the first run.
    timeoutMS: 20_000,
    timeoutFactor: 4,
    thresholds: { high: 95, low: GOAL, break: mutate ? null : GOAL },
    allowConsoleColors: false,
    reporters: ['progress-append-only', 'clear-text', 'html', 'json'],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
    htmlReporter: { fileName: `build/mutation/${name}.html` },
    jsonReporter: { fileName: `build/mutation/${name}.json` },
  }).runMutationTest();
}

/** One S3 for all runs; every test file works below a prefix of its own. */
async function withStore<T>(run: () => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-mutation-'));
  const { path } = await resolveBinary('weed');
  const server = await startSeaweed({ binary: path, dir, bucket: `rmr1-${randomUUID()}` });
  const { endpoint, bucket, accessKeyId, secretAccessKey } = server.settings;
  Object.assign(process.env, {
    ...{ RMR1_S3_ENDPOINT: endpoint, RMR1_S3_BUCKET: bucket },
    ...{ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  });
  try {
    return await run();
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** A mutant that breaks the compiler's rules or the runner is not counted; one that never ends is noticed. */
function summary(mutants: Mutants): string {
  const count = (...statuses: Mutants[number]['status'][]) =>
    mutants.filter(({ status }) => statuses.includes(status)).length;
  const noticed = count('Killed', 'Timeout');
  const missed = count('Survived', 'NoCoverage');
  const unrun = mutants.filter(
    ({ status, testsCompleted }) => status === 'Survived' && !testsCompleted,
  ).length;
  const share = ((100 * noticed) / (noticed + missed)).toFixed(1);
  return (
    `${share} % of ${noticed + missed} mutants noticed (${count('Timeout')} by never ending), ` +
    `${count('Survived')} not noticed, ${count('NoCoverage')} not run by any test, ${count('Ignored')} left out, ` +
    `${count('RuntimeError', 'CompileError')} that cannot run` +
    (unrun > 0 ? `, ${unrun} survivors in runs without a test` : '')
  );
}
