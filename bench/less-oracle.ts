/**
 * What a judge is worth against what its oracle was asked: the quickstart with fewer pairs, a cheaper model first, the
 * student first, and no oracle at all. One seed, one base, each way from an empty store of answers.
 * RMR1_BENCH_SEED chooses the seed, RMR1_BENCH_WAYS some of the ways, RMR1_BENCH_PLOT a file for the plot (SVG).
 */
import { writeFile } from 'node:fs/promises';
import { TestMachine } from '../test/support/machine.js';
import { ledgerQuery } from '../workflows/messages.js';
import { type BenchResult, figure } from './result.js';
import { type Point, scatter } from './scatter.js';

const WAYS: Record<string, { name: string; overrides: Record<string, unknown> }> = {
  all: { name: 'oracle, 2,400 pairs', overrides: {} },
  cascade: { name: 'cheaper model first', overrides: { 'oracle.cascade': ['world-oracle-b'] } },
  student: { name: 'student first, 4 samples', overrides: { 'distill.studentSamples': 4 } },
  third: { name: 'oracle, 800 pairs', overrides: { 'distill.pairs': 800, 'sft.epochs': 9 } },
  tenth: { name: 'oracle, 240 pairs', overrides: { 'distill.pairs': 240, 'sft.epochs': 30 } },
  none: { name: 'no oracle, 3 rounds', overrides: { 'oracle.provider': 'none' } },
  once: { name: 'no oracle, 1 round', overrides: { 'oracle.provider': 'none', 'distill.rounds': 1 } },
};

interface Outcome extends Point {
  usd: number;
  traces: number;
  base: number;
  sft: number;
  seconds: number;
}

export async function run(): Promise<BenchResult[]> {
  const seed = Number(process.env['RMR1_BENCH_SEED'] ?? 12);
  const chosen = process.env['RMR1_BENCH_WAYS']?.split(',') ?? Object.keys(WAYS);
  const host = await TestMachine.start();
  const outcomes: Outcome[] = [];
  try {
    for (const way of chosen) {
      const outcome = await train(host, way, seed);
      outcomes.push(outcome);
      console.error(JSON.stringify(outcome));
      const plot = process.env['RMR1_BENCH_PLOT'];
      if (plot) await writeFile(plot, scatter(outcomes));
    }
  } finally {
    await host.stop();
  }
  return outcomes.flatMap((outcome) => figures(outcome, seed));
}

async function train(host: TestMachine, way: string, seed: number): Promise<Outcome> {
  const { name, overrides } = WAYS[way]!;
  // Answers that another way paid for would be free.
  await host.stopWorkers();
  for (const key of await host.store.listKeys('oracle-answers/')) await host.store.deleteJson(key);
  await host.startWorker({ RMR1_HEARTBEAT_SECONDS: '60' });
  const began = performance.now();
  const handle = await host.start('trainRewardModel', { seed, overrides }, `less-oracle-${way}`);
  const { metrics, costUsd } = await handle.result();
  const { calls } = await handle.query(ledgerQuery);
  const { stages } = await host.client.workflow
    .getHandle(handle.workflowId)
    .query<{ stages: { name: string; metrics?: Record<string, number> }[] }>('progress');
  const distilled = stages.find((stage) => stage.name === 'distill')?.metrics ?? {};
  return {
    name,
    calls,
    usd: costUsd,
    traces: distilled['traces'] ?? 0,
    base: metrics['accuracy.base'] ?? 0,
    sft: metrics['accuracy.sft'] ?? 0,
    accuracy: metrics['accuracy.grpo'] ?? 0,
    seconds: (performance.now() - began) / 1000,
  };
}

function figures({ name, calls, usd, traces, base, sft, accuracy }: Outcome, seed: number): BenchResult[] {
  const one = (what: string, value: number, unit: string) =>
    figure('less-oracle', `${name}, seed ${seed}: ${what}`, value, unit);
  return [
    one('calls', calls, 'calls'),
    one('cost', usd, 'USD'),
    one('traces', traces, 'traces'),
    one('base', 100 * base, '%'),
    one('SFT', 100 * sft, '%'),
    one('SFT + GRPO', 100 * accuracy, '%'),
  ];
}
