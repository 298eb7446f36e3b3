import type { SharedOptions } from '../options.js';
import { steer } from './with-run.js';

export interface RaiseBudgetOptions extends SharedOptions {
  usd: number;
}

export function run(options: RaiseBudgetOptions, id?: string): Promise<void> {
  return steer(options, id, (handle) => handle.raiseBudget(options.usd));
}
