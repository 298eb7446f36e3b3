/** Jobs whose updates stay in one run of a graph, as on CUDA, as processes on the CPU. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { EngineEvent, StepMetrics, TrainingJob } from '../../engine/job.js';
import { grpoJob, result, rewardJob, runProcess, runWithKills, supervisedJob } from './support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'looped-'));
afterAll(() => rmSync(root, { recursive: true }));

const lora = { rank: 4, alpha: 8, targets: ['q_proj' as const, 'down_proj' as const] };
type Change = { updatesPerRun?: number };

const cases: [string, (dir: string, change: Change) => TrainingJob][] = [
  ['SFT of all weights', supervisedJob],
  [
    'SFT of adapters',
    (dir, change) => supervisedJob(dir, { model: grpoJob(join(root, 'start')).model, lora, ...change }),
  ],
  ['GRPO of all weights', grpoJob],
  ['GRPO of adapters', (dir, change) => grpoJob(dir, { lora, ...change })],
  ['GSPO of adapters', (dir, change) => grpoJob(dir, { lora, objective: 'gspo', ...change })],
  ['a reward model', rewardJob],
];

function metricsOf({ outputDir }: TrainingJob): StepMetrics[] {
  const lines = readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as StepMetrics);
}

async function run(job: TrainingJob): Promise<TrainingJob> {
  const end = await runProcess(job, job.outputDir);
  expect(end, end.stderr).toMatchObject({ code: 0 });
  return job;
}

describe.each(cases)('%s', (name, make) => {
  const job = (change: Change, dir: string): TrainingJob => make(join(root, `${name} ${dir}`), change);

  let single: Promise<TrainingJob> | undefined;
  /** One update a run, on the device. Both tests look at it, whichever comes first. */
  const updatedSingly = () => (single ??= run(job({ updatesPerRun: 1 }, 'single')));

  it('gives the same bytes however many updates go together, and where it is killed and resumed', async () => {
    const done = result((await updatedSingly()).outputDir);
    const killed = job({ updatesPerRun: 4 }, 'killed');
    const at5 = (event: EngineEvent) => event.type === 'progress' && event.metrics.step === 5;
    expect(await runWithKills(killed, killed.outputDir, [at5])).toBe(1);
    expect(result(killed.outputDir)).toEqual(done);
  });

  it('reports the figures of updates on the host', async () => {
    const [host, device] = [await run(job({}, 'host')), await updatedSingly()];
    const [there, here] = [metricsOf(host), metricsOf(device)];
    expect(here).toHaveLength(there.length);
    // Rows of other lengths are summed in another order, so only the first step is the same but for rounding.
    const { seconds: _, ...first } = there[0]!;
    for (const key of Object.keys(first)) expect(here[0], key).toHaveProperty(key);
    for (const [key, value] of Object.entries(first))
      expect(here[0]![key as keyof StepMetrics], key).toBeCloseTo(value, 4);
  });
});
