/**
 * Training of one decoder on this machine: gradients, log-probabilities and AdamW over one flat parameter vector.
 *
 *   const runtime = await TrainingRuntime.create(layout, params, { threads: 2, optimizer });
 *   for (const micro of microBatches) await runtime.gradSupervised(micro, totalWeight);
 *   const { gradNorm } = await runtime.applyAdamW(rate);
 *
 * The same calls with the same numbers give the same bytes, on 1 to 8 threads.
 */
import type { GrpoSettings } from '../loss/grpo.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Provider, Tensors } from '../onnx/session.js';
import type { AdamSettings, OptimizerState } from '../optimizer/adamw.js';
import { AdamW } from '../optimizer/adamw.js';
import type { GrpoBatch, PreferenceBatch, ScoredBatch, SupervisedBatch, TokenBatch } from './batch.js';
import { BatchLayout, minimumPositions, reproducibleThreads } from './batch.js';
import { grpoFeeds, gspoFeeds, supervisedFeeds, type RolloutTotal } from './objective-feeds.js';
import type { FlatLayout, ParameterLayout } from './parameters.js';
import { preferenceInputs, scoreInputs } from './preference-inputs.js';
import { SessionCache } from './session-cache.js';
import type { GraphShape } from './training-graphs.js';
import {
  grpoGraph,
  gspoGraph,
  logprobGraph,
  rewardGraph,
  scoreGraph,
  supervisedGraph,
} from './training-graphs.js';
import type { TrainedModel } from './trained-model.js';
import { trainables } from './trained-model.js';
import { parameterTensors } from './weights.js';
import type { AdapterLayout } from './adapter.js';

export interface RuntimeOptions {
  threads: number;
  /** Needed for `applyAdamW`. */
  optimizer?: AdamSettings;
  /** Graphs kept loaded, one per objective and batch shape. Default 12. */
  maxSessions?: number;
  /** See `SessionSettings`. */
  arena?: boolean;
  provider?: Provider;
  /** Train low-rank adapters on these weights, which stay as they are; the state is then that of the adapters. */
  adapter?: { layout: AdapterLayout; frozen: Float32Array };
  /** Compute layers again in the backward pass, see `TrainedModel`. */
  recompute?: boolean;
}

/** Parts of the optimiser batch's figures: sums over its micro-batches are the figures of the batch. */
export interface SupervisedPart {
  /** Σ weight · nll / totalWeight */
  loss: number;
}
export interface GrpoPart {
  /** Policy loss plus klCoefficient · kl, kl (k3) and share of clipped tokens; each Σ over tokens / totalTokens. */
  loss: number;
  kl: number;
  clipShare: number;
}

export interface RewardPart {
  /** Σ −log σ(margin) / pairs */
  loss: number;
  /** `[pairs of the micro-batch]` score of the preferred answer less that of the other. */
  margins: Float32Array;
}

/** A model under training: gradients of whole micro-batches are added up, then applied in one update of the flat vector. */
export class TrainingRuntime {
  /** Updated in place by `applyAdamW`; restore a checkpoint with `create(…, state)`. */
  readonly state: OptimizerState;
  /** Sum of the gradients since the last update. */
  readonly gradient: Float32Array;
  /** Whose vectors `state` and `gradient` are. */
  readonly trained: FlatLayout;
  #scratch: Float32Array | undefined;
  #accumulated = 0;

  private constructor(
    private readonly model: TrainedModel,
    /** The decoder's own weights where adapters are trained. */
    private readonly frozen: Float32Array | undefined,
    state: OptimizerState,
    private readonly sessions: SessionCache,
    private readonly optimizer: AdamW | undefined,
  ) {
    this.state = state;
    this.trained = trainables(model);
    this.gradient = new Float32Array(this.trained.size);
  }

  get layout(): ParameterLayout {
    return this.model.layout;
  }

