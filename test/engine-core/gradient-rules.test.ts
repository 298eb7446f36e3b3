import { describe, expect, it } from 'vitest';
import { silu } from '../../engine/autodiff/elementwise.js';
import { differentiableOperators, gradients } from '../../engine/autodiff/gradients.js';
import type { Value } from '../../engine/onnx/index.js';
import { CONTRIB, createSession, float, GraphBuilder, ops, tensor } from '../../engine/onnx/index.js';
import type { Input } from './finite-difference.js';
import { checkGradient } from './finite-difference.js';

type Build = (g: GraphBuilder, ...inputs: Value[]) => Value | Value[];
type Case = [operator: string, what: string, inputs: Input[], build: Build];

const positive = (x: number): number => 0.5 + Math.abs(x);
/** At least 0.1 from zero, so that a kink there is out of reach of the finite difference. */
const awayFromZero = (x: number): number => x + Math.sign(x) * 0.1;
const m = (rows: number, columns: number, map?: Input['map']): Input =>
  map ? { shape: [rows, columns], map } : { shape: [rows, columns] };

const cases: Case[] = [
  ['Add', 'same shape', [m(3, 4), m(3, 4)], ops.add],
  ['Add', 'broadcast both ways', [m(3, 1), { shape: [2, 1, 4] }], ops.add],
  ['Sub', 'broadcast', [m(3, 4), { shape: [4] }], ops.sub],
  ['Mul', 'broadcast', [{ shape: [2, 3, 4] }, m(3, 1)], ops.mul],
  ['Mul', 'a value with itself', [m(3, 4)], (g, x) => ops.mul(g, x, x)],
  ['Div', 'broadcast', [m(3, 4), m(1, 4, positive)], ops.div],
  ['Max', 'apart', [m(3, 4, (x) => x + 3), m(3, 4)], (g, a, b) => ops.maximum(g, ops.mul(g, a, 0.5), b)],
  ['Min', 'apart', [m(3, 4, (x) => x + 5), m(3, 4)], ops.minimum],
  ['Neg', '', [m(3, 4)], ops.neg],
  ['Exp', '', [m(3, 4)], ops.exp],
  ['Log', '', [m(3, 4, positive)], ops.log],
  ['Sqrt', '', [m(3, 4, positive)], ops.sqrt],
  ['Reciprocal', '', [m(3, 4, positive)], ops.reciprocal],
  ['Sigmoid', '', [m(3, 4)], ops.sigmoid],
  ['Tanh', '', [m(3, 4)], ops.tanh],
  ['Softplus', '', [m(3, 4, (x) => 3 * x)], ops.softplus],
  ['Relu', '', [m(3, 4, awayFromZero)], (g, x) => g.op('Relu', [x])],
  ['Abs', '', [m(3, 4, awayFromZero)], (g, x) => g.op('Abs', [x])],
  ['Identity', '', [m(3, 4)], (g, x) => g.op('Identity', [x])],
  ['QuickGelu', 'alpha 1', [m(3, 4)], (g, x) => silu(g, x)],
  [
    'QuickGelu',
    'alpha 1.7',
    [m(3, 4)],
    (g, x) => g.op('QuickGelu', [x], { alpha: float(1.7) }, { domain: CONTRIB }),
  ],
  ['Pow', 'cube', [m(3, 4)], (g, x) => g.op('Pow', [x, g.scalar(3)])],
  [
    'Where',
    'broadcast',
    [m(3, 4), m(1, 4)],
    (g, a, b) => ops.where(g, g.constant('bool', [3, 1], [1, 0, 1]), a, b),
  ],
  [
    'Clip',
    'some inside, some out',
    [m(3, 4, (x) => (Math.abs(x) < 0.5 ? x * 0.5 : x * 2))],
    (g, x) => ops.clip(g, x, -0.5, 0.5),
  ],
  ['MatMul', 'batched', [{ shape: [2, 3, 4] }, { shape: [2, 4, 5] }], ops.matmul],
  ['MatMul', 'batch broadcast', [{ shape: [2, 3, 4] }, m(4, 5)], ops.matmul],
  ...[0, 1, 2, 3].flatMap((bits): Case[] => {
    const [transA, transB] = [bits % 2 === 1, bits > 1];
    const a = transA ? [4, 3] : [3, 4];
    const b = transB ? [5, 4] : [4, 5];
    const what = `transA ${transA}, transB ${transB}`;
    const options = { transA, transB, alpha: 0.5 };
    return [
      [
        'FusedMatMul',
        what,
        [{ shape: [2, ...a] }, { shape: [2, ...b] }],
        (g, x, y) => ops.fusedMatMul(g, x, y, options),
      ],
      [
        'Gemm',
        what,
        [{ shape: a }, { shape: b }, { shape: [1, 5] }],
        (g, x, y, bias) => ops.gemm(g, x, y, { ...options, bias: bias }),
      ],
    ];
  }),
  ['ReduceSum', 'inner axis, dropped', [{ shape: [2, 3, 4] }], (g, x) => ops.reduceSum(g, x, [1], false)],
  ['ReduceMean', 'two axes, kept', [{ shape: [2, 3, 4] }], (g, x) => ops.reduceMean(g, x, [0, -1])],
  ['ReduceMean', 'all', [m(3, 4)], (g, x) => ops.reduceMean(g, x)],
  ['ReduceSumSquare', '', [m(3, 4)], (g, x) => ops.reduceSumSquare(g, x, [1])],
  ['ReduceMax', '', [m(3, 4)], (g, x) => ops.reduceMax(g, x, [1], false)],
  ['Softmax', 'last axis', [m(3, 7)], (g, x) => ops.softmax(g, x)],
  ['Softmax', 'other axis', [m(3, 7)], (g, x) => ops.softmax(g, x, 0)],
  ['LogSoftmax', '', [m(3, 7)], (g, x) => ops.logSoftmax(g, x)],
  [
    'SimplifiedLayerNormalization',
    '',
    [{ shape: [2, 3, 8] }, { shape: [8] }],
    (g, x, w) => ops.rmsNorm(g, x, w, 1e-5).y,
  ],
  [
    'Gather',
    'repeated rows',
    [m(5, 3)],
    (g, x) => ops.gather(g, x, g.constant('int64', [2, 3], [4, 0, 4, 4, 1, 0])),
  ],
  [
    'GatherElements',
    '',
    [m(3, 5)],
    (g, x) => ops.gatherElements(g, x, g.constant('int64', [3, 2], [4, 0, 4, 4, 1, 0]), 1),
  ],
  [
    'RotaryEmbedding',
    'positions per row',
    [{ shape: [2, 3, 4] }],
    (g, x) =>
      g.op(
        'RotaryEmbedding',
        [
          x,
          g.constant('int64', [2, 3], [0, 1, 2, 2, 1, 0]),
          g.constant('float32', [3, 2], [1, 1, Math.cos(1), Math.cos(0.1), Math.cos(2), Math.cos(0.2)]),
          g.constant('float32', [3, 2], [0, 0, Math.sin(1), Math.sin(0.1), Math.sin(2), Math.sin(0.2)]),
        ],
        {},
        { domain: CONTRIB },
      ),
  ],
  ['Reshape', '', [m(3, 4)], (g, x) => ops.reshape(g, x, [2, 6])],
  ['Squeeze', '', [m(3, 1)], (g, x) => ops.squeeze(g, x, [1])],
  ['Unsqueeze', '', [m(3, 4)], (g, x) => ops.unsqueeze(g, x, [1])],
  ['Transpose', 'a cycle of axes', [{ shape: [2, 3, 4] }], (g, x) => ops.transpose(g, x, [1, 2, 0])],
  ['Concat', '', [m(3, 2), m(3, 4)], (g, a, b) => ops.concat(g, [a, b], 1)],
  ['Split', 'all parts used', [m(3, 6)], (g, x) => ops.split(g, x, [1, 2, 3], 1)],
  ['Split', 'one part unused', [m(3, 6)], (g, x) => ops.split(g, x, [1, 2, 3], 1).slice(1)],
  ['Slice', '', [m(3, 6)], (g, x) => ops.slice(g, x, 1, 2, 5)],
  ['Expand', '', [m(3, 1)], (g, x) => ops.expand(g, x, [2, 3, 4])],
];

