/** Supervised updates, several a run: see `updateLoopGraph`. The numbers are those of `TrainingRuntime`, to the bit. */
import { badJob } from '../errors.js';
import {
  createSession,
  tensor,
  type GraphSession,
  type SessionSettings,
  type Tensors,
} from '../onnx/session.js';
import { updateScalars, type AdamSettings, type OptimizerState } from '../optimizer/adamw.js';
import { BatchLayout, minimumPositions, type SupervisedBatch } from './batch.js';
import { trainables, type TrainedModel } from './trained-model.js';
import { updateLoopGraph } from './update-loop-graph.js';

/** One optimiser update. */
export interface SupervisedUpdate {
  /** Its micro-batches, packed rows. */
  batches: readonly SupervisedBatch[];
  /** Sum of the weights of all of them. */
  totalWeight: number;
  learningRate: number;
}

export interface UpdateFigures {
  /** Σ weight · nll / totalWeight */
  loss: number;
  /** Global norm of the gradient before clipping. */
  gradNorm: number;
}

/** A graph with its weights inside is one protobuf message. */
const MOST_FROZEN_BYTES = 2 ** 31 - 2 ** 26;

/** Several updates in one run of a graph, between which weights and moments stay on the device. */
export class UpdateLoop {
  private constructor(
    private readonly session: GraphSession,
    private readonly model: TrainedModel,
    private readonly adam: AdamSettings,
    private readonly least: { rows: number; length: number },
  ) {}

  /**
   * @param least rows and tokens a row of the largest micro-batch: all are filled up to it
   * @param frozen the decoder's weights where adapters are trained
   * @throws EngineError (bad job) where they do not fit into a graph
   */
  static async create(
    model: TrainedModel,
    adam: AdamSettings,
    least: { rows: number; length: number },
    settings: SessionSettings,
    frozen?: Float32Array,
  ): Promise<UpdateLoop> {
    if (frozen && frozen.byteLength > MOST_FROZEN_BYTES)
      throw badJob(
        `the model's frozen weights take ${(frozen.byteLength / 2 ** 30).toFixed(1)} GiB, and a graph holds at most 2: ` +
          'leave updatesPerRun out, or train on a cluster',
      );
    const { rows, length } = new BatchLayout(
      { ...least, tokens: new Int32Array(least.rows * least.length) },
      minimumPositions(model.layout.config),
    );
    const graph = updateLoopGraph(model, { length, batch: rows, packed: true, temperature: 1 }, adam, frozen);
    return new UpdateLoop(await createSession(graph, settings), model, adam, { rows, length });
  }

  /**
   * Do the updates on `state`, in place, in one run of the graph.
   * @returns figures of each
   */
  async run(state: OptimizerState, updates: readonly SupervisedUpdate[]): Promise<UpdateFigures[]> {
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
    const [loss, norm] = ['loss', 'norm'].map((name) => result[name]!.data as Float32Array);
    return updates.map((_, i) => ({ loss: loss![i]!, gradNorm: norm![i]! }));
  }

  /** Frees the native memory; the loop is not usable afterwards. */
  async release(): Promise<void> {
    await this.session.release();
  }

  private feeds(done: number, updates: readonly SupervisedUpdate[]): Tensors {
    const scalars = updates.map(({ learningRate }, i) =>
      updateScalars(this.adam, done + i + 1, learningRate),
    );
    let first = 0;
    const firsts = updates.map(({ batches }) => (first += batches.length) - batches.length);
    const micros: Tensors[] = updates.flatMap(({ batches, totalWeight }) =>
      batches.map((batch) => {
        const rows = new BatchLayout(batch, 0, this.least);
        return { ...rows.feeds(), weights: rows.perToken('weights', batch.weights, 1 / totalWeight) };
      }),
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
    ['tokens', 'targets', 'weights', 'segments'].map((name) => [
      name,
      stacked(micros.map((micro) => micro[name]!)),
    ]),
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
