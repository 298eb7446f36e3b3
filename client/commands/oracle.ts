import type { SharedOptions } from '../options.js';
import { foreground } from './foreground.js';

export function run(options: SharedOptions & { port: number }, ...args: string[]): Promise<number> {
  return foreground('dist/infra/oracle/main.js', ['--port', String(options.port), ...args]);
}
