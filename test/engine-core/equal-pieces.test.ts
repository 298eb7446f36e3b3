/** Graphs in the form for CUDA: parts of one size, and the same numbers. */
import fc from 'fast-check';
import { InferenceSession } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { equalPieces } from '../../engine/onnx/equal-pieces.js';
import { GraphBuilder } from '../../engine/onnx/graph-builder.js';
import * as ops from '../../engine/onnx/ops.js';
import { tensor } from '../../engine/onnx/session.js';
import type { GraphNode, Value } from '../../engine/onnx/types.js';

/** In a loop: parts of the given sizes, each scaled by its number, joined in another order, added to the sum. */
function graphOf(sizes: readonly number[], axis: number): GraphBuilder {
  const g = new GraphBuilder();
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const shape = axis === 0 ? [total, 2] : [2, total];
  const x = g.input('x', 'float32', shape);
  const { carried } = g.loop(g.scalar(2, 'int64'), null, [x], (body, _i, _cond, [sum]) => {
    const parts = ops.split(body, sum!, sizes, axis);
    const scaled = parts.map((part, i) => ops.mul(body, part, i + 2));
    return { carried: [ops.add(body, ops.concat(body, [...scaled].reverse(), axis), x)] };
  });
  g.output('y', carried[0]!);
  return g;
}

const within = (nodes: readonly GraphNode[]): GraphNode[] =>
  nodes.flatMap((node) => [
    node,
    ...Object.values(node.attributes).flatMap((each) =>
      typeof each === 'object' && 'nodes' in each ? within(each.nodes) : [],
    ),
  ]);

it('gives the same numbers, and leaves nothing of several sizes that few pieces of one size can make', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(0, 1, -1),
      async (unit, counts, axis) => {
        const sizes = counts.map((count) => count * unit);
        const g = graphOf(sizes, axis);
        const nodes = within(equalPieces(g.nodes, (values) => g.ints(values)));
        for (const { opType, inputs, outputs, attributes } of nodes) {
          if (opType !== 'Split' && opType !== 'Concat') continue;
          const parts = (opType === 'Split' ? outputs : inputs) as Value[];
          expect(new Set(parts.map(({ shape }) => shape.at(attributes['axis'] as number))).size).toBe(1);
        }
        const { shape } = g.inputs[0]!;
        const x = tensor(
          'float32',
          Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => i + 1),
          shape,
        );
        const [plain, equal] = await Promise.all(
          (['any', 'equal'] as const).map(async (pieces) => {
            const session = await InferenceSession.create(graphOf(sizes, axis).build(pieces), {
              logSeverityLevel: 3,
            });
            const { y } = await session.run({ x });
            await session.release();
            return [...(y!.data as Float32Array)];
          }),
        );
        expect(equal).toEqual(plain);
      },
    ),
    { numRuns: 30 },
  );
});

it('goes along rows where a flat vector has more pieces than one launch takes', async () => {
  const sizes = [6, 300, 9, 30];
  const vector = (pieces: 'any' | 'equal'): Uint8Array => {
    const g = new GraphBuilder();
    const parts = ops.split(g, g.input('x', 'float32', [345]), sizes, 0);
    g.output('y', ops.concat(g, [...parts.map((part) => ops.mul(g, part, 2))].reverse(), 0));
    if (pieces === 'equal') {
      const along = equalPieces(g.nodes, (values) => g.ints(values)).filter(({ opType }) =>
        ['Split', 'Concat'].includes(opType),
      );
      expect(along.map(({ inputs, outputs }) => [inputs[0]!.shape, outputs[0]!.shape])).toEqual([
        [
          [115, 3],
          [2, 3],
        ],
        [
          [10, 3],
          [115, 3],
        ],
      ]);
    }
    return g.build(pieces);
  };
  const x = tensor(
    'float32',
    Float32Array.from({ length: 345 }, (_, i) => i),
    [345],
  );
  const [plain, equal] = await Promise.all(
    (['any', 'equal'] as const).map(async (pieces) => {
      const session = await InferenceSession.create(vector(pieces), { logSeverityLevel: 3 });
      return [...((await session.run({ x }))['y']!.data as Float32Array)];
    }),
  );
  expect(equal).toEqual(plain);
});

it('leaves what neither helps', () => {
  const g = graphOf([1, 40], 0);
  expect(within(equalPieces(g.nodes, (values) => g.ints(values))).map(({ opType }) => opType)).toEqual(
    within(g.nodes).map(({ opType }) => opType),
  );
});
