/**
 * One SFT optimiser step (forward, backward, clipping, AdamW; float32) of our engine against eager PyTorch with
 * SDPA and fused AdamW: same shapes, same threads, rounds of both in turn, medians.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { SupervisedBatch } from '../engine/model/batch.js';
import { initializeParameters } from '../engine/model/initialize.js';
import type { DecoderConfig } from '../engine/model/parameters.js';
import { parameterLayout } from '../engine/model/parameters.js';
import { TrainingRuntime } from '../engine/model/runtime.js';
import { type BenchResult, machine, median, versions } from './result.js';
import { PeerMissingError, TorchPeer } from './sft-peer.js';

const THREADS = Math.min(2, availableParallelism());
const ROUNDS = 7;
const COMMON = { maxLength: 1_024, ropeTheta: 10_000, normEpsilon: 1e-5, tieEmbeddings: true };

interface Case {
  name: string;
  config: DecoderConfig;
  batch: number;
  length: number;
  /** Steps a round: a second or more. */
  steps: number;
}
const CASES: Case[] = [
  {
    name: '0.36M parameters, batch 16 × 96',
    config: {
      ...COMMON,
      hiddenSize: 96,
      layers: 3,
      heads: 3,
      kvHeads: 3,
      intermediateSize: 256,
      vocabSize: 304,
    },
    batch: 16,
    length: 96,
    steps: 20,
  },
  {
    name: '4.5M parameters, batch 8 × 512',
    config: {
      ...COMMON,
      hiddenSize: 256,
      layers: 4,
      heads: 4,
      kvHeads: 4,
      intermediateSize: 1_024,
      vocabSize: 1_024,
    },
    batch: 8,
    length: 512,
    steps: 2,
  },
];

/** @throws `PeerMissingError` where there is no PyTorch to compare with */
export async function run(): Promise<BenchResult[]> {
  const peer = await TorchPeer.start();
  try {
    const results: BenchResult[] = [];
    for (const which of CASES) results.push(await compare(which, peer));
    return results;
  } finally {
    peer.stop();
  }
}

async function compare(which: Case, peer: TorchPeer): Promise<BenchResult> {
  const layout = parameterLayout(which.config);
  const { parameters, torch } = await peer.prepare({ ...which, threads: THREADS });
  if (parameters !== layout.size)
    throw new Error(`models differ: ${layout.size} parameters here, ${parameters} there`);
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, gradClip: 1 };
  const runtime = await TrainingRuntime.create(layout, initializeParameters(layout, 1), {
    threads: THREADS,
    optimizer,
  });
  const batch = randomBatch(which);
  const steps = async (count: number): Promise<number> => {
    const began = performance.now();
    for (let i = 0; i < count; i += 1) {
      await runtime.gradSupervised(batch, which.batch * which.length);
      await runtime.applyAdamW(1e-3);
    }
    return (performance.now() - began) / 1_000;
  };
  await steps(2);
  const tokens = which.batch * which.length * which.steps;
  const runs = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    runs.ours.push(tokens / (await steps(which.steps)));
    runs.peer.push(tokens / (await peer.steps(which.steps)));
  }
  await runtime.release();
  return {
    name: 'sft',
    case: `${which.name}, ${THREADS} threads`,
    ratio: median(runs.ours.map((rate, round) => rate / runs.peer[round]!)),
    goal: 1,
    ours: median(runs.ours),
    peer: median(runs.peer),
    unit: 'tokens/s',
    runs,
    machine: machine(),
    versions: versions({ torch }),
  };
}

/** Tokens spread over the vocabulary; every token after the first of a row is learned from. */
function randomBatch({ config, batch, length }: Case): SupervisedBatch {
  const width = length + 1;
  const tokens = new Int32Array(batch * width);
  for (let i = 0; i < tokens.length; i += 1)
    tokens[i] = (Math.imul(i + 1, 0x9e3779b1) >>> 8) % config.vocabSize;
  const weights = new Float32Array(batch * width).fill(1);
  for (let row = 0; row < batch; row += 1) weights[row * width] = 0;
  return { rows: batch, length: width, tokens, weights };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  run().then(
    (results) => console.log(JSON.stringify(results, null, 2)),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = error instanceof PeerMissingError ? error.exitCode : 1;
    },
  );
}
