import { userInfo } from 'node:os';
import type { StageName } from '../../workflows/inputs.js';
import type { SharedOptions } from '../options.js';
import { steer } from './with-run.js';

export function run(options: SharedOptions & { stage?: StageName[] }, id?: string): Promise<void> {
  const [stage] = options.stage ?? [];
  return steer(options, id, (handle) =>
    handle.approve({ by: userInfo().username, ...(stage ? { stage } : {}) }),
  );
}
