import { afterAll, describe, expect, it } from 'vitest';
import { adapterLayout, initializeAdapter } from '../../engine/model/adapter.js';
import type { SupervisedBatch } from '../../engine/model/batch.js';
import { initializeParameters } from '../../engine/model/initialize.js';
import { parameterLayout, type DecoderConfig } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { trainables, type TrainedModel } from '../../engine/model/trained-model.js';
import { UpdateLoop, type SupervisedUpdate } from '../../engine/model/update-loop.js';
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

const updates: SupervisedUpdate[] = [2, 1, 3, 1, 2].map((count, i) => {
  const batches = Array.from({ length: count }, (_, j) => packed(i * 3 + j));
  const totalWeight = batches.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0);
  return { batches, totalWeight, learningRate: 1e-2 / (i + 1) };
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
    const loop = await UpdateLoop.create(model, optimizer, ROWS, { threads: 1, pieces }, frozen);
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
    for (const { batches, totalWeight, learningRate } of updates) {
      let loss = 0;
      for (const batch of batches) loss += (await runtime.gradSupervised(batch, totalWeight)).loss;
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

it('frozen weights that no graph can hold are refused before anything is loaded', async () => {
  const tooLarge = { byteLength: 3 * 2 ** 30 } as Float32Array;
  await expect(
    UpdateLoop.create({ layout, adapter }, optimizer, ROWS, { threads: 1 }, tooLarge),
  ).rejects.toMatchObject({ type: 'EngineBadJob', message: expect.stringContaining('3.0 GiB') as string });
});
