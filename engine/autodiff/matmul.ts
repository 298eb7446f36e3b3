/** Gradients of matrix products. */
import * as ops from '../onnx/ops.js';
import { floatAttribute } from '../onnx/shape-inference.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf, sumTo } from './rule.js';

const matMul: Rule = (c) => {
  const d = gradientOf(c);
  const [a, b] = [c.inputs[0]!, c.inputs[1]!];
  const at = c.node.attributes;
  if (at.transBatchA || at.transBatchB)
    throw new Error('FusedMatMul with transBatch is differentiable in composites only');
  const [transA, transB] = [!!at.transA, !!at.transB];
  const alpha = floatAttribute(at, 'alpha', 1);
  // Y = αAB: dA = α dY Bᵀ, dB = α Aᵀ dY; for a transposed operand the transpose of that.
  const da = (): ReturnType<typeof ops.matmul> =>
    transA
      ? ops.fusedMatMul(c.g, b, d, { transA: transB, transB: true, alpha })
      : ops.fusedMatMul(c.g, d, b, { transB: !transB, alpha });
  const db = (): ReturnType<typeof ops.matmul> =>
    transB
      ? ops.fusedMatMul(c.g, d, a, { transA: true, transB: transA, alpha })
      : ops.fusedMatMul(c.g, a, d, { transA: !transA, alpha });
  return [c.needs[0] ? sumTo(c.g, da(), a.shape) : null, c.needs[1] ? sumTo(c.g, db(), b.shape) : null];
};

const gemm: Rule = (c) => {
  const d = gradientOf(c);
  const [a, b, bias] = [c.inputs[0]!, c.inputs[1]!, c.node.inputs[2]];
  const [transA, transB] = [!!c.node.attributes.transA, !!c.node.attributes.transB];
  const alpha = floatAttribute(c.node.attributes, 'alpha', 1);
  if (floatAttribute(c.node.attributes, 'beta', 1) !== 1)
    throw new Error('Gemm is differentiable for beta 1 only');
  const da = (): ReturnType<typeof ops.gemm> =>
    transA
      ? ops.gemm(c.g, b, d, { transA: transB, transB: true, alpha })
      : ops.gemm(c.g, d, b, { transB: !transB, alpha });
  const db = (): ReturnType<typeof ops.gemm> =>
    transB
      ? ops.gemm(c.g, d, a, { transA: true, transB: transA, alpha })
      : ops.gemm(c.g, a, d, { transA: !transA, alpha });
  return [
    c.needs[0] ? da() : null,
    c.needs[1] ? db() : null,
    bias && c.needs[2] ? sumTo(c.g, d, bias.shape) : null,
  ];
};

export const matmulRules: Rules = { MatMul: matMul, FusedMatMul: matMul, Gemm: gemm };
