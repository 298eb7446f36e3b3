/** The order in which a graph's operators are written, which decides when onnxruntime runs them. */
import type { GraphNode, Value } from './types.js';

/**
 * Operators whose results nothing reads come last, the latest of them first.
 *
 * onnxruntime begins at the last such operator, runs what it needs, and goes on with the one before it. Gradients of
 * weights are such operators, and the backward pass makes those of the last layer first. In the order of their making,
 * the first layer's gradient would pull the whole backward pass along, and what every other layer's needs would be kept
 * until then; in this order each is computed, and its inputs are freed, as the backward pass goes by.
 */
export function leavesLast(nodes: readonly GraphNode[]): GraphNode[] {
  const read = new Set<Value>();
  const visit = (all: readonly GraphNode[]): void => {
    for (const { inputs, attributes } of all) {
      for (const input of inputs) if (input) read.add(input);
      for (const attribute of Object.values(attributes))
        if (typeof attribute === 'object' && 'nodes' in attribute) {
          visit(attribute.nodes);
          for (const output of attribute.outputs) read.add(output);
        }
    }
  };
  visit(nodes);
  const isLeaf = ({ outputs }: GraphNode): boolean => !outputs.some((output) => output && read.has(output));
  return [...nodes.filter((node) => !isLeaf(node)), ...nodes.filter(isLeaf).reverse()];
}
