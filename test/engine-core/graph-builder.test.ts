import { describe, expect, it } from 'vitest';
import { createSession, float, GraphBuilder, ops, tensor } from '../../engine/onnx/index.js';

describe('graph builder', () => {
  it('runs what it serialises', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    const w = g.constant('float32', [2, 3], [1, 0, 0, 0, 1, 0]);
    g.output('y', ops.gemm(g, x, w, { transB: true }));
    const session = await createSession(g, { threads: 1 });
    const { y } = await session.run({ x: tensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]) });
    expect([...(y!.data as Float32Array)]).toEqual([1, 2, 4, 5]);
    await session.release();
  });

  it('reads inputs from and writes outputs into views of a larger buffer', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [3]);
    g.output('y', ops.mul(g, x, 2));
    const session = await createSession(g, { threads: 1 });
    const buffer = Float32Array.of(0, 1, 2, 3, 0, 0, 0, 0);
    await session.run(
      { x: tensor('float32', buffer.subarray(1, 4), [3]) },
      { y: tensor('float32', buffer.subarray(5, 8), [3]) },
    );
    expect([...buffer]).toEqual([0, 1, 2, 3, 0, 2, 4, 6]);
    await session.release();
  });

  it('runs loops whose body reads outer values, and conditionals', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const { carried, scans } = g.loop(
      g.scalar(3, 'int64'),
      null,
      [x],
      (body, iteration, _cond, [sum]) => {
        const next = ops.add(body, sum!, x);
        return { carried: [next], scans: [ops.cast(body, iteration, 'float32')] };
      },
      3,
    );
    g.output('sum', carried[0]!);
    g.output('trips', scans[0]!);
    const positive = ops.greater(g, ops.reduceSum(g, x, [0], false), 0);
    const [sign] = g.ifElse(
      positive,
      (branch) => [branch.constant('float32', [1], [1])],
      (branch) => [ops.neg(branch, branch.constant('float32', [1], [1]))],
    );
    g.output('sign', sign!);
    const session = await createSession(g, { threads: 1 });
    const out = await session.run({ x: tensor('float32', Float32Array.of(1, -4), [2]) });
    expect([...(out.sum!.data as Float32Array)]).toEqual([4, -16]);
    expect([...(out.trips!.data as Float32Array)]).toEqual([0, 1, 2]);
    expect([...(out.sign!.data as Float32Array)]).toEqual([-1]);
    await session.release();
  });

  it('rejects operands that do not fit where they are added', () => {
    const g = new GraphBuilder();
    const a = g.input('a', 'float32', [2, 3]);
    const b = g.input('b', 'float32', [4, 5]);
    expect(() => ops.matmul(g, a, b)).toThrow(/inner sizes differ/);
    expect(() => ops.add(g, a, b)).toThrow(/do not broadcast/);
    expect(() => ops.reshape(g, a, [4, 2])).toThrow(/elements/);
    expect(() => g.op('NoSuchOp', [a])).toThrow(/no shape inference/);
    expect(() => g.input('a', 'float32', [1])).toThrow(/twice/);
    expect(() => g.constant('float32', [3], [1])).toThrow(/given 1 elements/);
  });

  it('keeps 1, true and −0 apart when it shares constants', () => {
    const g = new GraphBuilder();
    expect(g.scalar(1)).toBe(g.scalar(1));
    expect(g.scalar(1)).not.toBe(g.scalar(1, 'int64'));
    expect(g.scalar(0)).not.toBe(g.scalar(-0));
    expect(float(1)).toEqual({ float: 1 });
  });
});
