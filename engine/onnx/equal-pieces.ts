/**
 * Graphs as CUDA runs them fast. It parts and joins tensors of one size in a single launch; for several sizes it makes
 * tables on the host, as long as the axis, and brings them to the device each time: milliseconds for an axis of millions.
 */
import type { GraphNode, Subgraph, Value } from './types.js';

/** Most pieces that one launch takes. */
const MOST = 32;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** The size that all of `sizes` are multiples of, and which; undefined where they are equal or unknown. */
function piecesOf(sizes: readonly number[]): { size: number; counts: number[]; total: number } | undefined {
  if (sizes.length < 2 || sizes.some((size) => size <= 0)) return undefined;
  const size = sizes.reduce(gcd);
  const counts = sizes.map((each) => each / size);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return total === sizes.length ? undefined : { size, counts, total };
}

/**
 * The same nodes with every `Split` and `Concat` of a few different sizes made of pieces of one size, and those of flat
 * vectors along an axis of rows instead of elements. Only copies are made, so results are the same to the bit.
 * @param ints makes a constant of the graph
 */
export function equalPieces(
  nodes: readonly GraphNode[],
  ints: (values: readonly number[]) => Value,
): GraphNode[] {
  const split = (x: Value, outputs: readonly Value[], axis: number, size: number): GraphNode => ({
    ...{ opType: 'Split', domain: '', attributes: { axis } },
    inputs: [x, ints(outputs.map(() => size))],
    outputs,
  });
  const concat = (inputs: readonly Value[], output: Value, axis: number): GraphNode => ({
    ...{ opType: 'Concat', domain: '', attributes: { axis } },
    inputs,
    outputs: [output],
  });
  const cut = (value: Value, axis: number, size: number, count: number): Value[] => {
    const at = axis < 0 ? axis + value.shape.length : axis;
    const shape = value.shape.map((dim, i) => (i === at ? size : dim));
    return Array.from({ length: count }, (_, i) => ({
      ...{ name: `${value.name}.${i}`, dtype: value.dtype, shape },
    }));
  };
  /** A flat vector as rows of `size`. */
  const asRows = (value: Value, name: string, size: number): [Value, GraphNode] => {
    const rows = { name, dtype: value.dtype, shape: [value.shape[0]! / size, size] };
    return [rows, reshape(value, rows)];
  };
  const reshape = (from: Value, to: Value): GraphNode => ({
    ...{ opType: 'Reshape', domain: '', attributes: {} },
    inputs: [from, ints(to.shape)],
    outputs: [to],
  });
  const flat = (values: readonly Value[]) => values.every(({ shape }) => shape.length === 1);
  const within = (graph: Subgraph): Subgraph => ({ ...graph, nodes: equalPieces(graph.nodes, ints) });

  return nodes.flatMap((node): GraphNode[] => {
    const axis = node.attributes['axis'] as number;
    const sizeOf = (value: Value) => value.shape.at(axis)!;
    if (node.opType === 'Split' && node.outputs.every((output) => output !== null)) {
      const outputs = node.outputs as Value[];
      const pieces = piecesOf(outputs.map(sizeOf));
      if (!pieces) return [node];
      const { size, counts, total } = pieces;
      if (total > MOST) {
        const x = node.inputs[0]!;
        if (size === 1 || !flat([x])) return [node];
        const [rows, first] = asRows(x, `${outputs[0]!.name}.rows`, size);
        const parts = outputs.map((output, i) => asRows(output, `${output.name}.${i}`, size)[0]);
        const cutRows = { ...split(rows, parts, 0, 1), inputs: [rows, ints(counts)] };
        return [first, cutRows, ...outputs.map((output, i) => reshape(parts[i]!, output))];
      }
      const parts = outputs.map((output, i) =>
        counts[i] === 1 ? [output] : cut(output, axis, size, counts[i]!),
      );
      const joins = outputs.flatMap((output, i) =>
        counts[i] === 1 ? [] : [concat(parts[i]!, output, axis)],
      );
      return [split(node.inputs[0]!, parts.flat(), axis, size), ...joins];
    }
    if (node.opType === 'Concat') {
      const inputs = node.inputs as Value[];
      const output = node.outputs[0]!;
      const pieces = piecesOf(inputs.map(sizeOf));
      if (!pieces) return [node];
      const { size, counts, total } = pieces;
      if (total > MOST) {
        if (size === 1 || !flat(inputs)) return [node];
        const rows = inputs.map((input, i) => asRows(input, `${output.name}.${i}`, size));
        const joined = { ...output, name: `${output.name}.rows`, shape: [total, size] };
        const join = concat(
          rows.map(([value]) => value),
          joined,
          0,
        );
        return [...rows.map(([, make]) => make), join, reshape(joined, output)];
      }
      // Named for the result, because a value may be part of several.
      const parts = inputs.map((input, i) =>
        counts[i] === 1 ? [input] : cut({ ...input, name: `${output.name}.${i}` }, axis, size, counts[i]!),
      );
      const cuts = inputs.flatMap((input, i) =>
        counts[i] === 1 ? [] : [split(input, parts[i]!, axis, size)],
      );
      return [...cuts, concat(parts.flat(), output, axis)];
    }
    const graphs = Object.entries(node.attributes).filter(
      (entry): entry is [string, Subgraph] => typeof entry[1] === 'object' && 'nodes' in entry[1],
    );
    if (graphs.length === 0) return [node];
    const inner = Object.fromEntries(graphs.map(([name, graph]) => [name, within(graph)]));
    return [{ ...node, attributes: { ...node.attributes, ...inner } }];
  });
}