  /**
   * @param initial parameters to start from, or the whole state of a checkpoint. Not copied: the runtime owns it.
   * @throws if a vector does not have the layout's size
   */
  static async create(
    layout: ParameterLayout,
    initial: Float32Array | OptimizerState,
    options: RuntimeOptions,
  ): Promise<TrainingRuntime> {
    const model = { layout, adapter: options.adapter?.layout, recompute: options.recompute };
    const trained = trainables(model);
    const fresh = initial instanceof Float32Array;
    const zeros = (): Float32Array => new Float32Array(fresh && options.optimizer ? trained.size : 0);
    const state: OptimizerState = fresh ? { params: initial, m: zeros(), v: zeros(), step: 0 } : initial;
    const vectors = options.optimizer ? [state.params, state.m, state.v] : [state.params];
    for (const vector of vectors) {
      if (vector.length !== trained.size) {
        throw new Error(`state vector has ${vector.length} elements, the architecture needs ${trained.size}`);
      }
    }
    const { provider } = options;
    const threads = reproducibleThreads(layout.config, options.threads);
    const settings = { threads, provider, arena: options.arena ?? true };
    const optimizer =
      options.optimizer && (await AdamW.create(trained.size, trained.decaySize, options.optimizer, settings));
    return new TrainingRuntime(
      model,
      options.adapter?.frozen,
      state,
      new SessionCache(settings, options.maxSessions ?? 12),
      optimizer,
    );
  }

