import { checkSize, pack } from './constants.js';
import { equalPieces } from './equal-pieces.js';
import { writeModel } from './model-writer.js';
import { executionOrder } from './node-order.js';
import type { OutputSpec } from './shape-inference.js';
import { inferOutputs } from './shape-inference.js';
import type {
  Attributes,
  ConstantData,
  DType,
  ExternalData,
  GraphNode,
  Shape,
  Subgraph,
  Value,
} from './types.js';

export interface OpOptions {
  /** Operator domain; `CONTRIB` for onnxruntime's own operators. Default: the ONNX domain. */
  domain?: string;
  /** How many outputs to take where the operator has several (`Split` infers it). Default 1. */
  outputs?: number;
  /** Types and shapes of the outputs, for operators without inference here; `null` leaves an output out. */
  specs?: readonly (OutputSpec | null)[];
}

/** Rows of a gradient that is zero elsewhere: `rows[i]` belongs to row `indices[i]`; repeated rows add up. */
export interface RowGradient {
  /** int64 [n] */
  readonly indices: Value;
  /** float32 [n, ...] */
  readonly rows: Value;
}
/** What a rule gives for one input: nothing, a dense gradient, or several contributions to be added. */
export type Contribution = Value | RowGradient | readonly (Value | RowGradient)[] | null;

/**
 * Gradient rule: given dL/doutput (null where nothing depends on an output) and which inputs need a gradient,
 * dL/dinput for each input.
 */
export type Vjp = (
  gradients: readonly (Value | null)[],
  needs: readonly boolean[],
) => readonly Contribution[];

/** One differentiable step: an operator (rule looked up by type) or a composite with a rule of its own. */
export type TapeEntry =
  | { kind: 'node'; node: GraphNode }
  | { kind: 'composite'; inputs: readonly Value[]; outputs: readonly Value[]; vjp: Vjp };

interface SharedState {
  nextName: number;
  readonly initializers: Map<string, Value>;
  readonly constants: Map<string, Value>;
}

/**
 * An ONNX graph under construction. Shapes are static and inferred as operators are added, so mistakes surface at
 * the line that makes them. Every value belongs to the builder that made it or to a builder enclosing it.
 */
