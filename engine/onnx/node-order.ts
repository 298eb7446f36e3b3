/** Which operators of a graph are written, and in what order, which decides when onnxruntime runs them. */
import type { GraphNode, Value } from './types.js';

/**
 * Operators that `outputs` need; those whose results nothing else reads come last, the latest of them first.
 *
 * onnxruntime runs what is in the graph, needed or not. It begins at the last operator that nothing reads, runs what that
 * needs, and goes on with the one before it. Gradients of weights are such operators, and the backward pass makes those of
 * the last layer first. In the order of their making, the first layer's gradient would pull the whole backward pass along,
 * and what every other layer's needs would be kept until then; in this order each is computed, and its inputs are freed, as
 * the backward pass goes by.
 */
export function executionOrder(nodes: readonly GraphNode[], outputs: readonly Value[]): GraphNode[] {
  const wanted = new Set(outputs);
  const read = new Set<Value>();
  const readBy = ({ inputs, attributes }: GraphNode): void => {
    for (const input of inputs) if (input) read.add(input);
    for (const attribute of Object.values(attributes))
      if (typeof attribute === 'object' && 'nodes' in attribute) {
        for (const output of attribute.outputs) read.add(output);
        attribute.nodes.forEach(readBy);
      }
  };
  const needed: GraphNode[] = [];
  const leaves: GraphNode[] = [];
  // An operator comes after what it reads, so that from the end its readers are known.
  for (const node of [...nodes].reverse()) {
    const has = (values: ReadonlySet<Value>): boolean =>
      node.outputs.some((output) => output !== null && values.has(output));
    if (has(read)) needed.push(node);
    else if (has(wanted)) leaves.push(node);
    else continue;
    readBy(node);
  }
  return [...needed.reverse(), ...leaves];
}
