/** A reward model trained through Temporal and S3, killed on the way, and judging a benchmark from the command line. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import { generateWorld } from '../../world/index.js';
import { runCommand } from '../support/command.js';
import { TestMachine } from '../support/machine.js';
import { until } from '../support/until.js';
import { TINY } from '../support/tiny-recipe.js';

let host: TestMachine;
let dir: string;

beforeAll(async () => {
  host = await TestMachine.start();
  dir = await mkdtemp(join(tmpdir(), 'rmr1-reward-'));
});
afterAll(async () => {
  await host?.stop();
  await rm(dir, { recursive: true, force: true });
});

const input = () => ({
  recipe: 'quickstart',
  // Nobody listens there: a reward model asks no oracle.
  oracle: { baseUrl: 'http://127.0.0.1:1/v1' },
  overrides: {
    ...TINY,
    // Sixteen steps an epoch.
    'data.world': { train: 256, validation: 8, test: 8, matrix: 1 },
    'reward.epochs': 5,
    'reward.checkpointEverySteps': 2,
  },
});

it('goes on from its checkpoint after the worker was killed, and judges with `rmr1 evaluate --judge scalar`', async () => {
  await host.startWorker();
  const run = await host.start('reward', input(), 'reward-killed');
  const part = await until('a part of a checkpoint', async () =>
    (await host.store.listKeys('checkpoints/')).find((key) => key.includes('/step-')),
  );
  await host.checkpointFrom(part.split('/')[1]!, 2);
  host.killWorker();
  await host.startWorker();
  const killed = (await run.result()) as unknown as StageOutcome;
  expect(killed).toMatchObject({ stage: 'reward', reused: false, metrics: { steps: 80 } });
  expect(killed.metrics['accuracy']).toBeGreaterThan(0.5);
  const fence = (await host.store.getJson(`checkpoints/${killed.key}/fence.json`))!.value as {
    claims: { from: { step: number } | null }[];
  };
  expect(fence.claims.at(-1)!.from!.step).toBeGreaterThanOrEqual(2);

  const { test: pairs } = generateWorld({ seed: 9, train: 1, validation: 1, test: 40 });
  const lines = pairs.map(({ conversation, chosen, rejected }, id) =>
    JSON.stringify({ id, subset: 'alpacaeval-easy', prompt: conversation.at(-1)!.content, chosen, rejected }),
  );
  const data = join(dir, 'filtered.jsonl');
  await writeFile(data, `${lines.join('\n')}\n`);
  const args = [
    '--benchmark',
    'rewardbench',
    '--data',
    data,
    '--judge',
    'scalar',
    '--model',
    'reward-killed',
  ];
  const judged = await runCommand(['evaluate', ...args, '--json'], host.environment());
  expect(judged.code, judged.stderr).toBe(0);
  const { results } = JSON.parse(judged.stdout.trim().split('\n').at(-1)!) as {
    results: { files: { verdicts: string }; scores: { score: { items: number } } }[];
  };
  expect(results[0]!.scores.score.items).toBe(40);
  const [header, first] = (await readFile(results[0]!.files.verdicts, 'utf8')).split('\n');
  expect(JSON.parse(header!)).toMatchObject({ protocol: { judge: { kind: 'local-scalar' } } });
  const { scores } = JSON.parse(first!) as { scores: [number, number] };
  expect(scores.every(Number.isFinite)).toBe(true);
});
