/** What onnxruntime shares out between threads gives the same bits on any number of them. */
import { describe, expect, it } from 'vitest';
import { initializeParameters } from '../../engine/model/initialize.js';
import { parameterLayout, type DecoderConfig } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { GraphBuilder } from '../../engine/onnx/graph-builder.js';
import { createSession, tensor } from '../../engine/onnx/session.js';
import { factors, product, wideEnough, type Cut } from '../../engine/rollout/blocks.js';
import { Decoder } from '../../engine/rollout/decoder.js';

const config: DecoderConfig = {
  hiddenSize: 256,
  layers: 1,
  heads: 4,
  kvHeads: 4,
  intermediateSize: 128,
  maxLength: 1_024,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
  vocabSize: 64,
};
const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

async function gradient(shape: DecoderConfig, rows: number, length: number, threads: number) {
  const layout = parameterLayout(shape);
  const size = rows * length;
  const runtime = await TrainingRuntime.create(layout, initializeParameters(layout, 1), { threads });
  const batch = {
    rows,
    length,
    tokens: Int32Array.from({ length: size }, (_, i) => (i * i) % 61),
    weights: new Float32Array(size).fill(1),
  };
  await runtime.gradSupervised(batch, size);
  await runtime.release();
  return bytes(runtime.gradient);
}

describe('a gradient', () => {
  it('loses no addition to the row of a repeated token', async () => {
    const alone = await gradient(config, 2, 512, 1);
    for (const threads of [2, 5, 8, 8])
      expect((await gradient(config, 2, 512, threads)).equals(alone), `${threads} threads`).toBe(true);
  });

  it("of a model of SmolLM2's width is the same on eight threads, which would get 64 columns each", async () => {
    const smol = { ...config, hiddenSize: 576, heads: 9, kvHeads: 3, intermediateSize: 640, vocabSize: 640 };
    const alone = await gradient(smol, 2, 129, 1);
    for (const threads of [2, 7, 8])
      expect((await gradient(smol, 2, 129, threads)).equals(alone), `${threads} threads`).toBe(true);
  });
});

describe('a whole matrix', () => {
  async function multiplied(cut: Cut, rows: number, columns: number, inner: number, threads: number) {
    const g = new GraphBuilder(cut);
    const x = g.input('x', 'float32', [rows, inner]);
    const weight = g.input('w', 'float32', [columns, inner]);
    g.output('y', product(g, x, factors(g, weight, cut)));
    const session = await createSession(g, { threads });
    const filled = (size: number, step: number) =>
      Float32Array.from({ length: size }, (_, i) => Math.sin(i * step));
    const { y } = await session.run({
      x: tensor('float32', filled(rows * inner, 0.37), [rows, inner]),
      w: tensor('float32', filled(columns * inner, 0.73), [columns, inner]),
    });
    await session.release();
    return bytes(y!.data as Float32Array);
  }

  it.each([
    [2, 160],
    [3, 240],
    [8, 640],
    [8, 576],
    [4, 256],
  ])(
    'on %i threads sums %i columns as factors do, if every thread gets enough of them',
    async (threads, columns) => {
      const enough = wideEnough(columns, threads);
      expect(enough).toBe(columns / threads > 72);
      for (const rows of [32, 96, 700]) {
        const [whole, cut] = await Promise.all(
          (['whole', 'factors'] as const).map((form) => multiplied(form, rows, columns, 400, threads)),
        );
        if (enough) expect(whole!.equals(cut!), `${rows} rows`).toBe(true);
      }
      // Where a thread gets few the sums differ, or there would be no need to part them.
      if (!enough) {
        const [whole, cut] = [
          await multiplied('whole', 128, columns, 400, threads),
          await multiplied('factors', 128, columns, 400, threads),
        ];
        expect(whole.equals(cut)).toBe(false);
      }
    },
  );

  it('gives rollouts the bits of factors', async () => {
    const layout = parameterLayout({
      ...config,
      hiddenSize: 320,
      heads: 5,
      kvHeads: 5,
      layers: 2,
      intermediateSize: 400,
      vocabSize: 330,
    });
    const parameters = initializeParameters(layout, 3).map((value) => value * 6);
    const complete = async (threads: number) => {
      const decoder = new Decoder({ layout }, threads);
      const prompts = [9, 40, 33].map((length, key) => ({
        tokens: Array.from({ length }, (_, i) => (i * 7 + length) % 300),
        key,
      }));
      const completions = await decoder.generate({ parameters }, prompts, {
        samples: 2,
        temperature: 1,
        maxNewTokens: 8,
        batchSize: 4,
        seed: 1,
        step: 0,
        stops: [329],
        packed: true,
      });
      await decoder.release();
      return completions.map(({ tokens, logps }) => [...tokens, ...logps]);
    };
    // 320 columns are whole on 2 threads, in factors on 8.
    expect([wideEnough(320, 2), wideEnough(320, 8)]).toEqual([true, false]);
    expect(await complete(2)).toEqual(await complete(8));
  });
});
