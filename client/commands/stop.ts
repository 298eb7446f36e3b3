import type { SharedOptions } from '../options.js';
import { steer } from './with-run.js';

export function run(options: SharedOptions, id?: string): Promise<void> {
  return steer(options, id, (handle) => handle.stop());
}
