import { afterAll, describe, expect, it } from 'vitest';
import { adapterLayout, initializeAdapter } from '../../engine/model/adapter.js';
import type { PreferenceBatch, SupervisedBatch, TokenBatch } from '../../engine/model/batch.js';
import { initializeParameters } from '../../engine/model/initialize.js';
import { parameterLayout, type DecoderConfig } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { trainables, type TrainedModel } from '../../engine/model/trained-model.js';
import { UpdateLoop, type Update } from '../../engine/model/update-loop.js';
import {
  grpoObjective,
  gspoObjective,
  rewardObjective,
  supervisedObjective,
} from '../../engine/model/update-objectives.js';
import type { OptimizerState } from '../../engine/optimizer/adamw.js';

const config: DecoderConfig = {
  hiddenSize: 48,
  layers: 2,
  heads: 3,
  kvHeads: 1,
  intermediateSize: 64,
  maxLength: 128,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
  vocabSize: 90,
};
const layout = parameterLayout(config);
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, gradClip: 1 };
const base = initializeParameters(layout, 5);
const adapter = adapterLayout(layout, { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'] });
const ROWS = { rows: 3, length: 65 };

const settings = (start?: Float32Array, pieces: 'any' | 'equal' = 'any') => ({
  adam: optimizer,
  least: ROWS,
  start,
  session: { threads: 1, pieces },
});

const opened: { release(): Promise<void> }[] = [];
afterAll(() => Promise.all(opened.map((one) => one.release())));

/** Two packed sequences a row; what they say depends on `seed`. */
function packed(seed: number): SupervisedBatch {
  const { rows, length } = ROWS;
  const at = <T extends Int32Array | Float32Array>(
    values: T,
    value: (row: number, t: number) => number,
  ): T => {
    values.forEach((_, i) => (values[i] = value(Math.floor(i / length), i % length)));
    return values;
  };
  const start = (row: number) => 20 + 5 * row + seed;
  return {
    ...ROWS,
    tokens: at(
      new Int32Array(rows * length),
      (row, t) => (row * 31 + t * t * 7 + t * seed) % config.vocabSize,
    ),
    segments: at(new Int32Array(rows * length), (row, t) =>
      t < start(row) ? 2 * row : t < 60 ? 2 * row + 1 : -1,
    ),
    weights: at(new Float32Array(rows * length), (row, t) => Number(t > 8 && t !== start(row) && t < 60)),
  };
}

const updates: Update<SupervisedBatch, number>[] = [2, 1, 3, 1, 2].map((count, i) => {
  const batches = Array.from({ length: count }, (_, j) => packed(i * 3 + j));
  const totalWeight = batches.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0);
  return { batches, total: totalWeight, learningRate: 1e-2 / (i + 1) };
});

function fresh(model: TrainedModel): OptimizerState {
  const params = model.adapter ? initializeAdapter(model.adapter, 9) : base.slice();
  return { params, m: new Float32Array(params.length), v: new Float32Array(params.length), step: 0 };
}

const bytes = (x: Float32Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);

describe.each<[string, TrainedModel]>([
  ['the whole model', { layout }],
  ['adapters', { layout, adapter }],
  ['adapters with recomputed layers', { layout, adapter, recompute: true }],
])('five updates in one run, training %s', (_name, model) => {
  const frozen = model.adapter ? base : undefined;

  async function looped(sizes: readonly number[], pieces: 'any' | 'equal' = 'any') {
    const loop = await UpdateLoop.create(model, supervisedObjective, settings(frozen, pieces));
    opened.push(loop);
    const state = fresh(model);
    const figures = [];
    let from = 0;
    for (const size of sizes) figures.push(...(await loop.run(state, updates.slice(from, (from += size)))));
    return { state, figures };
  }

  async function oneByOne() {
    const runtime = await TrainingRuntime.create(layout, fresh(model), {
      threads: 1,
      optimizer,
      ...(model.adapter ? { adapter: { layout: model.adapter, frozen: base } } : {}),
      ...(model.recompute ? { recompute: true } : {}),
    });
    opened.push(runtime);
    const figures = [];
    for (const { batches, total, learningRate } of updates) {
      let loss = 0;
      for (const batch of batches) loss += (await runtime.gradSupervised(batch, total)).loss;
      figures.push({ loss, ...(await runtime.applyAdamW(learningRate)) });
    }
    return { state: runtime.state, figures };
  }

  it('gives the same bits in the form for CUDA', async () => {
    const [here, there] = [await looped([2]), await looped([2], 'equal')];
    expect(there.figures).toEqual(here.figures);
    for (const key of ['params', 'm', 'v'] as const)
      expect(bytes(there.state[key]).equals(bytes(here.state[key])), key).toBe(true);
  });

  it('gives the bits of five runs, and of updates one by one', async () => {
    const [whole, apart, plain] = [await looped([5]), await looped([1, 1, 1, 1, 1]), await oneByOne()];
    expect(whole.figures).toEqual(apart.figures);
    whole.figures.forEach(({ loss, gradNorm }, i) => {
      expect(loss).toBeCloseTo(plain.figures[i]!.loss, 5);
      expect(gradNorm).toBe(plain.figures[i]!.gradNorm);
    });
    for (const key of ['params', 'm', 'v'] as const) {
      expect(bytes(whole.state[key]).equals(bytes(apart.state[key])), key).toBe(true);
      expect(bytes(whole.state[key]).equals(bytes(plain.state[key])), `${key}, one by one`).toBe(true);
    }
    expect(whole.state.step).toBe(5);
    expect(bytes(whole.state.params).equals(bytes(fresh(model).params))).toBe(false);
    expect(whole.state.params).toHaveLength(trainables(model).size);
  });
});

/** Rollouts in place of samples: what they are rewarded with and how likely they were. */
function rollouts(seed: number) {
  const batch = packed(seed);
  const { rows, length } = ROWS;
  return {
    ...batch,
    advantages: Float32Array.from(batch.segments!, (segment) => (segment % 3) - 0.8),
    oldLogprobs: Float32Array.from({ length: rows * length }, (_, i) => -4.4 - 0.3 * Math.sin(i + seed)),
  };
}

/** Both answers of a pair in the two segments of a row. */
function preferences(seed: number): PreferenceBatch {
  const { weights: _, ...batch } = packed(seed);
  const row = (i: number): number => i * ROWS.length;
  return {
    ...batch,
    at: Int32Array.from([0, 1, 2], (i) => row(i) + 20 + 5 * i + seed - 1),
    rejectedAt: Int32Array.from([0, 1, 2], (i) => row(i) + 59),
  };
}

const rlSettings = { clip: 0.2, klCoefficient: 0.04, temperature: 0.9 };

describe.each<[string, { adapter?: typeof adapter; recompute?: boolean }]>([
  ['the whole model', {}],
  ['adapters', { adapter }],
  ['adapters with recomputed layers', { adapter, recompute: true }],
])('updates on the device, training %s', (_name, change) => {
  const model: TrainedModel = { layout, ...change };

  /** The state and figures of updates in one run, and of updates by runs of their own with `grad`. */
  async function both<Batch extends TokenBatch, Total, Figure extends string>(
    trainedModel: TrainedModel,
    start: Float32Array,
    objective: Parameters<typeof UpdateLoop.create<Batch, Total, Figure>>[1],
    given: readonly Update<Batch, Total>[],
    grad: (runtime: TrainingRuntime, batch: Batch, total: Total) => Promise<unknown>,
  ) {
    const from = (): OptimizerState => {
      const fresh = trainedModel.adapter ? initializeAdapter(trainedModel.adapter, 9) : start.slice();
      return { params: fresh, m: new Float32Array(fresh.length), v: new Float32Array(fresh.length), step: 0 };
    };
    const states = [];
    const figures = [];
    for (const pieces of ['any', 'equal'] as const) {
      const loop = await UpdateLoop.create(trainedModel, objective, settings(start, pieces));
      opened.push(loop);
      const state = from();
      figures.push(await loop.run(state, given));
      states.push(state);
    }
    const runtime = await TrainingRuntime.create(trainedModel.layout, from(), {
      threads: 1,
      optimizer,
      ...(trainedModel.adapter ? { adapter: { layout: trainedModel.adapter, frozen: start } } : {}),
      ...(trainedModel.recompute ? { recompute: true } : {}),
    });
    opened.push(runtime);
    const plain = [];
    for (const { batches, total, learningRate } of given) {
      const parts = [];
      for (const batch of batches) parts.push(await grad(runtime, batch, total));
      plain.push({ parts, ...(await runtime.applyAdamW(learningRate)) });
    }
    states.push(runtime.state);
    return { states, figures, plain };
  }

  function expectSameBits(states: readonly OptimizerState[]): void {
    const last = states.at(-1)!;
    for (const state of states.slice(0, -1))
      for (const key of ['params', 'm', 'v'] as const)
        expect(bytes(state[key]).equals(bytes(last[key])), key).toBe(true);
    expect(last.m.some((value) => value !== 0)).toBe(true);
  }

  it.each(['grpo', 'gspo'] as const)(
    '%s with its reference model gives the bits of runs of its own',
    async (form) => {
      const given = [2, 1].map((count, i) => {
        const batches = Array.from({ length: count }, (_, j) => rollouts(i * 3 + j));
        const tokens = batches.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0);
        return { batches, tokens, sequences: 6 * count, learningRate: 1e-2 / (i + 1) };
      });
      const withReference = async (runtime: TrainingRuntime, batch: ReturnType<typeof rollouts>) => ({
        ...batch,
        refLogprobs: await runtime.logprobs(batch, { params: base, temperature: rlSettings.temperature }),
      });
      const { states, figures, plain } =
        form === 'grpo'
          ? await both(
              model,
              base,
              grpoObjective(rlSettings),
              given.map(({ tokens, ...rest }) => ({ ...rest, total: tokens })),
              async (runtime, batch, total) =>
                runtime.gradGrpo(await withReference(runtime, batch), total, rlSettings),
            )
          : await both(
              model,
              base,
              gspoObjective(rlSettings, 6),
              given.map(({ tokens, sequences, ...rest }) => ({ ...rest, total: { tokens, sequences } })),
              async (runtime, batch, total) =>
                runtime.gradGspo(await withReference(runtime, batch), total, rlSettings),
            );
      expectSameBits(states);
      for (const each of figures)
        each.forEach((update, i) => {
          const parts = plain[i]!.parts as Record<'loss' | 'kl' | 'clipShare', number>[];
          for (const name of ['loss', 'kl', 'clipShare'] as const)
            expect(update[name], name).toBeCloseTo(
              parts.reduce((sum, part) => sum + part[name], 0),
              6,
            );
          expect(update.gradNorm).toBe(plain[i]!.gradNorm);
        });
      expect(figures[0]![1]!.kl).toBeGreaterThan(0);
    },
  );

  it('a reward model gives the bits of runs of its own', async () => {
    const scored = parameterLayout({ ...config, scalarHead: true });
    const start = initializeParameters(scored, 5);
    const on: TrainedModel = {
      ...change,
      layout: scored,
      adapter: change.adapter && adapterLayout(scored, change.adapter.settings),
    };
    const given = [2, 1].map((count, i) => ({
      batches: Array.from({ length: count }, (_, j) => preferences(i * 3 + j)),
      total: 3 * count,
      learningRate: 1e-2 / (i + 1),
    }));
    const { states, figures, plain } = await both(
      on,
      start,
      rewardObjective(3),
      given,
      (runtime, batch, pairs) => runtime.gradReward(batch, pairs),
    );
    expectSameBits(states);
    figures[0]!.forEach(({ loss, margin, accuracy }, i) => {
      const parts = plain[i]!.parts as { loss: number; margins: Float32Array }[];
      const margins = parts.flatMap((part) => [...part.margins]);
      expect(loss).toBeCloseTo(
        parts.reduce((sum, part) => sum + part.loss, 0),
        5,
      );
      expect(margin).toBeCloseTo(margins.reduce((a, b) => a + b, 0) / margins.length, 5);
      expect(accuracy).toBeCloseTo(margins.filter((each) => each > 0).length / margins.length, 5);
    });
  });
});

it('frozen weights that no graph can hold are refused before anything is loaded', async () => {
  const tooLarge = { byteLength: 3 * 2 ** 30 } as Float32Array;
  await expect(
    UpdateLoop.create({ layout, adapter }, supervisedObjective, settings(tooLarge)),
  ).rejects.toMatchObject({ type: 'EngineBadJob', message: expect.stringContaining('3.0 GiB') as string });
});
