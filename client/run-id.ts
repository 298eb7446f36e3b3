/** Names of runs: the same input gives the same id, so that starting twice is starting once. */
import { createHash } from 'node:crypto';
import type { ResolvedRunInput } from '../workflows/inputs.js';

/** `train-<recipe>-<8 hex digits>`: who started a run and under which URI its data lies make no difference. */
export function runIdOf({ startedBy: _, data, ...rest }: ResolvedRunInput): string {
  const identity = { ...rest, data: typeof data === 'object' ? data.sha256 : data };
  const digest = createHash('sha256')
    .update(JSON.stringify(sorted(identity)))
    .digest('hex');
  return `train-${rest.recipe}-${digest.slice(0, 8)}`;
}

/** Id of the quickstart run: resumed by the same command, another one for other settings. */
export function quickstartId(input: ResolvedRunInput): string {
  const seed = `quickstart-seed${input.seed ?? 1}`;
  if (Object.keys(input.overrides).length === 0) return seed;
  return `${seed}-${runIdOf(input).slice(-8)}`;
}

/** Order of keys must not matter. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => [key, sorted(field)]),
  );
}
