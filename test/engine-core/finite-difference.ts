import { expect } from 'vitest';
import { gradients } from '../../engine/autodiff/gradients.js';
import { createSession, GraphBuilder, ops, tensor } from '../../engine/onnx/index.js';
import type { Shape, Value } from '../../engine/onnx/index.js';
import { elements } from '../../engine/onnx/types.js';
import { fillNormal } from '../../engine/model/initialize.js';

export interface Input {
  shape: Shape;
  /** Maps standard normal numbers to the operator's domain, away from kinks. */
  map?: (x: number) => number;
}

/** Standard normal numbers, the same for the same name. */
export function normal(size: number, name: string): Float32Array {
  const data = new Float32Array(size);
  fillNormal(data, 1, name, 1);
  return data;
}

/** Along how many random directions each input's gradient is compared. */
const DIRECTIONS = 3;
/** Half the central difference. The error has a part ∝ ε/h (float32 rounding) and one ∝ h² (curvature). */
const STEP = 2e-2;
/**
 * Allowed error relative to |gradient|·|direction|. Float32 outputs carry about 1e-7 relative rounding, so the
 * difference quotient is good to 1e-7/2e-2·√n ≈ 1e-4 and the curvature term to 4e-4/6·f‴; a wrong rule is off by 0.1 or more.
 */
const TOLERANCE = 2e-3;

/**
 * Compares the gradient of L = Σ weight ∘ build(inputs), as the graph computes it, with central differences of L.
 * L itself is summed in double precision from the float32 outputs.
 */
export async function checkGradient(
  inputs: readonly Input[],
  build: (g: GraphBuilder, ...inputs: Value[]) => Value | Value[],
  options: { tolerance?: number } = {},
): Promise<void> {
  const g = new GraphBuilder();
  const values = inputs.map((input, i) => g.input(`x${i}`, 'float32', input.shape));
  const built = build(g, ...values);
  const outputs = Array.isArray(built) ? built : [built];
  const weights = outputs.map((output, i) => normal(elements(output.shape), `weight${i}`));
  const terms = outputs.map((output, i) =>
    ops.reduceSum(g, ops.mul(g, output, g.constant('float32', output.shape, weights[i]!)), undefined, false),
  );
  const loss = terms.reduce((a, b) => ops.add(g, a, b));
  gradients(g, loss, values).forEach((gradient, i) => {
    expect(gradient.shape, `shape of the gradient of input ${i}`).toEqual(inputs[i]!.shape);
    g.output(`g${i}`, gradient);
  });
  outputs.forEach((output, i) => g.output(`y${i}`, output));
  const session = await createSession(g, { threads: 1 });

  const point = inputs.map((input, i) =>
    normal(elements(input.shape), `point${i}`).map(input.map ?? ((x) => x)),
  );
  const run = (at: Float32Array[]): ReturnType<typeof session.run> =>
    session.run(
      Object.fromEntries(at.map((data, i) => [`x${i}`, tensor('float32', data, inputs[i]!.shape)])),
    );
  const lossAt = async (at: Float32Array[]): Promise<number> => {
    const result = await run(at);
    return outputs.reduce((sum, _, i) => {
      const y = result[`y${i}`]!.data as Float32Array;
      return sum + y.reduce((dot, element, j) => dot + element * weights[i]![j]!, 0);
    }, 0);
  };
  const analytic = await run(point);

  for (let i = 0; i < inputs.length; i += 1) {
    const gradient = analytic[`g${i}`]!.data as Float32Array;
    const length = Math.hypot(...gradient);
    for (let n = 0; n < DIRECTIONS; n += 1) {
      const direction = normal(gradient.length, `direction${i}.${n}`);
      const scale = Math.hypot(...direction);
      const move = (by: number): Promise<number> =>
        lossAt(
          point.map((data, k) => (k === i ? data.map((x, j) => x + (by * direction[j]!) / scale) : data)),
        );
      const numeric = ((await move(STEP)) - (await move(-STEP))) / (2 * STEP);
      const expected = gradient.reduce((sum, x, j) => sum + (x * direction[j]!) / scale, 0);
      const error = Math.abs(numeric - expected) / Math.max(length, 1e-3);
      expect(error, `input ${i}: graph says ${expected}, differences say ${numeric}`).toBeLessThan(
        options.tolerance ?? TOLERANCE,
      );
    }
  }
  await session.release();
}
