/** Updates, several a run: see `updateLoopGraph`. The numbers are those of `TrainingRuntime`, to the bit. */
import { badJob } from '../errors.js';
import {
  createSession,
  tensor,
  type GraphSession,
  type SessionSettings,
  type Tensors,
} from '../onnx/session.js';
import { updateScalars, type AdamSettings, type OptimizerState } from '../optimizer/adamw.js';
import { BatchLayout, minimumPositions, reproducibleThreads, type TokenBatch } from './batch.js';
import { trainables, type TrainedModel } from './trained-model.js';
import { updateLoopGraph } from './update-loop-graph.js';
import type { Objective } from './update-objectives.js';

/** One optimiser update. */
export interface Update<Batch, Total> {
  /** Its micro-batches, packed rows. */
  batches: readonly Batch[];
  /** What they must know of the whole. */
  total: Total;
  learningRate: number;
}

/** Figures of one update: the objective's, and the global norm of the gradient before clipping. */
export type UpdateFigures<Figure extends string> = Record<'loss' | 'gradNorm' | Figure, number>;

/** What a loop is made for. */
export interface LoopSettings {
  adam: AdamSettings;
  /** Rows and tokens a row of the largest micro-batch: all are filled up to it. */
  least: { rows: number; length: number };
  /** See `updateLoopGraph`. */
  start?: Float32Array | undefined;
  session: SessionSettings;
}

/** A graph with its weights inside is one protobuf message. */
const MOST_BYTES_INSIDE = 2 ** 31 - 2 ** 26;

/** Several updates in one run of a graph, between which weights and moments stay on the device. */
export class UpdateLoop<Batch extends TokenBatch, Total, Figure extends string = never> {
  private constructor(
    private readonly session: GraphSession,
    private readonly model: TrainedModel,
    private readonly objective: Objective<Batch, Total, Figure>,
    private readonly adam: AdamSettings,
    private readonly least: { rows: number; length: number },
  ) {}

  /** @throws EngineError (bad job) where the weights do not fit into a graph */
  static async create<Batch extends TokenBatch, Total, Figure extends string = never>(
    model: TrainedModel,
    objective: Objective<Batch, Total, Figure>,
    { adam, least, start, session }: LoopSettings,
  ): Promise<UpdateLoop<Batch, Total, Figure>> {
    const inside = model.adapter || objective.reference ? start : undefined;
    if (inside && inside.byteLength > MOST_BYTES_INSIDE)
      throw badJob(
        `the weights that training starts from take ${(inside.byteLength / 2 ** 30).toFixed(1)} GiB, and a graph holds ` +
          'at most 2: leave updatesPerRun out, or train on a cluster',
      );
    const { rows, length } = new BatchLayout(
      { ...least, tokens: new Int32Array(least.rows * least.length) },
      minimumPositions(model.layout.config),
    );
    const graph = updateLoopGraph(model, { length, batch: rows }, adam, objective, inside);
    const threads = reproducibleThreads(model.layout.config, session.threads);
    return new UpdateLoop(await createSession(graph, { ...session, threads }), model, objective, adam, {
      rows,
      length,
    });
  }

  /**
   * Do the updates on `state`, in place, in one run of the graph.
   * @returns figures of each
   */
  async run(
    state: OptimizerState,
    updates: readonly Update<Batch, Total>[],
  ): Promise<UpdateFigures<Figure>[]> {
    const { size } = trainables(this.model);
    const vectors = {
      p: tensor('float32', state.params, [size]),
      m: tensor('float32', state.m, [size]),
      v: tensor('float32', state.v, [size]),
    };
    const result = await this.session.run({ ...vectors, ...this.feeds(state.step, updates) });
    state.params.set(result['new.p']!.data as Float32Array);
    state.m.set(result['new.m']!.data as Float32Array);
    state.v.set(result['new.v']!.data as Float32Array);
    state.step += updates.length;
    const of = (name: string, i: number): number => (result[name]!.data as Float32Array)[i]!;
    return updates.map((_, i) => {
      const figures = Object.fromEntries(this.objective.names.map((name) => [name, of(name, i)]));
      return { ...figures, gradNorm: of('norm', i) } as UpdateFigures<Figure>;
    });
  }

  /** Frees the native memory; the loop is not usable afterwards. */
  async release(): Promise<void> {
    await this.session.release();
  }

  private feeds(done: number, updates: readonly Update<Batch, Total>[]): Tensors {
    const scalars = updates.map(({ learningRate }, i) =>
      updateScalars(this.adam, done + i + 1, learningRate),
    );
    let first = 0;
    const firsts = updates.map(({ batches }) => (first += batches.length) - batches.length);
    const micros = updates.flatMap(({ batches, total }) =>
      batches.map((batch) => this.objective.feeds(new BatchLayout(batch, 0, this.least), batch, total)),
    );
    const each = (name: 'stepSize' | 'epsilon' | 'keep') =>
      tensor(
        'float32',
        Float32Array.from(scalars, (values) => values[name]),
        [updates.length],
      );
    return {
      updates: tensor('int64', BigInt64Array.of(BigInt(updates.length)), []),
      first: integers(firsts),
      count: integers(updates.map(({ batches }) => batches.length)),
      stepSize: each('stepSize'),
      epsilon: each('epsilon'),
      keep: each('keep'),
      ...stackedAll(micros),
    };
  }
}

const integers = (values: readonly number[]) =>
  tensor('int64', BigInt64Array.from(values, BigInt), [values.length]);

const stackedAll = (micros: readonly Tensors[]): Tensors =>
  Object.fromEntries(
    Object.keys(micros[0]!).map((name) => [name, stacked(micros.map((micro) => micro[name]!))]),
  );

/** Tensors of one shape as one with a leading dimension. */
function stacked(parts: readonly Tensors[string][]): Tensors[string] {
  const { dims, type } = parts[0]!;
  const size = parts[0]!.size;
  if (type === 'int64') {
    const data = new BigInt64Array(size * parts.length);
    parts.forEach((part, i) => data.set(part.data as BigInt64Array, i * size));
    return tensor('int64', data, [parts.length, ...dims]);
  }
  const data = new Float32Array(size * parts.length);
  parts.forEach((part, i) => data.set(part.data as Float32Array, i * size));
  return tensor('float32', data, [parts.length, ...dims]);
}
