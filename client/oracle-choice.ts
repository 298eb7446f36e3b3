/** Which oracle a run will ask, and whether it can, before anything is uploaded. */
import { connectionProfile } from '../infra/connection-profile.js';
import type { Recipe } from '../recipes/schema.js';
import type { ResolvedRunInput } from '../workflows/inputs.js';
import { ClientError } from './errors.js';

const NAMES = {
  openai: { key: 'OPENAI_API_KEY', url: 'OPENAI_BASE_URL', host: 'api.openai.com' },
  anthropic: { key: 'ANTHROPIC_API_KEY', url: 'ANTHROPIC_BASE_URL', host: 'api.anthropic.com' },
} as const;

/**
 * A key is needed unless the endpoint is ours or on this machine. Workers elsewhere have their own keys, which their
 * check of the plan looks at.
 * @throws ClientError `OracleCredentials`.
 */
export function checkOracleKey(oracle: Recipe['oracle'], env: NodeJS.ProcessEnv = process.env): void {
  const { provider } = oracle;
  if (provider === 'local' || provider === 'none' || connectionProfile(env).address) return;
  const { key, url, host } = NAMES[provider];
  if (env[key]) return;
  const baseUrl = oracle.baseUrl ?? env[url];
  if (baseUrl && isLoopback(baseUrl)) return;
  throw new ClientError(
    'OracleCredentials',
    `${key} is not set, and the oracle ${baseUrl ?? `at ${host}`} needs it. ` +
      'Export it before `rmr1 up` starts the worker, or use --oracle local.',
  );
}

export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The oracle fields of a run's input as recipe overrides; explicit `--set` values win over them. */
export function oracleOverrides(oracle: ResolvedRunInput['oracle']): Record<string, unknown> {
  return Object.fromEntries(Object.entries(oracle).map(([field, value]) => [`oracle.${field}`, value]));
}