describe('gradient rules agree with finite differences', () => {
  it.each(cases)('%s %s', async (_operator, _what, inputs, build) => {
    await checkGradient(inputs, build);
  });

  it('for every operator that has a rule', () => {
    expect(new Set(cases.map(([operator]) => operator))).toEqual(new Set(differentiableOperators));
  });
});

async function run(
  build: (g: GraphBuilder, x: Value) => Record<string, Value>,
  x: number[],
): Promise<Record<string, number[]>> {
  const g = new GraphBuilder();
  const outputs = build(g, g.input('x', 'float32', [x.length]));
  for (const [name, value] of Object.entries(outputs)) g.output(name, value);
  const session = await createSession(g, { threads: 1 });
  const result = await session.run({ x: tensor('float32', Float32Array.from(x), [x.length]) });
  await session.release();
  return Object.fromEntries(
    Object.entries(result).map(([name, value]) => [name, [...(value.data as Float32Array)]]),
  );
}

describe('gradients', () => {
  it('adds up every path from a value to the loss, dense and by row', async () => {
    // L = Σ x² + 3·x₂ + 3·x₂ + x₀: dL/dx = 2x + (1, 0, 6)
    const { d } = await run(
      (g, x) => {
        const rows = ops.gather(g, x, g.constant('int64', [3], [2, 2, 0]));
        const weighted = ops.mul(g, rows, g.constant('float32', [3], [3, 3, 1]));
        const loss = ops.add(
          g,
          ops.reduceSum(g, ops.mul(g, x, x), [0], false),
          ops.reduceSum(g, weighted, [0], false),
        );
        return { d: gradients(g, loss, [x])[0]! };
      },
      [1, 2, 3],
    );
    expect(d).toEqual([3, 4, 12]);
  });

  it('gives zeros where the loss does not depend on a value', async () => {
    const { d, e } = await run(
      (g, x) => {
        const other = ops.mul(g, x, 2);
        const [d, e] = gradients(g, ops.reduceSum(g, x, [0], false), [other, x]);
        return { d: d!, e: e! };
      },
      [1, 2],
    );
    expect(d).toEqual([0, 0]);
    expect(e).toEqual([1, 1]);
  });

  it('gives the gradient of intermediate values too', async () => {
    const { d, e } = await run(
      (g, x) => {
        const square = ops.mul(g, x, x);
        const [d, e] = gradients(g, ops.reduceSum(g, ops.mul(g, square, square), [0], false), [square, x]);
        return { d: d!, e: e! };
      },
      [1, 2],
    );
    expect(d).toEqual([2, 8]);
    expect(e).toEqual([4, 32]);
  });

  it('splits the gradient of a maximum between equal operands', async () => {
    const { d } = await run(
      (g, x) => {
        const loss = ops.reduceSum(g, ops.maximum(g, x, ops.neg(g, x)), [0], false);
        return { d: gradients(g, loss, [x])[0]! };
      },
      [0, 3, -2],
    );
    expect(d).toEqual([0, 1, -1]);
  });

  it('names the operator that it cannot differentiate', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const loss = ops.reduceSum(g, g.op('Sin', [x]), [0], false);
    expect(() => gradients(g, loss, [x])).toThrow(/no gradient rule for operator Sin/);
    expect(() => gradients(g, x, [x])).toThrow(/must be a scalar/);
  });
});
