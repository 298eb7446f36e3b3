/** Where the oracle is and with which key: from the recipe and the environment, never from a workflow's input. */
import OpenAI from 'openai';
import { readStackFile } from '../../infra/environment.js';
import type { Recipe } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';

/** The SDK's own retries honour `retry-after` and back off with jitter. */
const RETRIES = 6;

/**
 * A client for the recipe's oracle. The key comes from `OPENAI_API_KEY`; the local service needs none.
 * @throws UserError `OracleUnreachable` where no local service is known, `OracleCredentials` where the key is missing.
 */
export function oracleClient(oracle: Recipe['oracle']): OpenAI {
  const options = { maxRetries: RETRIES, timeout: oracle.timeoutSeconds * 1000 };
  if (oracle.provider === 'local') {
    const baseURL = oracle.baseUrl ?? process.env.RMR1_ORACLE_URL ?? readStackFile()?.oracle?.baseUrl;
    if (!baseURL) {
      throw new UserError(
        'OracleUnreachable',
        'No local oracle service is known. Start it with `rmr1 up`, or set RMR1_ORACLE_URL, or use oracle.provider openai.',
      );
    }
    return new OpenAI({ ...options, baseURL, apiKey: process.env.RMR1_ORACLE_KEY ?? 'local' });
  }
  const baseUrl = oracle.baseUrl ?? process.env.OPENAI_BASE_URL;
  // An endpoint on this machine is usually one without keys.
  const apiKey = process.env.OPENAI_API_KEY ?? (baseUrl && isLoopback(baseUrl) ? 'none' : undefined);
  if (!apiKey) {
    throw new UserError(
      'OracleCredentials',
      "OPENAI_API_KEY is not set in the worker's environment: export it and restart the worker (any value does for an endpoint without keys).",
    );
  }
  return new OpenAI({ ...options, apiKey, ...(oracle.baseUrl ? { baseURL: oracle.baseUrl } : {}) });
}

/** Whether `url` names this machine. */
function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

/** One clear error for whatever the endpoint or the network did. */
export function oracleError(error: unknown, oracle: Recipe['oracle'], baseUrl: string): UserError {
  const options = { cause: error };
  if (error instanceof UserError) return error;
  const said = error instanceof Error ? error.message.slice(0, 300) : String(error);
  const status = error instanceof OpenAI.APIError ? (error.status as number | undefined) : undefined;
  if (status === 401 || status === 403) {
    return new UserError(
      'OracleCredentials',
      `The oracle at ${baseUrl} refused the key (HTTP ${status}): check OPENAI_API_KEY in the worker's environment.`,
      options,
    );
  }
  if (status !== undefined && status >= 400 && status < 500 && ![408, 409, 429].includes(status)) {
    return new UserError(
      'OracleRejected',
      `The oracle at ${baseUrl} rejected the request for model '${oracle.model}' (HTTP ${status}): ${said}`,
      options,
    );
  }
  return new UserError(
    'OracleUnreachable',
    `The oracle at ${baseUrl} did not answer usably${status ? ` (HTTP ${status})` : ''}: ${said}. Check the address and its status; answers so far are kept.`,
    options,
  );
}

/** Ask for the model list once: the cheapest proof that address and key work. */
export async function checkOracle(oracle: Recipe['oracle']): Promise<void> {
  const client = oracleClient(oracle);
  try {
    await client.models.list({ maxRetries: 1, timeout: 10_000 });
  } catch (error) {
    // Some gateways do not list models; only silence and refused keys are faults here.
    const mapped = oracleError(error, oracle, client.baseURL);
    if (mapped.type !== 'OracleRejected') throw mapped;
  }
}
