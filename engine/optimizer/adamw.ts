/** AdamW with global-norm clipping as one graph over the flat parameter vector. */
import type { OptimizerSettings } from '../job.js';
import type { FlatLayout } from '../model/parameters.js';
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

  /** For a flat vector of `size` elements, of which weight decay acts on the first `decaySize`. */
  static async create(
    size: number,
    decaySize: number,
    settings: AdamSettings,
    session: SessionSettings,
  ): Promise<AdamW> {
    const parts = decayParts({ size, decaySize });
    return new AdamW(await createSession(adamGraph(size, parts, settings), session), settings, parts);
  }

  /**
   * One update of `state` in place.
   * @param gradient of the whole optimiser batch, not clipped
   * @returns the global norm of `gradient`, before clipping
   */
  async update(state: OptimizerState, gradient: Float32Array, learningRate: number): Promise<number> {
    const step = state.step + 1;
    const { stepSize, epsilon, keep } = updateScalars(this.#settings, step, learningRate);
    const feeds: Tensors = {
      gradient: tensor('float32', gradient, [gradient.length]),
      stepSize: scalar(stepSize),
      epsilon: scalar(epsilon),
      keep: scalar(keep),
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

  /** Free the graph of the update. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** A stretch of the flat vector. */
export interface Part {
  name: string;
  start: number;
  end: number;
  decay: boolean;
}

/** The parts of a flat vector with and without weight decay, those that there are. */
export function decayParts({ size, decaySize }: Pick<FlatLayout, 'size' | 'decaySize'>): Part[] {
  return [
    { name: 'decay', start: 0, end: decaySize, decay: true },
    { name: 'plain', start: decaySize, end: size, decay: false },
  ].filter((part) => part.end > part.start);
}

const scalar = (value: number): ReturnType<typeof tensor> => tensor('float32', Float32Array.of(value), []);

/** Numbers of one update that depend on its step and learning rate; bias corrections are part of the first two. */
export interface UpdateScalars<T> {
  stepSize: T;
  epsilon: T;
  /** 1 − learning rate · weight decay */
  keep: T;
}

/**
 * Step size, epsilon and decay of one update; Adam (arXiv 1412.6980), with both bias corrections moved into the first two.
 * @param step of the update, from 1
 */
export function updateScalars(
  { beta1, beta2, epsilon, weightDecay }: AdamSettings,
  step: number,
  learningRate: number,
): UpdateScalars<number> {
  const rootCorrection = Math.sqrt(1 - beta2 ** step);
  return {
    stepSize: (learningRate * rootCorrection) / (1 - beta1 ** step),
    epsilon: epsilon * rootCorrection,
    keep: 1 - learningRate * weightDecay,
  };
}

/** Global norm of the gradient and the factor, at most 1, that clips it. */
export function clipping(g: GraphBuilder, gradient: Value, gradClip: number): { norm: Value; factor: Value } {
  const norm = ops.sqrt(g, ops.reduceSumSquare(g, gradient, [0], false));
  return { norm, factor: ops.minimum(g, ops.div(g, gradClip, ops.add(g, norm, NORM_EPSILON)), 1) };
}

/**
 * With g clipped to c·g: m ← β₁m + (1−β₁)c·g, v ← β₂v + (1−β₂)c²·g², and p ← keep·p − stepSize · m / (√v + epsilon);
 * `keep` acts where `decay` is set (AdamW, arXiv 1711.05101, algorithm 2).
 */
export function adamStep(
  g: GraphBuilder,
  { p, m, v, gradient }: Record<'p' | 'm' | 'v' | 'gradient', Value>,
  { stepSize, epsilon, keep }: UpdateScalars<Value>,
  { factor, decay, beta1, beta2 }: { factor: Value; decay: boolean; beta1: number; beta2: number },
): Record<'p' | 'm' | 'v', Value> {
  const share1 = ops.mul(g, factor, 1 - beta1);
  const share2 = ops.mul(g, ops.mul(g, factor, factor), 1 - beta2);
  const newM = ops.add(g, ops.mul(g, m, beta1), ops.mul(g, gradient, share1));
  const newV = ops.add(g, ops.mul(g, v, beta2), ops.mul(g, ops.mul(g, gradient, gradient), share2));
  const change = ops.mul(g, ops.div(g, newM, ops.add(g, ops.sqrt(g, newV), epsilon)), stepSize);
  return { p: ops.sub(g, decay ? ops.mul(g, p, keep) : p, change), m: newM, v: newV };
}

function adamGraph(size: number, parts: readonly Part[], settings: AdamSettings): GraphBuilder {
  const { beta1, beta2, gradClip } = settings;
  const g = new GraphBuilder('adamw');
  const whole = g.input('gradient', 'float32', [size]);
  const [stepSize, epsilon, keep] = ['stepSize', 'epsilon', 'keep'].map((name) =>
    g.input(name, 'float32', []),
  ) as [Value, Value, Value];
  const { norm, factor } = clipping(g, whole, gradClip);
  g.output('norm', norm);
  for (const { name, start, end, decay } of parts) {
    const [gradient, p, m, v] = ['g', 'p', 'm', 'v'].map((key) =>
      g.input(`${key}.${name}`, 'float32', [end - start]),
    ) as [Value, Value, Value, Value];
    const scalars = { stepSize, epsilon, keep };
    const next = adamStep(g, { p, m, v, gradient }, scalars, { factor, decay, beta1, beta2 });
    for (const key of ['p', 'm', 'v'] as const) g.output(`new.${key}.${name}`, next[key]);
  }
  return g;
}
