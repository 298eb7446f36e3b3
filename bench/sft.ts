/**
 * SFT steps (forward, backward, clipping, AdamW; float32) of the engine against PyTorch, eager and compiled, and TRL's
 * trainer, and both against the speed of matrix products on this machine.
 */
import { join } from 'node:path';
import { readModelDirectory } from '../engine/checkpoint/model-directory.js';
import { homeFromEnvironment } from '../infra/local/home.js';
import { smallModel, smollm2 } from './cases.js';
import { compare, measure, type Contest, type Measured, type Side } from './contest.js';
import { trainingFlops } from './flops.js';
import { parityPython } from './parity/python.js';
import { type BenchResult, machine, median, versions } from './result.js';

const THREADS = 2;
const GEMM_SIZE = 2_048;

interface Case {
  part: string;
  name: string;
  model: () => string | Promise<string>;
  batch: number;
  length: number;
  lora?: { rank: number; alpha: number };
  /** Steps a round. */
  work: number;
  rounds: number;
}
/** By part: the small model whole, SmolLM2 with adapters. */
export const SFT_CASES: Case[] = [
  {
    part: '4.5m',
    name: '4.5M parameters, batch 8 × 512',
    model: () => smallModel(join(homeFromEnvironment(), 'bench', 'small-model')),
    batch: 8,
    length: 512,
    work: 2,
    rounds: 7,
  },
  {
    part: '135m',
    name: 'SmolLM2-135M, LoRA r16, batch 2 × 512',
    model: smollm2,
    batch: 2,
    length: 512,
    lora: { rank: 16, alpha: 32 },
    work: 1,
    rounds: 5,
  },
];

/** @param parts which of the cases; all of them otherwise */
export async function run(parts: readonly string[] = []): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const which of SFT_CASES.filter(({ part }) => parts.length === 0 || parts.includes(part)))
    results.push(...(await compareCase(which)));
  if (results.length === 0)
    throw new Error(`sft has the parts ${SFT_CASES.map(({ part }) => part).join(', ')}`);
  return results;
}

/** The contest of a case; `bench memory` runs it too. */
export async function sftContest(which: Case): Promise<Contest> {
  const python = parityPython((message) => process.stderr.write(`${message}\n`));
  const { batch, length, lora } = which;
  const request = { kind: 'sft', threads: THREADS, model: await which.model(), batch, length, lora };
  const torch = { python, script: 'peer/sft_torch.py' };
  return {
    name: 'sft',
    case: `${which.name}, ${THREADS} threads`,
    sides: [
      { name: 'ours', script: 'ours.js', request },
      { name: 'torch eager', ...torch, request, goal: 1.3 },
      { name: 'torch.compile', ...torch, request: { ...request, compile: true } },
      { name: 'TRL', python, script: 'peer/train_trl.py', request },
    ],
    work: which.work,
    amount: batch * length,
    unit: 'tokens/s',
    rounds: which.rounds,
  };
}

async function compareCase(which: Case): Promise<BenchResult[]> {
  const contest = await sftContest(which);
  const [ours, eager] = contest.sides as [Side, Side];
  const gemm = {
    request: { kind: 'gemm', threads: THREADS, size: GEMM_SIZE },
    apart: { work: 4, amount: 2 * GEMM_SIZE ** 3 },
  };
  const products = [
    { ...ours, ...gemm, name: 'products by onnxruntime' },
    { ...eager, ...gemm, name: 'products by torch' },
  ];
  const measured = await measure({ ...contest, sides: [...contest.sides, ...products] });
  const others = measured.slice(1).filter(({ side }) => !side.apart);
  const results = compare(contest, measured);
  const reference = measured.filter(({ side }) => side.apart);
  const flops = await flopsPerToken(which, measured[0]!.prepared.trained);
  return [
    ...results,
    share(contest, measured[0]!, reference, flops),
    ...others.map((other) => share(contest, other, reference, flops)),
  ];
}

async function flopsPerToken(which: Case, trained: number | undefined): Promise<number> {
  const { config } = readModelDirectory(await which.model()).layout;
  return trainingFlops(config, which.length, which.lora ? trained : undefined);
}

/** What a side's step needs of arithmetic, against what the faster of two libraries does of it in products alone. */
function share(contest: Contest, side: Measured, references: Measured[], flops: number): BenchResult {
  const best = references[0]!.rates.map((_, round) =>
    Math.max(...references.map(({ rates }) => rates[round]!)),
  );
  const own = side.rates.map((rate) => (rate * flops) / 1e9);
  const peer = best.map((rate) => rate / 1e9);
  const ratio = median(own.map((rate, round) => rate / peer[round]!));
  const mine = side.side.name === 'ours';
  return {
    name: 'sft',
    case: `${contest.case}, ${side.side.name}: share of products of ${GEMM_SIZE} × ${GEMM_SIZE} matrices`,
    ratio,
    goal: mine ? 0.9 : null,
    ...(mine ? { met: ratio >= 0.9 } : {}),
    ours: median(own),
    peer: median(peer),
    unit: 'Gflop/s',
    runs: { ours: own, peer },
    machine: machine(),
    versions: versions(),
  };
}
