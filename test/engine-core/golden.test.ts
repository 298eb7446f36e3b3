import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { LoraSettings, OptimizerSettings } from '../../engine/job.js';
import { adapterLayout } from '../../engine/model/adapter.js';
import type { GrpoBatch, SupervisedBatch } from '../../engine/model/batch.js';
import type { DecoderConfig } from '../../engine/model/parameters.js';
import { parameterLayout, view } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { goldenParameters, relativeError } from './golden-parameters.js';

interface GoldenCase {
  name: string;
  config: DecoderConfig;
  tokens: number[][];
  weights: number[][];
  segments?: number[][];
  temperature: number;
  loss: number;
  kl?: number;
  clipShare?: number;
  logprobs: number[][];
  gradients: Record<string, number[]>;
  lora?: LoraSettings;
  grpo?: {
    objective?: string;
    advantages: number[];
    clip: number;
    clipHigh?: number;
    klCoefficient: number;
    old: number[][];
    ref: number[][];
  };
  adamw?: {
    settings: Omit<OptimizerSettings, 'schedule' | 'warmupSteps' | 'flatShare' | 'finalShare'>;
    norms: number[];
    params: Record<string, number[]>;
  };
}
const golden = JSON.parse(readFileSync(new URL('golden/golden.json', import.meta.url), 'utf8')) as {
  cases: GoldenCase[];
};

function batchOf(c: GoldenCase): SupervisedBatch {
  const [rows, length] = [c.tokens.length, c.tokens[0]!.length];
  const segments = c.segments && { segments: Int32Array.from(c.segments.flat()) };
  return {
    rows,
    length,
    tokens: Int32Array.from(c.tokens.flat()),
    weights: Float32Array.from(c.weights.flat()),
    ...segments,
  };
}

// float32 against double: rounding is 6e-8 an operation; gradients pass through some hundred of them.
const TOLERANCE = 5e-6;

async function gradient(
  runtime: TrainingRuntime,
  c: GoldenCase,
): Promise<{ loss: number; kl?: number; clipShare?: number }> {
  const batch = batchOf(c);
  const total = batch.weights.reduce((a, b) => a + b, 0);
  if (!c.grpo) return runtime.gradSupervised(batch, total);
  const grpo: GrpoBatch = {
    ...batch,
    advantages: Float32Array.from(c.grpo.advantages),
    oldLogprobs: Float32Array.from(c.grpo.old.flat()),
    refLogprobs: Float32Array.from(c.grpo.ref.flat()),
  };
  const settings = { ...c.grpo, temperature: c.temperature };
  return c.grpo.objective === 'gspo'
    ? runtime.gradGspo(grpo, { tokens: total, sequences: batch.rows }, settings)
    : runtime.gradGrpo(grpo, total, settings);
}

/** A runtime for the case: the whole decoder, or its adapters on frozen weights; with every layer computed twice or not. */
function runtimeOf(c: GoldenCase, recompute: boolean): Promise<TrainingRuntime> {
  const layout = parameterLayout(c.config);
  const options = { threads: 1, recompute };
  if (!c.lora) return TrainingRuntime.create(layout, goldenParameters(layout), options);
  const adapter = { layout: adapterLayout(layout, c.lora), frozen: goldenParameters(layout) };
  return TrainingRuntime.create(layout, goldenParameters(adapter.layout), { ...options, adapter });
}

describe.each(golden.cases.map((c) => [c.name, c] as const))('%s agrees with PyTorch', (_, c) => {
  it.each([false, true])('in loss, log-probabilities and every gradient; recompute %s', async (recompute) => {
    const runtime = await runtimeOf(c, recompute);
    const layout = runtime.trained;
    const part = await gradient(runtime, c);
    expect(part.loss).toBeCloseTo(c.loss, 5);
    if (c.grpo) {
      expect(part.kl).toBeCloseTo(c.kl!, 5);
      expect(part.clipShare).toBeCloseTo(c.clipShare!, 5);
      expect(c.clipShare, 'the case must clip some tokens and not others').toBeGreaterThan(0);
      expect(c.clipShare).toBeLessThan(1);
    }
    expect(Object.keys(c.gradients).sort()).toEqual(layout.entries.map((entry) => entry.name).sort());
    for (const entry of layout.entries) {
      const error = relativeError(view(runtime.gradient, entry), c.gradients[entry.name]!);
      expect(error, entry.name).toBeLessThan(TOLERANCE);
    }
    const logprobs = await runtime.logprobs(batchOf(c), { temperature: c.temperature });
    const rows = c.logprobs.map((row) => [0, ...row]);
    expect(relativeError(logprobs, rows.flat())).toBeLessThan(TOLERANCE);
    await runtime.release();
  });
});

const updated = golden.cases.filter((c) => c.adamw);

it.each(updated.map((c) => [c.name, c] as const))(
  '%s agrees with PyTorch after three clipped AdamW updates',
  async (_, c) => {
    const { settings, norms, params } = c.adamw!;
    const layout = parameterLayout(c.config);
    const runtime = await TrainingRuntime.create(layout, goldenParameters(layout), {
      threads: 1,
      optimizer: settings,
    });
    expect(Math.max(...norms)).toBeGreaterThan(settings.gradClip);
    for (const norm of norms) {
      await gradient(runtime, c);
      const { gradNorm } = await runtime.applyAdamW(settings.learningRate);
      expect(Math.abs(gradNorm / norm - 1)).toBeLessThan(1e-4);
    }
    expect(runtime.state.step).toBe(3);
    for (const entry of layout.entries) {
      // Adam divides by the gradient's own size, so tiny gradients turn rounding into visible differences.
      const error = relativeError(view(runtime.state.params, entry), params[entry.name]!);
      expect(error, entry.name).toBeLessThan(1e-4);
    }
    await runtime.release();
  },
);
