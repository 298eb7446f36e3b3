import { expect, test } from 'vitest';
import { gradients } from '../../engine/autodiff/gradients.js';
import { GraphBuilder } from '../../engine/onnx/graph-builder.js';
import { executionOrder } from '../../engine/onnx/node-order.js';
import * as ops from '../../engine/onnx/ops.js';
import type { Value } from '../../engine/onnx/types.js';

/** x·W₁ᵀ·W₂ᵀ·…, and the gradients of all weights. */
function chain(layers: number): { g: GraphBuilder; loss: Value; grads: Value[] } {
  const g = new GraphBuilder();
  const weights = Array.from({ length: layers }, (_, i) => g.input(`w${i}`, 'float32', [4, 4]));
  const y = weights.reduce((x, w) => ops.gemm(g, x, w, { transB: true }), g.input('x', 'float32', [2, 4]));
  const loss = ops.reduceSum(g, y, [0, 1], false);
  return { g, loss, grads: gradients(g, loss, weights) };
}

test('after the loss come the gradients in the order of the backward pass: onnxruntime begins at the end', () => {
  const { g, loss, grads } = chain(5);
  const order = executionOrder(g.nodes, [...grads, loss]);
  const places = grads.map((grad) => order.findIndex((node) => node.outputs.includes(grad)));
  expect(order.slice(places.at(-1)! + 1).map(({ opType }) => opType)).toEqual(['ReduceSum']);
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(new Set(order)).toEqual(new Set(g.nodes));
});

test('what no output needs is left out', () => {
  const { g, grads } = chain(3);
  const last = executionOrder(g.nodes, [grads[2]!]);
  expect(last.some(({ outputs }) => outputs.includes(grads[2]!))).toBe(true);
  expect(last.some(({ opType }) => opType === 'ReduceSum')).toBe(false);
  expect(last.length).toBeLessThan(executionOrder(g.nodes, grads).length);
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
  const order = executionOrder(g.nodes, carried);
  const loop = order.findIndex(({ opType }) => opType === 'Loop');
  expect(order.findIndex(({ outputs }) => outputs.includes(outside))).toBeLessThan(loop);
  expect(loop).toBe(order.length - 1);
});
