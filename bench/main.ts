/**
 * `npm run bench -- NAME [PART ...] [--json]`: one benchmark, its figures as text or JSON; the JSON is kept in
 * `.rmr1/bench/NAME.json` too.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { homeFromEnvironment } from '../infra/local/home.js';
import type { BenchResult } from './result.js';

const BENCHMARKS: Record<
  string,
  { about: string; load: () => Promise<{ run: (parts: string[]) => Promise<BenchResult[]> }> }
> = {
  tax: {
    about: 'training stages with Temporal, S3 and checkpoints against the bare engine (goal ≤ 1.03)',
    load: () => import('./tax.js'),
  },
  sft: {
    about:
      'SFT steps against torch eager (goal >= 1.3), torch.compile and TRL, and their share of the GEMM rate (goal >= 0.9); parts: 4.5m 135m',
    load: () => import('./sft.js'),
  },
  grpo: {
    about: 'GRPO steps against TRL (goal >= 4); parts: 4.5m 135m',
    load: () => import('./grpo.js'),
  },
  decode: {
    about:
      'generation against HF generate (goal >= 2.5), llama.cpp (goal >= 2 at batch 16), transformers.js, and with refilling against without; parts: refill 4.5m 135m, or one batch size, as 135m-16',
    load: () => import('./decode.js'),
  },
  memory: {
    about:
      'peak memory of both sides of sft, grpo and decode (goal for 135M with adapters <= 1,500 MiB at <= 1.25 x the time); parts: sft-135m sft-4.5m grpo-4.5m decode-135m',
    load: () => import('./memory.js'),
  },
  score: {
    about: '`rmr1 score` on 40,000 verdicts (goal < 1 s)',
    load: () => import('./score.js'),
  },
  parity: {
    about:
      'forward passes, training runs and exports against transformers, peft, TRL and onnxruntime; parts: forward training reward onnx (goal <= 1e-4; makes a Python environment)',
    load: () => import('./parity.js'),
  },
  recovery: {
    about: 'from the kill of a worker to the next training step',
    load: () => import('./recovery.js'),
  },
  oracle: {
    about:
      'distillation at 64 in flight against a bare loop of the openai client (goal >= 0.95); 100,000 pairs',
    load: () => import('./oracle.js'),
  },
  'less-oracle': {
    about: 'accuracy of the final judge against oracle calls, seven ways of asking less (an hour)',
    load: () => import('./less-oracle.js'),
  },
  quickstart: {
    about: 'wall time by stage and peak memory of each process',
    load: () => import('./quickstart.js'),
  },
  startup: {
    about: '`rmr1 --help` (goal <= 0.3 s) and a worker until it polls (goal <= 3 s); parts: help worker',
    load: () => import('./startup.js'),
  },
  evaluate: {
    about: '`evaluate` against a bare loop on the same endpoint, in items per second (goal >= 0.95)',
    load: () => import('./evaluate.js'),
  },
  scale: {
    about: 'what runs of 32B take with 8,700 and 800,000 pairs, computed by formula (docs/scale.md)',
    load: () => import('./scale.js'),
  },
  ray: {
    about:
      'a stage on Ray under supervision against the same job submitted by hand (goal <= 1.02), uploads of checkpoints, standstill after each kill; parts: supervision uploads kills',
    load: () => import('./ray.js'),
  },
  serve: {
    about: 'served judgements per second, 16 clients against one at a time (goal >= 4), with latencies',
    load: () => import('./serve.js'),
  },
};

async function main(args: string[]): Promise<number> {
  const json = args.includes('--json');
  const [name, ...parts] = args.filter((argument) => !argument.startsWith('--'));
  const benchmark = name === undefined ? undefined : BENCHMARKS[name];
  if (!benchmark) {
    const list = Object.entries(BENCHMARKS).map(([key, { about }]) => `  ${key.padEnd(12)}${about}`);
    console.error(`Usage: npm run bench -- NAME [PART ...] [--json]\n\n${list.join('\n')}`);
    return args.includes('--help') ? 0 : 2;
  }
  const results = await (await benchmark.load()).run(parts);
  const text = JSON.stringify(results.length === 1 ? results[0] : results, null, 2);
  const kept = join(homeFromEnvironment(), 'bench');
  mkdirSync(kept, { recursive: true });
  writeFileSync(join(kept, `${name}.json`), `${text}\n`);
  if (json) console.log(text);
  else for (const result of results) console.log(describe(result));
  return results.some(({ met }) => met === false) ? 1 : 0;
}

function describe({
  name,
  case: which,
  ours,
  peer,
  ratio,
  goal,
  met,
  unit,
  runs,
  peakMiB,
  machine,
}: BenchResult): string {
  const figures = [`ours ${round(ours)} ${unit}`];
  if (peer !== null) figures.push(`peer ${round(peer)} ${unit}`);
  if (ratio !== null) figures.push(`ratio ${ratio.toFixed(3)}`);
  if (goal !== null) figures.push(`goal ${goal}${met === false ? ' MISSED' : ''}`);
  if (peakMiB?.ours !== undefined && peakMiB.peer !== undefined)
    figures.push(`peak memory ${peakMiB.ours.toFixed(0)} and ${peakMiB.peer.toFixed(0)} MiB`);
  const of = name === 'parity' ? 'largest' : 'median';
  return `${name}${which ? ` (${which})` : ''}: ${figures.join(', ')}; ${of} of ${runs.ours.length}; ${machine}`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(4);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    // A missing peer has a code of its own: nothing was measured, nothing is broken.
    process.exit((error as { exitCode?: number }).exitCode ?? 1);
  },
);
