/** Names of benchmark evaluations: the same items and judge give the same id, so that the same command goes on with it. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../activities/artifacts/canonical-json.js';
import type { ResolvedBenchmarkInput } from '../workflows/benchmark-input.js';

/** `evaluate-<benchmark>-<8 hex digits>`; who started it and how fast the endpoint is asked make no difference. */
export function evaluationIdOf({ startedBy: _, data, ...rest }: ResolvedBenchmarkInput): string {
  const identity = { ...rest, data: Array.isArray(data) ? data : data.sha256 };
  const digest = createHash('sha256').update(canonicalJson(identity)).digest('hex');
  return `evaluate-${rest.benchmark}-${digest.slice(0, 8)}`;
}
