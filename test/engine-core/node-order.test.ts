import { expect, test } from 'vitest';
import { gradients } from '../../engine/autodiff/gradients.js';
import { GraphBuilder } from '../../engine/onnx/graph-builder.js';
import { leavesLast } from '../../engine/onnx/node-order.js';
import * as ops from '../../engine/onnx/ops.js';
import type { Value } from '../../engine/onnx/types.js';

/** x·W₁ᵀ·W₂ᵀ·…, and the gradients of all weights. */
function chain(layers: number): { g: GraphBuilder; grads: Value[] } {
  const g = new GraphBuilder();
  const weights = Array.from({ length: layers }, (_, i) => g.input(`w${i}`, 'float32', [4, 4]));
  const y = weights.reduce((x, w) => ops.gemm(g, x, w, { transB: true }), g.input('x', 'float32', [2, 4]));
  return { g, grads: gradients(g, ops.reduceSum(g, y, [0, 1], false), weights) };
}

test('after the loss come the gradients in the order of the backward pass: onnxruntime begins at the end', () => {
  const { g, grads } = chain(5);
  const order = leavesLast(g.nodes);
  const places = grads.map((grad) => order.findIndex((node) => node.outputs.includes(grad)));
  expect(order.slice(places.at(-1)! + 1).map(({ opType }) => opType)).toEqual(['ReduceSum']);
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(new Set(order)).toEqual(new Set(g.nodes));
});

test('an operator still comes after what it reads, also from inside a loop', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  const outside = ops.mul(g, x, 2);
  const { carried } = g.loop(g.scalar(4, 'int64'), null, [x], (body, _i, _cond, [sum]) => ({
    carried: [ops.add(body, sum!, outside)],
    scans: [],
  }));
  g.output('sum', carried[0]!);
  const order = leavesLast(g.nodes);
  const loop = order.findIndex(({ opType }) => opType === 'Loop');
  expect(order.findIndex(({ outputs }) => outputs.includes(outside))).toBeLessThan(loop);
  expect(loop).toBe(order.length - 1);
});
