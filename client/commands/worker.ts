import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { withStore } from '../store.js';
import { foreground } from './foreground.js';
import { withClient } from './with-run.js';

const KINDS = ['orchestration', 'oracle', 'training'];

export async function run(_options: SharedOptions, ...kinds: string[]): Promise<number> {
  const unknown = kinds.filter((kind) => !KINDS.includes(kind));
  if (unknown.length > 0) {
    throw new ClientError(
      'Usage',
      `Unknown worker kind '${unknown.join("', '")}'. Kinds: ${KINDS.join(', ')}.`,
    );
  }
  // What a worker needs is looked at here, where a person reads the message, rather than in its log.
  await withClient(() => withStore((store) => store.check()));
  return foreground('dist/workers/main.js', kinds);
}
