/**
 * A worker killed (−9) at every step of a batch: submit, poll, harvest, settle. Afterwards every question was answered
 * once, and the run's ledger is the provider's own count.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { isRunning } from '../../infra/local/process.js';
import { TestMachine, type TestOracle } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

let machine: TestMachine;
let oracle: TestOracle;
/** Crash plans for the worker. */
let plans: string;
let runs = 0;

beforeAll(async () => {
  machine = await TestMachine.start();
  oracle = await machine.startOracle(['--batch-ms', '400']);
  plans = await mkdtemp(join(tmpdir(), 'rmr1-plans-'));
}, 300_000);
afterAll(async () => {
  await machine?.stop();
  await rm(plans, { recursive: true, force: true });
});

const startWorker = () => machine.startWorker({ RMR1_ORACLE_URL: oracle.baseUrl, RMR1_CRASH_POINTS: plans });

/** Distil with data of its own; kill the worker at the moment that `reached` waits for. */
async function distil(provider: string, reached: () => Promise<unknown>): Promise<void> {
  const seed = 100 + ++runs;
  const before = await oracle.stats();
  await startWorker();
  const handle = await machine.start(
    'distill',
    {
      seed,
      overrides: {
        ...TINY,
        'oracle.provider': provider,
        'oracle.baseUrl': provider === 'anthropic' ? oracle.baseUrl.replace('/v1', '') : oracle.baseUrl,
        'oracle.mode': 'batch',
        'oracle.timeoutSeconds': 5,
        'oracle.batch': { maxRequests: 30, firstPollSeconds: 0.2, lastPollSeconds: 1 },
      },
    },
    `batches-${seed}`,
  );
  await reached();
  const worker = machine.killWorker();
  await until('the end of the worker', () => !isRunning(worker), 10);
  await oracle.faults();
  await startWorker();
  await until(
    `the end of ${handle.workflowId}`,
    async () => {
      const progress = await machine.progress(handle.workflowId);
      if (progress?.problem) throw new Error(JSON.stringify(progress.problem));
      const description = await handle.describe().catch(() => undefined);
      if (!description || description.status.name === 'RUNNING') return false;
      expect(description.status.name).toBe('COMPLETED');
      return true;
    },
    180,
  );
  await machine.stopWorkers();

  const after = await oracle.stats();
  expect(Math.max(...Object.values(after.pairs))).toBe(1);
  const manifests = await Promise.all(
    (await machine.store.listKeys('manifests/distill/')).map(
      async (key) => (await machine.store.getJson(key))!.value as Manifest,
    ),
  );
  const { cost } = manifests.find(({ workflowId }) => workflowId === handle.workflowId)!;
  expect({ prompt: cost.inputTokens, completion: cost.outputTokens }).toEqual({
    prompt: after.tokens.prompt - before.tokens.prompt,
    completion: after.tokens.completion - before.tokens.completion,
  });
  expect(await machine.store.listKeys('oracle-batches/open/')).toEqual([]);
}

const struck = (kind: 'lost-reply' | 'hang') => async () => {
  await until(`the fault ${kind}`, async () => ((await oracle.stats()).faults[kind] ?? 0) > 0);
};

test.each([
  ['openai', 'POST /v1/batches'],
  ['anthropic', 'POST /v1/messages/batches'],
])('%s: at submit, between the acceptance and our record of it', async (provider, route) => {
  const seen = (await oracle.stats()).faults['lost-reply'] ?? 0;
  await oracle.faults({ kind: 'lost-reply', next: 1, route });
  await distil(provider, () =>
    until('the submission', async () => ((await oracle.stats()).faults['lost-reply'] ?? 0) > seen),
  );
});

test('at poll', async () => {
  await oracle.faults({ kind: 'hang', next: 1, route: 'GET /v1/batches/' });
  await distil('openai', struck('hang'));
});

test('at harvest, while the results come in', async () => {
  const seen = (await oracle.stats()).faults.hang ?? 0;
  await oracle.faults({ kind: 'hang', next: 1, route: 'GET /v1/files/' });
  await distil('openai', () =>
    until('the harvest', async () => ((await oracle.stats()).faults.hang ?? 0) > seen),
  );
});

test('at settle, after the answers are stored and before the record is closed', async () => {
  await writeFile(
    join(plans, 'plan.json'),
    JSON.stringify({ id: 'settle', point: 'put\\.before:.*oracle-batches/settled', nth: 1 }),
  );
  await oracle.faults();
  await distil('openai', () => until('the settlement', () => existsSync(join(plans, 'settle.reached'))));
});