export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  /** What was computed, in order, for reverse-mode differentiation (`engine/autodiff`). */
  readonly tape: TapeEntry[] = [];
  readonly inputs: Value[] = [];
  readonly #outputs: { value: Value; name: string }[] = [];
  readonly #shared: SharedState;
  #compositeDepth = 0;

  constructor(
    readonly name = 'graph',
    parent?: GraphBuilder,
  ) {
    this.#shared = parent ? parent.#shared : { nextName: 0, initializers: new Map(), constants: new Map() };
  }

  /** Declares a graph input. `shape` may hold `UNKNOWN` only where no inference depends on it. */
  input(name: string, dtype: DType, shape: Shape): Value {
    if (this.inputs.some((value) => value.name === name))
      throw new Error(`graph input ${name} is declared twice`);
    const value = { name, dtype, shape };
    this.inputs.push(value);
    return value;
  }

  /** Makes `value` a graph output called `name`. */
  output(name: string, value: Value): void {
    if (this.#outputs.some((output) => output.name === name))
      throw new Error(`graph output ${name} is declared twice`);
    const taken =
      this.inputs.includes(value) || value.data || this.#outputs.some((output) => output.value === value);
    this.#outputs.push({ name, value: taken ? this.op('Identity', [value]) : value });
  }

  get outputNames(): string[] {
    return this.#outputs.map((output) => output.name);
  }

  /** Names and values of the outputs, in the order they were declared. */
  get outputs(): readonly { name: string; value: Value }[] {
    return this.#outputs;
  }

  /** A constant tensor. Equal small constants are stored once. */
  constant(dtype: DType, shape: Shape, values: ArrayLike<number> | ConstantData): Value {
    const data = ArrayBuffer.isView(values) ? values : pack(dtype, values);
    checkSize(shape, data);
    const key = data.length <= 64 ? `${dtype}|${shape.join()}|${Array.from(data, keyOf).join()}` : undefined;
    const known = key === undefined ? undefined : this.#shared.constants.get(key);
    if (known) return known;
    const value: Value = { name: this.#fresh('_c'), dtype, shape, data };
    this.#shared.initializers.set(value.name, value);
    if (key !== undefined) this.#shared.constants.set(key, value);
    return value;
  }

  /** A float32 constant that is read from a file beside the model's own, see `createSession`. */
  external(shape: Shape, external: ExternalData): Value {
    const value: Value = { name: this.#fresh('_c'), dtype: 'float32', shape, external };
    this.#shared.initializers.set(value.name, value);
    return value;
  }

  /** A constant without axes. */
  scalar(value: number, dtype: DType = 'float32'): Value {
    return this.constant(dtype, [], [value]);
  }

  /** A one-dimensional int64 constant, as operators take for shapes and axes. */
  ints(values: readonly number[]): Value {
    return this.constant('int64', [values.length], values);
  }

  /** Adds an operator with one output. */
  op(
    type: string,
    inputs: readonly (Value | null)[],
    attributes: Attributes = {},
    options: OpOptions = {},
  ): Value {
    const value = this.ops(type, inputs, attributes, options)[0];
    if (!value) throw new Error(`${type}: its first output was left out`);
    return value;
  }

  /** Adds an operator; `null` among the outputs stands for one that was left out. */
  ops(
    type: string,
    inputs: readonly (Value | null)[],
    attributes: Attributes = {},
    options: OpOptions = {},
  ): (Value | null)[] {
    const specs = options.specs ?? inferOutputs(type, inputs, attributes, options.outputs ?? 1);
    const outputs = specs.map((spec) =>
      spec ? { name: this.#fresh('_v'), dtype: spec.dtype, shape: spec.shape } : null,
    );
    const node: GraphNode = { opType: type, domain: options.domain ?? '', inputs, outputs, attributes };
    this.nodes.push(node);
    if (this.#compositeDepth === 0) this.tape.push({ kind: 'node', node });
    return outputs;
  }

  /**
   * Differentiates what `emit` computes by `vjp` instead of operator by operator: for steps whose gradient has a
   * cheaper closed form, or that use operators without a rule.
   */
  composite<T extends readonly Value[]>(inputs: readonly Value[], emit: () => T, vjp: Vjp): T {
    this.#compositeDepth += 1;
    let outputs: T;
    try {
      outputs = emit();
    } finally {
      this.#compositeDepth -= 1;
    }
    if (this.#compositeDepth === 0) this.tape.push({ kind: 'composite', inputs, outputs, vjp });
    return outputs;
  }

  /**
   * `Loop`: runs `body` while `cond` holds and at most `trips` times.
   * @param carried initial values of the loop-carried tensors
   * @param body gets the iteration (int64 scalar), the condition and the carried tensors; returns the next
   *   condition, the next carried tensors (same shapes) and tensors to stack, one slice an iteration
   * @returns last carried tensors and stacked ones (leading dimension `UNKNOWN` unless `scanLength` is given)
   */
  loop(
    trips: Value | null,
    cond: Value | null,
    carried: readonly Value[],
    body: (
      g: GraphBuilder,
      iteration: Value,
      cond: Value,
      carried: Value[],
    ) => { cond?: Value; carried: readonly Value[]; scans?: readonly Value[] },
    scanLength = -1,
  ): { carried: Value[]; scans: Value[] } {
    const g = new GraphBuilder('body', this);
    const iteration = g.#localInput('int64', []);
    const condIn = g.#localInput('bool', []);
    const carriedIn = carried.map((value) => g.#localInput(value.dtype, value.shape));
    const result = body(g, iteration, condIn, carriedIn);
    const scans = result.scans ?? [];
    const outputs = [result.cond ?? condIn, ...result.carried, ...scans].map((value) => g.#asLocal(value));
    const specs: OutputSpec[] = [
      ...carried.map(({ dtype, shape }) => ({ dtype, shape })),
      ...scans.map(({ dtype, shape }) => ({ dtype, shape: [scanLength, ...shape] })),
    ];
    const values = this.ops(
      'Loop',
      [trips, cond, ...carried],
      { body: { nodes: g.nodes, inputs: g.inputs, outputs } },
      { specs },
    ) as Value[];
    return { carried: values.slice(0, carried.length), scans: values.slice(carried.length) };
  }

  /** `If`: both branches must return the same number of values with the same types and shapes. */
  ifElse(
    cond: Value,
    whenTrue: (g: GraphBuilder) => Value[],
    whenFalse: (g: GraphBuilder) => Value[],
  ): Value[] {
    const branch = (build: (g: GraphBuilder) => Value[]): Subgraph => {
      const g = new GraphBuilder('branch', this);
      const outputs = build(g).map((value) => g.#asLocal(value));
      return { nodes: g.nodes, inputs: [], outputs };
    };
    const thenBranch = branch(whenTrue);
    const elseBranch = branch(whenFalse);
    const specs = thenBranch.outputs.map(({ dtype, shape }) => ({ dtype, shape }));
    return this.ops('If', [cond], { then_branch: thenBranch, else_branch: elseBranch }, { specs }) as Value[];
  }

  /**
   * Serialises the graph as an ONNX model.
   * @param pieces in the form that CUDA runs fast, see `equalPieces`
   */
  build(pieces: 'any' | 'equal' = 'any'): Uint8Array {
    if (this.#outputs.length === 0) throw new Error(`graph ${this.name} has no outputs`);
    const ordered = executionOrder(
      this.nodes,
      this.#outputs.map(({ value }) => value),
    );
    return writeModel({
      name: this.name,
      nodes: pieces === 'equal' ? equalPieces(ordered, (values) => this.ints(values)) : ordered,
      inputs: this.inputs,
      outputs: this.#outputs.map((output) => output.value),
      initializers: [...this.#shared.initializers.values()],
      renames: new Map(this.#outputs.map((output) => [output.value, output.name])),
    });
  }

  #fresh(prefix: string): string {
    return `${prefix}${this.#shared.nextName++}`;
  }

  #localInput(dtype: DType, shape: Shape): Value {
    return this.input(this.#fresh('_i'), dtype, shape);
  }

  /** A subgraph must produce its outputs itself, each once: values from outside or inputs pass through an Identity. */
  #asLocal(value: Value): Value {
    return this.nodes.some((node) => node.outputs.includes(value)) ? value : this.op('Identity', [value]);
  }
}

function keyOf(element: number | bigint): string {
  return Object.is(element, -0) ? '-0' : String(element);
}
