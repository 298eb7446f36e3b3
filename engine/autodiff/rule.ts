import type { Contribution, GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { GraphNode, Shape, Value } from '../onnx/types.js';

/** What a rule sees of the operator that it differentiates. */
export interface RuleContext {
  readonly g: GraphBuilder;
  readonly node: GraphNode;
  /** Inputs and outputs of the node. A rule may use outputs instead of computing them again. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** dL/doutput; null where nothing depends on that output. */
  readonly gradients: readonly (Value | null)[];
  /** Which inputs need a gradient; rules skip the others. */
  readonly needs: readonly boolean[];
}

/** dL/dinput for every input, null where there is none. Only called when some input needs one. */
export type Rule = (context: RuleContext) => readonly Contribution[];
export type Rules = Readonly<Record<string, Rule>>;

/** The gradient of a single-output operator. */
export function gradientOf(context: RuleContext): Value {
  const gradient = context.gradients[0];
  if (!gradient) throw new Error(`${context.node.opType}: the gradient of its first output is missing`);
  return gradient;
}

/** Undoes broadcasting: sums `x` over the axes along which `shape` was stretched. */
export function sumTo(g: GraphBuilder, x: Value, shape: Shape): Value {
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((dim, i) => (i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : []));
  return ops.reshape(g, axes.length === 0 ? x : ops.reduceSum(g, x, axes, true), shape);
}
