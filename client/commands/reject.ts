import type { StageName } from '../../workflows/inputs.js';
import type { SharedOptions } from '../options.js';
import { steer } from './with-run.js';

export function run(
  options: SharedOptions & { stage?: StageName[]; reason?: string },
  id?: string,
): Promise<void> {
  const [stage] = options.stage ?? [];
  const { reason } = options;
  return steer(options, id, (handle) =>
    handle.reject({ ...(stage ? { stage } : {}), ...(reason ? { reason } : {}) }),
  );
}
