/** Where graphs run. CUDA is taken only where its libraries load; see `docs/engine.md` for them and for what was measured. */
import { badJob } from '../errors.js';
import { GraphBuilder } from './graph-builder.js';
import * as ops from './ops.js';
import { createSession, type Provider } from './session.js';

export type Device = Provider | 'auto';

/**
 * The provider of a job: `auto` takes CUDA where a small graph loads on it, else the CPU.
 * @throws EngineError (bad job) where `cuda` was asked for and cannot be had
 */
export async function providerOf(device: Device | undefined): Promise<Provider> {
  if (device !== 'cuda' && device !== 'auto') return 'cpu';
  try {
    const g = new GraphBuilder('probe');
    g.output('y', ops.neg(g, g.input('x', 'float32', [1])));
    const session = await createSession(g, { threads: 1, provider: 'cuda' });
    await session.release();
    return 'cuda';
  } catch (error) {
    if (device === 'auto') return 'cpu';
    throw badJob(
      'device: cuda was asked for, but the CUDA libraries of onnxruntime-node cannot be loaded on this machine; ' +
        'install them as docs/engine.md says under GPU, or set device to cpu',
      error,
    );
  }
}