  /**
   * Adds the gradient of Σ weight·nll / totalWeight over this micro-batch.
   * @param totalWeight sum of the weights of the whole optimiser batch
   */
  async gradSupervised(batch: SupervisedBatch, totalWeight: number): Promise<SupervisedPart> {
    expectPositive('totalWeight', totalWeight);
    const rows = new BatchLayout(batch, minimumPositions(this.layout.config));
    const feeds = supervisedFeeds(rows, batch, totalWeight);
    const shape = shapeOf(rows, 1);
    const result = await this.#accumulate('supervised', shape, feeds, () =>
      supervisedGraph(this.model, shape),
    );
    return { loss: scalarOf(result, 'loss') };
  }

  /**
   * Adds the gradient of the GRPO loss over this micro-batch.
   * @param totalTokens completion tokens (sum of the weights) of the whole optimiser batch
   * @param settings the temperature is that of the rollouts
   */
  async gradGrpo(
    batch: GrpoBatch,
    totalTokens: number,
    settings: GrpoSettings & { temperature?: number },
  ): Promise<GrpoPart> {
    expectPositive('totalTokens', totalTokens);
    const rows = new BatchLayout(batch, minimumPositions(this.layout.config));
    const feeds = {
      ...grpoFeeds(rows, batch, totalTokens),
      refLogprobs: rows.perToken('refLogprobs', batch.refLogprobs),
    };
    const shape = shapeOf(rows, settings.temperature ?? 1);
    const kind = `grpo ${settings.clip} ${settings.clipHigh ?? settings.clip} ${settings.klCoefficient}`;
    const result = await this.#accumulate(kind, shape, feeds, () => grpoGraph(this.model, shape, settings));
    return {
      loss: scalarOf(result, 'loss'),
      kl: scalarOf(result, 'kl'),
      clipShare: scalarOf(result, 'clipShare'),
    };
  }

  /**
   * As `gradGrpo`, with one ratio per completion (GSPO). A completion is what has weight in a row, or in a segment of a
   * packed row; its advantage is that of its tokens.
   * @param total completion tokens and completions of the whole optimiser batch
   */
  async gradGspo(
    batch: GrpoBatch,
    total: RolloutTotal,
    settings: GrpoSettings & { temperature?: number },
  ): Promise<GrpoPart> {
    expectPositive('total.tokens', total.tokens);
    const rows = new BatchLayout(batch, minimumPositions(this.layout.config));
    const { count, feeds: own } = gspoFeeds(rows, batch, total);
    const feeds = { ...own, refLogprobs: rows.perToken('refLogprobs', batch.refLogprobs) };
    const shape = shapeOf(rows, settings.temperature ?? 1);
    const kind = `gspo ${count} ${settings.clip} ${settings.clipHigh ?? settings.clip} ${settings.klCoefficient}`;
    const result = await this.#accumulate(kind, shape, feeds, () =>
      gspoGraph(this.model, shape, settings, count),
    );
    return {
      loss: scalarOf(result, 'loss'),
      kl: scalarOf(result, 'kl'),
      clipShare: scalarOf(result, 'clipShare'),
    };
  }

  /**
   * Adds the gradient of the mean of −log σ(r_chosen − r_rejected) over this micro-batch of a reward model.
   * @param pairs of the whole optimiser batch
   */
  async gradReward(batch: PreferenceBatch, pairs: number): Promise<RewardPart> {
    expectPositive('pairs', pairs);
    const rows = new BatchLayout(batch, minimumPositions(this.layout.config));
    const { count, feeds } = preferenceInputs(rows, batch, pairs);
    const shape = shapeOf(rows, 1);
    const result = await this.#accumulate(`reward ${count}`, shape, feeds, () =>
      rewardGraph(this.model, shape, count),
    );
    const margins = (result['margins']!.data as Float32Array).slice(0, batch.at.length);
    return { loss: scalarOf(result, 'loss'), margins };
  }

  /** Scores of a reward model at the tokens `at`, in their order. */
  async scores(batch: ScoredBatch): Promise<Float32Array> {
    const rows = new BatchLayout(batch, minimumPositions(this.layout.config));
    const { count, feeds } = scoreInputs(rows, batch);
    const shape = shapeOf(rows, 1);
    const session = await this.sessions.get(keyOf(`scores ${count}`, shape), () =>
      scoreGraph(this.model, shape, count),
    );
    const { scores } = await session.run({ ...this.#weights(), ...feeds });
    return (scores!.data as Float32Array).slice(0, batch.at.length);
  }

  /**
   * Log-probability of every token given those before it.
   * @param options other weights of the whole decoder than the state's (a reference model, without adapters), and the
   *   sampling temperature
   * @returns [rows, length]; index 0 of every row is 0, and padding gets whatever the pad token scores
   */
  async logprobs(
    batch: TokenBatch,
    options: { params?: Float32Array; temperature?: number } = {},
  ): Promise<Float32Array> {
    const rows = new BatchLayout(batch, minimumPositions(this.layout.config));
    const shape = shapeOf(rows, options.temperature ?? 1);
    const plain = options.params !== undefined && this.model.adapter !== undefined;
    const model = plain ? { layout: this.layout } : this.model;
    const kind = plain ? 'plain logprobs' : 'logprobs';
    const session = await this.sessions.get(keyOf(kind, shape), () => logprobGraph(model, shape));
    const weights = options.params ? parameterTensors(this.layout, options.params) : this.#weights();
    const { logprobs } = await session.run({ ...weights, ...rows.feeds() });
    return rows.fromGraph(logprobs!.data as Float32Array);
  }

  /**
   * One AdamW update with the accumulated gradient, which is then cleared.
   * @returns global norm of the gradient before clipping
   */
  async applyAdamW(learningRate: number): Promise<{ gradNorm: number }> {
    if (!this.optimizer) throw new Error('this runtime was created without optimizer settings');
    if (this.#accumulated === 0) throw new Error('applyAdamW: no gradient has been accumulated');
    const gradNorm = await this.optimizer.update(this.state, this.gradient, learningRate);
    this.#accumulated = 0;
    return { gradNorm };
  }

  /** Forgets the gradients accumulated since the last update. */
  clearGradient(): void {
    this.#accumulated = 0;
  }

  /** Frees the native memory; the runtime is not usable afterwards. */
  async release(): Promise<void> {
    await this.sessions.release();
    await this.optimizer?.release();
  }

  /** Feeds for every weight: all trained, or frozen ones and adapters. */
  #weights(): Tensors {
    const own = parameterTensors(this.trained, this.state.params);
    return this.frozen ? { ...parameterTensors(this.layout, this.frozen), ...own } : own;
  }

  /** Runs a gradient graph: the first one of an update writes into `gradient`, later ones are added to it. */
  async #accumulate(
    kind: string,
    shape: GraphShape,
    feeds: Tensors,
    build: () => GraphBuilder,
  ): Promise<Tensors> {
    const session = await this.sessions.get(keyOf(kind, shape), build);
    const first = this.#accumulated === 0;
    if (!first) this.#scratch ??= new Float32Array(this.trained.size);
    const target = first ? this.gradient : this.#scratch!;
    const result = await session.run(
      { ...this.#weights(), ...feeds },
      parameterTensors(this.trained, target, 'grad.'),
    );
    if (!first) for (let i = 0; i < target.length; i += 1) this.gradient[i]! += target[i]!;
    this.#accumulated += 1;
    return result;
  }
}

function shapeOf(rows: BatchLayout, temperature: number): GraphShape {
  return { length: rows.length, batch: rows.rows, packed: !!rows.batch.segments, temperature };
}

const keyOf = (kind: string, shape: GraphShape): string =>
  `${kind} ${shape.batch}×${shape.length} ${shape.packed} ${shape.temperature}`;

const scalarOf = (result: Tensors, name: string): number => (result[name]!.data as Float32Array)[0]!;

function expectPositive(what: string, value: number): void {
  if (!(value > 0))
    throw new Error(`${what} must be positive, not ${value}: the batch has no token to learn from`);
}
