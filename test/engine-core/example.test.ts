import { expect, it } from 'vitest';
import { gradients } from '../../engine/autodiff/gradients.js';
import { createSession, GraphBuilder, ops, tensor } from '../../engine/onnx/index.js';

it('the worked example of docs/engine.md comes out as it says', async () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [1, 2]);
  const w = g.input('w', 'float32', [1, 2]);
  const y = ops.gemm(g, x, w, { transB: true });
  const loss = ops.reduceSum(g, ops.mul(g, y, y), [0, 1], false);
  const [dw] = gradients(g, loss, [w]);
  g.output('loss', loss);
  g.output('dw', dw!);
  const session = await createSession(g, { threads: 1 });
  const result = await session.run({
    x: tensor('float32', Float32Array.of(1, 2), [1, 2]),
    w: tensor('float32', Float32Array.of(3, 1), [1, 2]),
  });
  expect([...(result.loss!.data as Float32Array)]).toEqual([25]);
  expect([...(result.dw!.data as Float32Array)]).toEqual([10, 20]);
  await session.release();
});
