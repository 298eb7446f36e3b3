/** Reverse-mode differentiation: walks a graph's tape backwards and adds the gradient's operators to the graph. */
import type { Contribution, GraphBuilder, RowGradient, TapeEntry } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { elements } from '../onnx/types.js';
import { elementwiseRules } from './elementwise.js';
import { gatherRules } from './gather.js';
import { matmulRules } from './matmul.js';
import { normalizationRules } from './normalization.js';
import { reductionRules } from './reduction.js';
import { ropeRules } from './rope.js';
import type { Rules } from './rule.js';
import { shapeRules } from './shape.js';
import { softmaxRules } from './softmax.js';

const RULES: Rules = {
  ...elementwiseRules,
  ...gatherRules,
  ...matmulRules,
  ...normalizationRules,
  ...reductionRules,
  ...ropeRules,
  ...shapeRules,
  ...softmaxRules,
};

/** Operator types that `gradients` can differentiate. */
export const differentiableOperators: readonly string[] = Object.keys(RULES);

/**
 * Adds dloss/dw for every `w` of `wrt` to `g`.
 * @param loss a scalar of `g` (one element)
 * @returns one gradient per `w`, of its shape; zeros where `loss` does not depend on it
 * @throws if an operator between `wrt` and `loss` has no rule
 */
export function gradients(g: GraphBuilder, loss: Value, wrt: readonly Value[]): Value[] {
  if (elements(loss.shape) !== 1) throw new Error(`the loss must be a scalar, not [${loss.shape.join()}]`);
  return pullBack(g, g.tape, loss, g.constant('float32', loss.shape, [1]), wrt);
}

/**
 * The gradient `upstream` of `output` carried back through `steps` to every `w` of `wrt`.
 * @param steps what was recorded between `wrt` and `output`
 */
export function pullBack(
  g: GraphBuilder,
  steps: readonly TapeEntry[],
  output: Value,
  upstream: Value,
  wrt: readonly Value[],
): Value[] {
  const tape = [...steps];
  const dependent = dependentValues(tape, wrt);
  const pending = new Map<Value, (Value | RowGradient)[]>([[output, [upstream]]]);
  const wanted = new Set(wrt);
  const finished = new Map<Value, Value>();

  for (const entry of tape.reverse()) {
    const { inputs, outputs } = ends(entry);
    const outputGradients = outputs.map((output) => {
      const parts = output && pending.get(output);
      if (!output || !parts) return null;
      const total = sum(g, parts, output);
      pending.delete(output);
      if (wanted.has(output)) finished.set(output, total);
      return total;
    });
    const needs = inputs.map((input) => input !== null && dependent.has(input));
    if (outputGradients.every((gradient) => gradient === null) || !needs.includes(true)) continue;
    differentiate(g, entry, outputGradients, needs).forEach((contribution, i) => {
      const input = inputs[i];
      if (!input || !needs[i] || !contribution) return;
      const parts = Array.isArray(contribution)
        ? (contribution as (Value | RowGradient)[])
        : [contribution as Value];
      pending.set(input, [...(pending.get(input) ?? []), ...parts]);
    });
  }
  return wrt.map((value) => finished.get(value) ?? sum(g, pending.get(value) ?? [], value));
}

function ends(entry: TapeEntry): { inputs: readonly (Value | null)[]; outputs: readonly (Value | null)[] } {
  return entry.kind === 'node' ? entry.node : entry;
}

/** Everything computed from `wrt`, directly or not. */
function dependentValues(tape: readonly TapeEntry[], wrt: readonly Value[]): Set<Value> {
  const dependent = new Set(wrt);
  for (const entry of tape) {
    const { inputs, outputs } = ends(entry);
    if (inputs.some((input) => input && dependent.has(input))) {
      for (const output of outputs) if (output) dependent.add(output);
    }
  }
  return dependent;
}

function differentiate(
  g: GraphBuilder,
  entry: TapeEntry,
  outputGradients: readonly (Value | null)[],
  needs: readonly boolean[],
): readonly Contribution[] {
  if (entry.kind === 'composite') return entry.vjp(outputGradients, needs);
  const { node } = entry;
  const rule = RULES[node.opType];
  if (!rule) throw new Error(`no gradient rule for operator ${node.opType}`);
  const inputs = node.inputs as readonly Value[];
  const outputs = node.outputs as readonly Value[];
  return rule({ g, node, inputs, outputs, gradients: outputGradients, needs });
}

/** Adds up the contributions to the gradient of `value`; rows last, in one scatter. */
function sum(g: GraphBuilder, parts: readonly (Value | RowGradient)[], value: Value): Value {
  const dense = parts.filter((part): part is Value => 'name' in part);
  const rows = parts.filter((part): part is RowGradient => 'rows' in part);
  const base =
    dense.length > 0 ? dense.reduce((a, b) => ops.add(g, a, b)) : ops.expand(g, g.scalar(0), value.shape);
  if (rows.length === 0) return base;
  const indices =
    rows.length === 1
      ? rows[0]!.indices
      : ops.concat(
          g,
          rows.map((part) => part.indices),
          0,
        );
  const updates =
    rows.length === 1
      ? rows[0]!.rows
      : ops.concat(
          g,
          rows.map((part) => part.rows),
          0,
        );
  return ops.scatterAdd(g, base, indices, updates);
}
