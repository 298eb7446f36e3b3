/** What training on GPUs will take, shown before it starts. */
import { present, type Pair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import type { Recipe } from '../../recipes/schema.js';
import { judgeServerOf } from '../../recipes/judge-server.js';
import { studentSamples } from '../../recipes/self-taught.js';
import { ASSUMED_SHARES, H100, worldSize } from '../../recipes/sizing/accelerator.js';
import {
  ASSUMED_LENGTHS,
  estimateTraining,
  type Lengths,
  type StageEstimate,
} from '../../recipes/sizing/estimate-training.js';

const BYTES_PER_TOKEN = 4;

/** The estimate as lines for people; undefined where the recipe does not train on GPUs. */
export function trainingText(recipe: Recipe, data?: readonly Pair[]): string | undefined {
  const lengths =
    data && data.length > 0 ? { ...ASSUMED_LENGTHS, prompt: meanPrompt(recipe, data) } : undefined;
  const estimate = estimateTraining(recipe, {
    ...(lengths ? { lengths } : {}),
    ...(data ? { pairs: data.length } : {}),
  });
  if (!estimate) return unknown(recipe);
  const { cluster, stages, parameters, gpuHours, atMostGpuHours } = estimate;
  const rows = stages.map(cells);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return [
    `Training ${(parameters / 1e9).toFixed(1)} billion parameters on ${cluster.nodes} × ${cluster.gpusPerNode} ${H100.name} ` +
      `(${worldSize(cluster)} GPUs), as estimated:`,
    ...rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd()),
    `  Together ${hours(gpuHours)} GPU hours; ${hours(atMostGpuHours)} if every text were as long as the recipe allows.`,
    ...judging(recipe),
    `  ${assumptions(lengths ?? ASSUMED_LENGTHS, lengths !== undefined)}`,
  ].join('\n');
}

/** What is needed beside training; how long it takes depends on items that are not counted here. */
function judging(recipe: Recipe): string[] {
  const server = judgeServerOf(recipe);
  if (!server) return [];
  const { gpus, maxModelLen } = server;
  const where = gpus === 0 ? 'CPUs' : `${gpus} GPU${gpus > 1 ? 's' : ''} of one node`;
  const models = recipe.evaluate.stages.join(', ');
  const student = studentSamples(recipe) === undefined ? '' : ", and for the student's samples";
  return [
    `  Judging: vLLM on ${where}, up to ${count(maxModelLen)} tokens, for ${models} one after the other${student}; not in the sum.`,
  ];
}

function unknown({ engine, ray }: Recipe): string | undefined {
  if (engine !== 'ray' || !ray || worldSize(ray) === 0) return undefined;
  return 'GPU hours and memory are not estimated: the size of this base model is not known before it is fetched.';
}

function cells({ stage, steps, trainedTokens, writtenTokens, gpuHours, hours: wall, memory }: StageEstimate) {
  return [
    stage,
    `${count(steps)} steps`,
    `${millions(trainedTokens)} tokens trained`,
    writtenTokens > 0 ? `${millions(writtenTokens)} written` : '',
    `${hours(gpuHours)} GPU hours`,
    `${hours(wall)} h`,
    `${gigabytes(memory.bytes)} of ${gigabytes(H100.memoryBytes)} a GPU`,
  ];
}

function assumptions({ prompt, response }: Lengths, counted: boolean): string {
  const { training, decoding } = ASSUMED_SHARES;
  return (
    `Assumed: judgements of ${response} tokens, prompts of ${count(Math.round(prompt))}${counted ? ' (as in the data)' : ''}, ` +
    `${training * 100} % of the peak in training and ${decoding * 100} % of the memory bandwidth in rollouts. ` +
    'No figure was measured: checkpoints, start-up and waiting come on top.'
  );
}

/** Tokens of the prompt a judge reads, on average, at the usual bytes a token. */
function meanPrompt({ promptVersion }: Recipe, data: readonly Pair[]): number {
  let bytes = 0;
  for (const pair of data)
    for (const { content } of buildPrompt(promptVersion, present(pair, 'A')))
      bytes += Buffer.byteLength(content);
  return bytes / BYTES_PER_TOKEN / data.length;
}

function millions(tokens: number): string {
  return `${(tokens / 1e6).toFixed(1)}M`;
}

function hours(value: number): string {
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en-US');
}

function gigabytes(bytes: number): string {
  return `${Math.round(bytes / 1e9)} GB`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
