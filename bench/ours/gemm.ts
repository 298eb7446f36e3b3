/** How fast onnxruntime multiplies square float32 matrices: what the machine gives at best. */
import { createSession, GraphBuilder, ops, tensor } from '../../engine/onnx/index.js';
import type { Ready } from '../peer/serve-contender.js';

export interface GemmCase {
  kind: 'gemm';
  threads: number;
  /** Rows and columns. */
  size: number;
}

export async function oursGemm({ size, threads }: GemmCase): Promise<Omit<Ready, 'versions'>> {
  const g = new GraphBuilder('gemm');
  const [a, b] = ['a', 'b'].map((name) => g.input(name, 'float32', [size, size])) as [
    ReturnType<typeof g.input>,
    ReturnType<typeof g.input>,
  ];
  g.output('c', ops.matmul(g, a, b));
  const session = await createSession(g, { threads });
  const filled = () =>
    tensor(
      'float32',
      Float32Array.from({ length: size * size }, (_, i) => (i % 7) / 7),
      [size, size],
    );
  const feeds = { a: filled(), b: filled() };
  const into = { c: tensor('float32', new Float32Array(size * size), [size, size]) };
  return {
    work: async (count) => {
      for (let i = 0; i < count; i += 1) await session.run(feeds, into);
      return {};
    },
  };
}
