/** AdamW with global-norm clipping as one graph over the flat parameter vector. */
import type { OptimizerSettings } from '../job.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { GraphSession, SessionSettings, Tensors } from '../onnx/session.js';
import { createSession, tensor } from '../onnx/session.js';
import type { Value } from '../onnx/types.js';

/** What training changes, as flat vectors in `ParameterLayout` order. */
export interface OptimizerState {
  params: Float32Array;
  /** First and second moments of the gradient. */
  m: Float32Array;
  v: Float32Array;
  /** Updates done. */
  step: number;
}

export type AdamSettings = Pick<
  OptimizerSettings,
  'beta1' | 'beta2' | 'epsilon' | 'weightDecay' | 'gradClip'
>;

/** Added to the norm before dividing, as `clip_grad_norm_` in PyTorch. */
const NORM_EPSILON = 1e-6;

/**
 * Updates [0, decaySize) with decoupled weight decay and the rest without it. Inputs and outputs share buffers:
 * the state is updated in place.
 */
export class AdamW {
  readonly #session: GraphSession;
  readonly #settings: AdamSettings;
  readonly #parts: readonly Part[];

  private constructor(session: GraphSession, settings: AdamSettings, parts: readonly Part[]) {
    this.#session = session;
    this.#settings = settings;
    this.#parts = parts;
  }

  static async create(
    size: number,
    decaySize: number,
    settings: AdamSettings,
    session: SessionSettings,
  ): Promise<AdamW> {
    const parts = [
      { name: 'decay', start: 0, end: decaySize, decay: true },
      { name: 'plain', start: decaySize, end: size, decay: false },
    ].filter((part) => part.end > part.start);
    return new AdamW(await createSession(adamGraph(size, parts, settings), session), settings, parts);
  }

  /**
   * One update of `state` in place.
   * @param gradient of the whole optimiser batch, not clipped
   * @returns the global norm of `gradient`, before clipping
   */
  async update(state: OptimizerState, gradient: Float32Array, learningRate: number): Promise<number> {
    const step = state.step + 1;
    const { beta1, beta2, epsilon, weightDecay } = this.#settings;
    const rootCorrection = Math.sqrt(1 - beta2 ** step);
    const feeds: Tensors = {
      gradient: tensor('float32', gradient, [gradient.length]),
      stepSize: scalar((learningRate * rootCorrection) / (1 - beta1 ** step)),
      epsilon: scalar(epsilon * rootCorrection),
      keep: scalar(1 - learningRate * weightDecay),
    };
    const into: Tensors = {};
    for (const { name, start, end } of this.#parts) {
      feeds[`g.${name}`] = tensor('float32', gradient.subarray(start, end), [end - start]);
      for (const [key, flat] of [
        ['p', state.params] as const,
        ['m', state.m] as const,
        ['v', state.v] as const,
      ]) {
        const shared = tensor('float32', flat.subarray(start, end), [end - start]);
        feeds[`${key}.${name}`] = shared;
        into[`new.${key}.${name}`] = shared;
      }
    }
    const { norm } = await this.#session.run(feeds, into);
    state.step = step;
    return (norm!.data as Float32Array)[0]!;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

interface Part {
  name: string;
  start: number;
  end: number;
  decay: boolean;
}

const scalar = (value: number): ReturnType<typeof tensor> => tensor('float32', Float32Array.of(value), []);

/**
 * With g clipped to c·g: m ← β₁m + (1−β₁)c·g, v ← β₂v + (1−β₂)c²·g², and
 * p ← keep·p − stepSize · m / (√v + epsilon), where the bias corrections are part of `stepSize` and `epsilon`.
 */
function adamGraph(size: number, parts: readonly Part[], settings: AdamSettings): GraphBuilder {
  const { beta1, beta2, gradClip } = settings;
  const g = new GraphBuilder('adamw');
  const gradient = g.input('gradient', 'float32', [size]);
  const [stepSize, epsilon, keep] = ['stepSize', 'epsilon', 'keep'].map((name) =>
    g.input(name, 'float32', []),
  ) as [Value, Value, Value];
  const norm = ops.sqrt(g, ops.reduceSumSquare(g, gradient, [0], false));
  const clip = ops.minimum(g, ops.div(g, gradClip, ops.add(g, norm, NORM_EPSILON)), 1);
  const share1 = ops.mul(g, clip, 1 - beta1);
  const share2 = ops.mul(g, ops.mul(g, clip, clip), 1 - beta2);
  g.output('norm', norm);
  for (const { name, start, end, decay } of parts) {
    const [grad, p, m, v] = ['g', 'p', 'm', 'v'].map((key) =>
      g.input(`${key}.${name}`, 'float32', [end - start]),
    ) as [Value, Value, Value, Value];
    const newM = ops.add(g, ops.mul(g, m, beta1), ops.mul(g, grad, share1));
    const newV = ops.add(g, ops.mul(g, v, beta2), ops.mul(g, ops.mul(g, grad, grad), share2));
    const change = ops.mul(g, ops.div(g, newM, ops.add(g, ops.sqrt(g, newV), epsilon)), stepSize);
    g.output(`new.p.${name}`, ops.sub(g, decay ? ops.mul(g, p, keep) : p, change));
    g.output(`new.m.${name}`, newM);
    g.output(`new.v.${name}`, newV);
  }
  return g;
}
