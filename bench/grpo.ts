/** GRPO steps (rollouts, rewards, reference, gradient, update) of the engine against TRL's trainer. */
import { join } from 'node:path';
import { homeFromEnvironment } from '../infra/local/home.js';
import { smallModel, smollm2, words } from './cases.js';
import { compare, measure, type Contest } from './contest.js';
import { parityPython } from './parity/python.js';
import type { BenchResult } from './result.js';

const THREADS = 2;

interface Case {
  part: string;
  name: string;
  model: () => string | Promise<string>;
  prompts: string[];
  group: number;
  newTokens: number;
  lora?: { rank: number; alpha: number };
  rounds: number;
}

/** English, so that a real model does not read it letter by letter. */
const QUESTION =
  'Which of the two answers is better, and why? Compare them with care and then give a verdict. ';

export const GRPO_CASES: Case[] = [
  {
    part: '4.5m',
    name: '4.5M parameters, 8 prompts × 8 rollouts, 64 + 128 tokens',
    model: () => smallModel(join(homeFromEnvironment(), 'bench', 'small-model')),
    prompts: Array.from({ length: 8 }, (_, i) => words(64, i)),
    group: 8,
    newTokens: 128,
    rounds: 5,
  },
  {
    part: '135m',
    name: 'SmolLM2-135M, LoRA r16, 2 prompts × 8 rollouts, 64 new tokens',
    model: smollm2,
    prompts: Array.from({ length: 2 }, () => QUESTION.repeat(4).trim()),
    group: 8,
    newTokens: 64,
    lora: { rank: 16, alpha: 32 },
    rounds: 3,
  },
];

/** @param parts which of the cases; all of them otherwise */
export async function run(parts: readonly string[] = []): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const which of GRPO_CASES.filter(({ part }) => parts.length === 0 || parts.includes(part))) {
    const contest = await grpoContest(which);
    results.push(...compare(contest, await measure(contest)));
  }
  if (results.length === 0)
    throw new Error(`grpo has the parts ${GRPO_CASES.map(({ part }) => part).join(', ')}`);
  return results;
}

/** The contest of a case; `bench memory` runs it too. */
export async function grpoContest(which: Case): Promise<Contest> {
  const python = parityPython((message) => process.stderr.write(`${message}\n`));
  const { prompts, group, newTokens, lora } = which;
  const model = await which.model();
  const request = {
    kind: 'grpo',
    threads: THREADS,
    model,
    prompts,
    group,
    newTokens,
    lora,
    klCoefficient: 0.04,
  };
  return {
    name: 'grpo',
    case: `${which.name}, ${THREADS} threads`,
    sides: [
      { name: 'ours', script: 'ours.js', request },
      { name: 'TRL', python, script: 'peer/train_trl.py', request, goal: 4 },
    ],
    work: 1,
    amount: 1,
    unit: 'steps/s',
    rounds: which.rounds,
  };
}
