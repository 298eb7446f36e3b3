import { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import { createSession, type Tensors } from '../onnx/session.js';
import type { Value } from '../onnx/types.js';
import type { AdapterLayout } from './adapter.js';
import { SCORE_WEIGHT, view, type ParameterLayout } from './parameters.js';
import { namedView, parameterTensors } from './weights.js';

/**
 * The weights of the decoder with its adapters added: W + α/r · B·A for every target.
 * @param frozen flat vector of `layout`; not changed
 * @param trained flat vector of `adapter`
 * @returns a new flat vector of `layout`
 */
export async function mergeAdapter(
  layout: ParameterLayout,
  frozen: Float32Array,
  adapter: AdapterLayout,
  trained: Float32Array,
  threads: number,
): Promise<Float32Array> {
  const merged = frozen.slice();
  const g = new GraphBuilder('merge');
  for (const { weight, a, b } of adapter.targets) {
    const [w, low, high] = [weight, a, b].map(({ name, shape }) => g.input(name, 'float32', shape)) as [
      Value,
      Value,
      Value,
    ];
    g.output(`merged.${weight.name}`, ops.gemm(g, high, low, { alpha: adapter.scale, bias: w }));
  }
  const session = await createSession(g, { threads, arena: false });
  try {
    const feeds = { ...parameterTensors(layout, frozen), ...parameterTensors(adapter, trained) };
    const into: Tensors = {};
    for (const { weight } of adapter.targets) into[`merged.${weight.name}`] = namedView(merged, weight);
    await session.run(feeds, into);
    const head = adapter.score && layout.entries.find(({ name }) => name === SCORE_WEIGHT);
    if (adapter.score && head) view(merged, head).set(view(trained, adapter.score));
    return merged;
  } finally {
    await session.release();
  }
}
