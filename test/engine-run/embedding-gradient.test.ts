/** A batch whose tokens repeat, large enough that onnxruntime shares its operators out between threads. */
import { expect, it } from 'vitest';
import { initializeParameters } from '../../engine/model/initialize.js';
import { parameterLayout } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';

const layout = parameterLayout({
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
});
const ROWS = { rows: 2, length: 512 };
const size = ROWS.rows * ROWS.length;

it('no addition to the row of a repeated token is lost, whatever the threads', async () => {
  const batch = {
    ...ROWS,
    tokens: Int32Array.from({ length: size }, (_, i) => (i * i) % 61),
    weights: new Float32Array(size).fill(1),
  };
  const gradient = async (threads: number): Promise<Buffer> => {
    const runtime = await TrainingRuntime.create(layout, initializeParameters(layout, 1), { threads });
    await runtime.gradSupervised(batch, size);
    const { buffer, byteOffset, byteLength } = runtime.gradient;
    await runtime.release();
    return Buffer.from(buffer, byteOffset, byteLength);
  };
  const alone = await gradient(1);
  for (const threads of [2, 5, 8, 8])
    expect((await gradient(threads)).equals(alone), `${threads} threads`).toBe(true);
});
