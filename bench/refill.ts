/**
 * Generation with the places of finished rows filled again, against batches that run to their end: completions of very
 * different lengths from random weights. Both give the same tokens.
 */
import { hashId } from '../engine/data/random.js';
import { initializeParameters } from '../engine/model/initialize.js';
import { parameterLayout } from '../engine/model/parameters.js';
import { Decoder, type GenerationSettings } from '../engine/rollout/decoder.js';
import { type BenchResult, machine, median, versions } from './result.js';

const THREADS = 2;
const ROUNDS = 5;
const VOCABULARY = 1_000;
/** Tokens that end a completion: about 50 tokens on average, few near the limit. */
const STOPS = Array.from({ length: 20 }, (_, i) => VOCABULARY - 1 - i);

interface Case {
  name: string;
  hiddenSize: number;
  layers: number;
  heads: number;
  intermediateSize: number;
  prompts: number;
  batchSize: number;
}
const CASES: Case[] = [
  {
    name: '0.4M parameters',
    hiddenSize: 96,
    layers: 3,
    heads: 3,
    intermediateSize: 256,
    prompts: 512,
    batchSize: 64,
  },
  {
    name: '4.5M parameters',
    hiddenSize: 256,
    layers: 4,
    heads: 4,
    intermediateSize: 1_024,
    prompts: 128,
    batchSize: 32,
  },
];

export async function refill(): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const which of CASES) results.push(await compare(which));
  return results;
}

/** @throws where the two do not give the same tokens */
async function compare({ name, prompts: count, batchSize, ...shape }: Case): Promise<BenchResult> {
  const layout = parameterLayout({
    ...shape,
    kvHeads: shape.heads,
    maxLength: 384,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    tieEmbeddings: true,
    vocabSize: VOCABULARY,
  });
  const parameters = initializeParameters(layout, 1);
  const prompts = Array.from({ length: count }, (_, i) => ({
    tokens: Array.from({ length: 40 + ((i * 17) % 60) }, (_, t) => (i * 31 + t * 7) % 900),
    key: hashId(`${i}`),
  }));
  const settings: GenerationSettings = {
    samples: 1,
    temperature: 1,
    maxNewTokens: 256,
    batchSize,
    seed: 1,
    step: 0,
    stops: STOPS,
  };
  const decoder = new Decoder({ layout }, THREADS);
  const generate = (refill: boolean) => decoder.generate({ parameters }, prompts, { ...settings, refill });
  const expected = await generate(true);
  const tokens = expected.reduce((sum, completion) => sum + completion.tokens.length, 0);
  (await generate(false)).forEach((completion, i) => {
    if (completion.tokens.join() !== expected[i]!.tokens.join())
      throw new Error(`completion ${i} depends on the batch`);
  });
  const timed = async (refill: boolean): Promise<number> => {
    const began = performance.now();
    await generate(refill);
    return (tokens * 1_000) / (performance.now() - began);
  };
  const runs = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    runs.ours.push(await timed(true));
    runs.peer.push(await timed(false));
  }
  await decoder.release();
  const longest = Math.max(...expected.map((completion) => completion.tokens.length));
  return {
    name: 'decode',
    case: `refill against batches of ${batchSize} to their end, ${name}; ${count} completions of ${Math.round(tokens / count)} tokens on average, ${longest} at most`,
    ratio: median(runs.ours.map((rate, i) => rate / runs.peer[i]!)),
    goal: null,
    ours: median(runs.ours),
    peer: median(runs.peer),
    unit: 'tokens/s',
    runs,
    machine: machine(),
    versions: versions(),
  };
}
