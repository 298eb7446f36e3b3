import { writeFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { GraphBuilder } from './graph-builder.js';
import type { DType, Shape, Value } from './types.js';

export type Tensors = Record<string, Tensor>;

export type Provider = 'cpu' | 'cuda';

export interface SessionSettings {
  /** Threads of the math library. Results do not depend on it. */
  threads: number;
  /** Keep freed memory for the next run. Default true; false saves about 40 % of the memory and costs time. */
  arena?: boolean;
  /** Default: the CPU. */
  provider?: Provider | undefined;
  /** Form of the graph, see `equalPieces`. Default: by the provider. */
  pieces?: 'any' | 'equal';
  /**
   * Where to write the graph in order to load it from there, beside the file of its external constants. Products with
   * constants then use a copy of them in the order of the kernels: two to three times as fast for few rows.
   */
  file?: string;
}

/** A graph loaded into onnxruntime. `run` blocks the calling thread while it computes. */
export class GraphSession {
  readonly #session: InferenceSession;
  readonly inputs: readonly Value[];
  readonly outputNames: readonly string[];

  constructor(session: InferenceSession, inputs: readonly Value[], outputNames: readonly string[]) {
    this.#session = session;
    this.inputs = inputs;
    this.outputNames = outputNames;
  }

  /**
   * @param feeds one tensor per graph input
   * @param into preallocated outputs, by name; may share memory with inputs that the graph updates elementwise.
   *   Outputs not named there are allocated.
   */
  /** Run the graph once. @param into buffers that take outputs of their names @returns all outputs by name */
  async run(feeds: Tensors, into: Tensors = {}): Promise<Tensors> {
    const fetches = Object.fromEntries(this.outputNames.map((name) => [name, into[name] ?? null]));
    return await this.#session.run(feeds, fetches);
  }

  /** Free the session; it cannot run afterwards. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}

/**
 * How long a thread that waits for the next operator spins before it sleeps. Enough for the gaps between operators;
 * the library's default spins much longer, which halves the speed when something else wants the cores.
 */
const SPIN_MICROSECONDS = '50';

/** Loads `graph` in float32, on the CPU unless another provider is named. Weights that are inputs cannot be prepacked. */
export async function createSession(graph: GraphBuilder, settings: SessionSettings): Promise<GraphSession> {
  const { file } = settings;
  const options: InferenceSession.SessionOptions = {
    // What CUDA has no kernel for falls to the CPU.
    executionProviders: settings.provider === 'cuda' ? ['cuda', 'cpu'] : ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    enableCpuMemArena: settings.arena ?? true,
    enableMemPattern: settings.arena ?? true,
    logSeverityLevel: 3,
    extra: {
      session: {
        disable_prepacking: file === undefined ? '1' : '0',
        intra_op: { spin_duration_us: SPIN_MICROSECONDS },
      },
    },
  };
  const model = graph.build(settings.pieces ?? (settings.provider === 'cuda' ? 'equal' : 'any'));
  if (file !== undefined) writeFileSync(file, model);
  const session = await (file === undefined
    ? InferenceSession.create(model, options)
    : InferenceSession.create(file, options));
  return new GraphSession(session, [...graph.inputs], graph.outputNames);
}

/** Elements of a tensor, row-major. */
export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** A tensor over `data`, which is not copied: views into larger buffers stay views. */
export function tensor(dtype: DType, data: TensorData, shape: Shape): Tensor {
  return new Tensor(dtype, data as Float32Array, [...shape]);
}
