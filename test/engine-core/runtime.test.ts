import { afterAll, describe, expect, it } from 'vitest';
import type { GrpoBatch, SupervisedBatch } from '../../engine/model/batch.js';
import { initializeParameters } from '../../engine/model/initialize.js';
import type { DecoderConfig } from '../../engine/model/parameters.js';
import { parameterLayout } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';

const config: DecoderConfig = {
  hiddenSize: 96,
  layers: 2,
  heads: 3,
  kvHeads: 3,
  intermediateSize: 256,
  maxLength: 512,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
  vocabSize: 300,
};
const layout = parameterLayout(config);
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, gradClip: 1 };

const open: TrainingRuntime[] = [];
afterAll(async () => {
  for (const runtime of open) await runtime.release();
});
async function runtime(threads = 1): Promise<TrainingRuntime> {
  const created = await TrainingRuntime.create(layout, initializeParameters(layout, 5), {
    threads,
    optimizer,
  });
  open.push(created);
  return created;
}

/** Rows of different lengths, right-padded; the first third of each is prompt. */
function batch(lengths: readonly number[], width = Math.max(...lengths)): SupervisedBatch {
  const rows = lengths.length;
  const tokens = new Int32Array(rows * width);
  const weights = new Float32Array(rows * width);
  lengths.forEach((length, row) => {
    for (let t = 0; t < length; t += 1) {
      tokens[row * width + t] = (row * 131 + t * t * 7 + t) % config.vocabSize;
      if (t > length / 3) weights[row * width + t] = 1;
    }
  });
  return { rows, length: width, tokens, weights };
}
function rowOf(b: SupervisedBatch, row: number): SupervisedBatch {
  const [from, to] = [row * b.length, (row + 1) * b.length];
  return { rows: 1, length: b.length, tokens: b.tokens.slice(from, to), weights: b.weights.slice(from, to) };
}
const totalOf = (b: SupervisedBatch): number => b.weights.reduce((x, y) => x + y, 0);
const bytes = (x: Float32Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
const sameBytes = (a: Float32Array, b: Float32Array): boolean => bytes(a).equals(bytes(b));
function distance(a: Float32Array, b: Float32Array): number {
  let [apart, size] = [0, 0];
  b.forEach((x, i) => {
    apart += (x - a[i]!) ** 2;
    size += x * x;
  });
  return Math.sqrt(apart / size);
}

/** Three supervised updates of two micro-batches, then a GRPO one. */
async function train(r: TrainingRuntime): Promise<number[]> {
  const figures: number[] = [];
  const [a, b] = [batch([50, 33, 21]), batch([17, 9])];
  for (let step = 0; step < 3; step += 1) {
    for (const micro of [a, b]) figures.push((await r.gradSupervised(micro, totalOf(a) + totalOf(b))).loss);
    figures.push((await r.applyAdamW(1e-2)).gradNorm);
  }
  const old = await r.logprobs(a);
  const grpo: GrpoBatch = {
    ...a,
    advantages: Float32Array.of(1, -0.5, -0.5),
    oldLogprobs: old.map((x) => x + 0.1),
    refLogprobs: old.map((x) => x - 0.1),
  };
  const part = await r.gradGrpo(grpo, totalOf(a), { clip: 0.2, klCoefficient: 0.01 });
  return [...figures, part.loss, part.kl, part.clipShare, (await r.applyAdamW(1e-3)).gradNorm];
}

describe('training is reproducible to the bit', () => {
  it.each([
    ['when it is run again', 1, 1],
    ['on one thread and on two', 1, 2],
    ['on one thread and on three', 1, 3],
    ['on two threads and on eight', 2, 8],
  ])('%s', async (_, first, second) => {
    const [a, b] = [await runtime(first), await runtime(second)];
    const before = a.state.params.slice();
    expect(await train(a)).toEqual(await train(b));
    for (const key of ['params', 'm', 'v'] as const)
      expect(sameBytes(a.state[key], b.state[key]), key).toBe(true);
    expect(distance(a.state.params, before)).toBeGreaterThan(1e-3);
    expect(a.state.step).toBe(4);
  });

  it('when the state goes through a checkpoint', async () => {
    const [whole, part] = [await runtime(), await runtime()];
    await train(whole);
    await train(whole);
    await train(part);
    const { params, m, v, step } = part.state;
    const state = { params: params.slice(), m: m.slice(), v: v.slice(), step };
    const resumed = await TrainingRuntime.create(layout, state, { threads: 1, optimizer });
    open.push(resumed);
    await train(resumed);
    expect(sameBytes(resumed.state.params, whole.state.params)).toBe(true);
  });
});

describe('gradient', () => {
  it('of a batch is the sum over its micro-batches', async () => {
    const r = await runtime();
    const whole = batch([40, 25, 12]);
    const { loss } = await r.gradSupervised(whole, totalOf(whole));
    const expected = r.gradient.slice();
    r.clearGradient();
    let sum = 0;
    for (let row = 0; row < 3; row += 1)
      sum += (await r.gradSupervised(rowOf(whole, row), totalOf(whole))).loss;
    expect(sum).toBeCloseTo(loss, 5);
    // The same terms in another order of addition.
    expect(distance(r.gradient, expected)).toBeLessThan(2e-6);
  });

  it('and log-probabilities do not depend on how far rows are padded, nor on what the padding holds', async () => {
    const r = await runtime();
    const [tight, wide] = [batch([20, 14]), batch([20, 14], 90)];
    wide.tokens.forEach((_, i) => {
      if (i % 90 >= (i < 90 ? 20 : 14)) wide.tokens[i] = 17;
    });
    await r.gradSupervised(tight, totalOf(tight));
    const expected = r.gradient.slice();
    r.clearGradient();
    await r.gradSupervised(wide, totalOf(wide));
    expect(distance(r.gradient, expected)).toBeLessThan(2e-6);
    const [a, b] = [await r.logprobs(tight), await r.logprobs(wide)];
    for (let t = 0; t < 20; t += 1) expect(b[t]!).toBeCloseTo(a[t]!, 5);
  });

  it('is the same for advantages by row and by token', async () => {
    const r = await runtime();
    const b = batch([20, 14]);
    const logprobs = await r.logprobs(b);
    const grpo = { ...b, oldLogprobs: logprobs, refLogprobs: logprobs };
    const settings = { clip: 0.2, klCoefficient: 0 };
    await r.gradGrpo({ ...grpo, advantages: Float32Array.of(1, -2) }, totalOf(b), settings);
    const expected = r.gradient.slice();
    r.clearGradient();
    const byToken = Float32Array.from({ length: 40 }, (_, i) => (i < 20 ? 1 : -2));
    await r.gradGrpo({ ...grpo, advantages: byToken }, totalOf(b), settings);
    expect(sameBytes(r.gradient, expected)).toBe(true);
  });

  it('of packed rows is that of the documents on their own', async () => {
    const r = await runtime();
    const apart = batch([20, 14]);
    await r.gradSupervised(apart, totalOf(apart));
    const expected = r.gradient.slice();
    r.clearGradient();
    const packed: SupervisedBatch = {
      rows: 1,
      length: 34,
      tokens: Int32Array.from([...apart.tokens.slice(0, 20), ...apart.tokens.slice(20, 34)]),
      weights: Float32Array.from([...apart.weights.slice(0, 20), ...apart.weights.slice(20, 34)]),
      segments: Int32Array.from({ length: 34 }, (_, i) => Number(i >= 20)),
    };
    await r.gradSupervised(packed, totalOf(packed));
    expect(distance(r.gradient, expected)).toBeLessThan(2e-6);
  });

  it('is the same through query blocks (long rows) as without', async () => {
    const r = await runtime();
    const [short, long] = [batch([90]), batch([90], 300)];
    await r.gradSupervised(short, totalOf(short));
    const expected = r.gradient.slice();
    r.clearGradient();
    await r.gradSupervised(long, totalOf(long));
    expect(distance(r.gradient, expected)).toBeLessThan(2e-6);
  });

  it('is not applied when there is none, and not counted twice', async () => {
    const r = await runtime();
    await expect(r.applyAdamW(1e-3)).rejects.toThrow(/no gradient/);
    const b = batch([12]);
    await r.gradSupervised(b, totalOf(b));
    const once = r.gradient.slice();
    await r.applyAdamW(0);
    await r.gradSupervised(b, totalOf(b));
    expect(sameBytes(r.gradient, once)).toBe(true);
  });
});

describe('batches', () => {
  it('say which array has the wrong size', async () => {
    const r = await runtime();
    const b = batch([12, 9]);
    await expect(r.gradSupervised({ ...b, weights: new Float32Array(3) }, 1)).rejects.toThrow(
      /weights: 3 elements where 24/,
    );
    await expect(r.gradSupervised(b, 0)).rejects.toThrow(/totalWeight must be positive/);
    await expect(r.logprobs({ ...b, tokens: new Int32Array(5) })).rejects.toThrow(/tokens/);
    await expect(TrainingRuntime.create(layout, new Float32Array(3), { threads: 1 })).rejects.toThrow(
      /3 elements/,
    );
  });
});
