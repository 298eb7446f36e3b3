import { describe, expect, it } from 'vitest';
import { gradients } from '../../engine/autodiff/gradients.js';
import type { GrpoInputs } from '../../engine/loss/grpo.js';
import { grpoLoss } from '../../engine/loss/grpo.js';
import { createSession, GraphBuilder, tensor } from '../../engine/onnx/index.js';

const names = ['logprobs', 'oldLogprobs', 'refLogprobs', 'advantages', 'weights'] as const;
type Case = Record<(typeof names)[number], number>;

/** Loss, kl, clipShare and dloss/dlogp for one token each. */
async function run(
  cases: Case[],
  klCoefficient = 0,
): Promise<{ loss: number; kl: number; clipShare: number; gradient: number[] }> {
  const g = new GraphBuilder();
  const inputs = Object.fromEntries(names.map((name) => [name, g.input(name, 'float32', [cases.length])]));
  const { loss, kl, clipShare } = grpoLoss(g, inputs as unknown as GrpoInputs, { clip: 0.2, klCoefficient });
  g.output('loss', loss);
  g.output('kl', kl);
  g.output('clipShare', clipShare);
  g.output('gradient', gradients(g, loss, [inputs.logprobs!])[0]!);
  const session = await createSession(g, { threads: 1 });
  const column = (name: (typeof names)[number]) => Float32Array.from(cases, (c) => c[name]);
  const result = await session.run(
    Object.fromEntries(names.map((name) => [name, tensor('float32', column(name), [cases.length])])),
  );
  await session.release();
  const scalar = (name: string): number => (result[name]!.data as Float32Array)[0]!;
  const gradient = [...(result.gradient!.data as Float32Array)];
  return { loss: scalar('loss'), kl: scalar('kl'), clipShare: scalar('clipShare'), gradient };
}
const token = (logRatio: number, advantage: number, refMinusLogp = 0): Case => ({
  logprobs: -1,
  oldLogprobs: -1 - logRatio,
  refLogprobs: -1 + refMinusLogp,
  advantages: advantage,
  weights: 1,
});

describe('GRPO loss', () => {
  it('is the policy gradient −A·ρ while the ratio is inside the clip range', async () => {
    const { loss, gradient, clipShare } = await run([token(Math.log(1.1), 2)]);
    expect(loss).toBeCloseTo(-2.2, 6);
    expect(gradient[0]).toBeCloseTo(-2.2, 6);
    expect(clipShare).toBe(0);
  });

  it('gives the full gradient −A at ratio 1, where both terms are equal', async () => {
    const { gradient } = await run([token(0, 1.5), token(0, -1.5)]);
    expect(gradient).toEqual([-1.5, 1.5]);
  });

  it('stops pushing a ratio that is already beyond the range in the rewarded direction', async () => {
    const up = await run([token(Math.log(1.5), 1)]);
    expect(up).toMatchObject({ gradient: [0], clipShare: 1 });
    expect(up.loss).toBeCloseTo(-1.2, 6);
    const down = await run([token(Math.log(0.5), -1)]);
    expect(down).toMatchObject({ gradient: [0], clipShare: 1 });
    expect(down.loss).toBeCloseTo(0.8, 6);
  });

  it('still pulls back a ratio that went the wrong way', async () => {
    const { gradient, clipShare } = await run([token(Math.log(1.5), -1), token(Math.log(0.5), 1)]);
    expect(gradient[0]).toBeCloseTo(1.5, 6);
    expect(gradient[1]).toBeCloseTo(-0.5, 6);
    expect(clipShare).toBe(0);
  });

  it('adds β·(exp(d) − d − 1), whose gradient is β·(1 − exp(d))', async () => {
    const d = 0.3;
    const { loss, kl, gradient } = await run([token(0, 0, d)], 0.5);
    expect(kl).toBeCloseTo(Math.exp(d) - d - 1, 6);
    expect(loss).toBeCloseTo(0.5 * (Math.exp(d) - d - 1), 6);
    expect(gradient[0]).toBeCloseTo(0.5 * (1 - Math.exp(d)), 6);
  });

  it('bounds the KL of a token that the reference finds far more likely', async () => {
    const { kl, gradient } = await run([token(0, 0, 1000)], 1);
    expect(kl).toBe(10);
    expect(gradient).toEqual([0]);
  });

  it('ignores tokens of weight 0, however wild', async () => {
    const wild = { logprobs: -90, oldLogprobs: 0, refLogprobs: 80, advantages: 3, weights: 0 };
    const alone = await run([token(0.1, 1, 0.2)], 0.1);
    const both = await run([token(0.1, 1, 0.2), wild], 0.1);
    expect(both).toEqual({ ...alone, gradient: [alone.gradient[0], 0] });
  });
});
