import { describe, expect, it } from 'vitest';
import { attention, segmentMask } from '../../engine/autodiff/attention.js';
import { gradients } from '../../engine/autodiff/gradients.js';
import { swiglu } from '../../engine/autodiff/swiglu.js';
import { tokenLogprobs } from '../../engine/loss/token-logprobs.js';
import type { Value } from '../../engine/onnx/index.js';
import { createSession, GraphBuilder, ops, tensor } from '../../engine/onnx/index.js';
import { checkGradient, normal } from './finite-difference.js';

interface AttentionCase {
  what: string;
  heads: number;
  kvHeads: number;
  blockLength?: number;
  packed?: boolean;
}
const [length, batch, headDim] = [7, 2, 4];
const attentionCases: AttentionCase[] = [
  { what: 'one block', heads: 3, kvHeads: 3 },
  { what: 'blocks of 3 (the last one shorter)', heads: 2, kvHeads: 2, blockLength: 3 },
  { what: 'grouped queries', heads: 4, kvHeads: 2 },
  { what: 'grouped queries in blocks', heads: 4, kvHeads: 1, blockLength: 4 },
  { what: 'packed rows', heads: 2, kvHeads: 2, packed: true },
  { what: 'packed rows, grouped queries in blocks', heads: 4, kvHeads: 2, packed: true, blockLength: 3 },
];
const segments = [0, 0, 0, 1, 1, 2, 2, 5, 5, 5, 5, 5, 6, 6];

function attentionOf(c: AttentionCase) {
  return (g: GraphBuilder, q: Value, k: Value, v: Value): Value =>
    attention(g, {
      q,
      k,
      v,
      mask: c.packed ? segmentMask(g, g.constant('float32', [batch, length], segments)) : undefined,
      shape: { length, batch, heads: c.heads, kvHeads: c.kvHeads, headDim },
      ...(c.blockLength ? { blockLength: c.blockLength } : {}),
    });
}

/** Attention by its definition, in double precision, one query at a time. */
function attentionByHand(c: AttentionCase, q: Float32Array, k: Float32Array, v: Float32Array): number[] {
  const out = new Array<number>(length * batch * c.heads * headDim).fill(0);
  const at = (t: number, b: number, head: number, heads: number): number =>
    ((t * batch + b) * heads + head) * headDim;
  for (let b = 0; b < batch; b += 1) {
    for (let head = 0; head < c.heads; head += 1) {
      const shared = Math.floor((head * c.kvHeads) / c.heads);
      for (let t = 0; t < length; t += 1) {
        const keys = Array.from({ length: t + 1 }, (_, s) => s).filter(
          (s) => !c.packed || segments[b * length + s] === segments[b * length + t],
        );
        const weights = keys.map((s) => {
          let dot = 0;
          for (let i = 0; i < headDim; i += 1)
            dot += q[at(t, b, head, c.heads) + i]! * k[at(s, b, shared, c.kvHeads) + i]!;
          return Math.exp(dot / Math.sqrt(headDim));
        });
        const total = weights.reduce((x, y) => x + y, 0);
        keys.forEach((s, n) => {
          for (let i = 0; i < headDim; i += 1) {
            out[at(t, b, head, c.heads) + i]! += (weights[n]! / total) * v[at(s, b, shared, c.kvHeads) + i]!;
          }
        });
      }
    }
  }
  return out;
}

describe.each(attentionCases)('attention, $what', (c) => {
  const shapes = [c.heads, c.kvHeads, c.kvHeads].map((heads) => [length * batch, heads * headDim]);

  it('is softmax-weighted values of the keys that a query may see', async () => {
    const g = new GraphBuilder();
    const [q, k, v] = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape)) as [Value, Value, Value];
    g.output('y', attentionOf(c)(g, q, k, v));
    const session = await createSession(g, { threads: 1 });
    const data = shapes.map((shape, i) => normal(shape[0]! * shape[1]!, `x${i}`)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const { y } = await session.run(
      Object.fromEntries(data.map((x, i) => [`x${i}`, tensor('float32', x, shapes[i]!)])),
    );
    attentionByHand(c, ...data).forEach((expected, i) => {
      expect(Math.abs((y!.data as Float32Array)[i]! - expected)).toBeLessThan(2e-6);
    });
    await session.release();
  });

  it('has the gradient that finite differences find', async () => {
    await checkGradient(
      shapes.map((shape) => ({ shape })),
      (g, q, k, v) => attentionOf(c)(g, q, k, v),
    );
  });
});

describe('SwiGLU', () => {
  it('has the gradient that finite differences find', async () => {
    await checkGradient([{ shape: [3, 5] }, { shape: [3, 5] }], (g, gate, up) => swiglu(g, gate, up));
  });
});

describe('token log-probabilities', () => {
  const targets = [3, 0, 3, 10, 6, 6, 1];
  const build =
    (options: { temperature?: number; chunkRows?: number }) =>
    (g: GraphBuilder, hidden: Value | undefined, head: Value | undefined): Value =>
      tokenLogprobs(g, hidden!, head!, g.constant('int64', [targets.length], targets), options);
  const inputs = [{ shape: [targets.length, 4] }, { shape: [11, 4] }];

  it.each([{}, { temperature: 0.7 }, { chunkRows: 3 }, { chunkRows: 2, temperature: 1.5 }])(
    'have the gradient that finite differences find, %j',
    async (options) => {
      await checkGradient(inputs, build(options));
    },
  );

  it('survive logits that overflow exp', async () => {
    const g = new GraphBuilder();
    const hidden = g.input('hidden', 'float32', [1, 1]);
    const head = g.constant('float32', [3, 1], [1, 0, -1]);
    const logprobs = tokenLogprobs(g, hidden, head, g.constant('int64', [1], [2]));
    g.output('logprob', logprobs);
    g.output('gradient', gradients(g, ops.reduceSum(g, logprobs, [0], false), [hidden])[0]!);
    const session = await createSession(g, { threads: 1 });
    const { logprob, gradient } = await session.run({
      hidden: tensor('float32', Float32Array.of(500), [1, 1]),
    });
    expect((logprob!.data as Float32Array)[0]).toBe(-1000);
    expect((gradient!.data as Float32Array)[0]).toBe(-2);
    await session.release();
  });
});
