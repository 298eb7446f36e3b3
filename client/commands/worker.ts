import type { SharedOptions } from '../options.js';
import { foreground } from './foreground.js';

export function run(_options: SharedOptions, ...args: string[]): Promise<number> {
  return foreground('dist/workers/main.js', args);
}
