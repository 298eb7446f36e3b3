/** Where the oracle is and with which key: from the recipe and the environment, never from a workflow's input. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { readStackFile } from '../../infra/environment.js';
import type { Recipe } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import { assertAllowedUrl, NO_REDIRECTS } from '../allowed-url.js';

type Oracle = Recipe['oracle'];
/** How a client sends its requests; default: the built-in `fetch`. */
type Transport = { fetch?: typeof fetch };

/** The environment variable that holds the key. */
function keyVariable({ provider }: Pick<Oracle, 'provider'>): string {
  return provider === 'anthropic'
    ? 'ANTHROPIC_API_KEY'
    : provider === 'local'
      ? 'RMR1_ORACLE_KEY'
      : 'OPENAI_API_KEY';
}

/**
 * A client for an OpenAI-compatible oracle. Retries are ours (`backends/send.ts`): they share what the headers say.
 * @throws UserError `OracleUnreachable` where no local service is known, `OracleCredentials` where the key is missing,
 * `InvalidInput` for an address that is not allowed.
 */
export function openAiClient(oracle: Oracle, transport: Transport = {}): OpenAI {
  if (oracle.baseUrl) assertAllowedUrl('oracle.baseUrl', oracle.baseUrl);
  const options = {
    ...transport,
    maxRetries: 0,
    timeout: oracle.timeoutSeconds * 1000,
    ...(oracle.baseUrl ? NO_REDIRECTS : {}),
  };
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
  const apiKey = keyFor(oracle, baseUrl);
  return new OpenAI({ ...options, apiKey, ...(oracle.baseUrl ? { baseURL: oracle.baseUrl } : {}) });
}

/**
 * A client for Anthropic's API.
 * @throws UserError `OracleCredentials` where the key is missing, `InvalidInput` for an address that is not allowed.
 */
export function anthropicClient(oracle: Oracle, transport: Transport = {}): Anthropic {
  if (oracle.baseUrl) assertAllowedUrl('oracle.baseUrl', oracle.baseUrl);
  const baseUrl = oracle.baseUrl ?? process.env.ANTHROPIC_BASE_URL;
  return new Anthropic({
    ...transport,
    maxRetries: 0,
    timeout: oracle.timeoutSeconds * 1000,
    apiKey: keyFor(oracle, baseUrl),
    ...(oracle.baseUrl ? { baseURL: oracle.baseUrl, ...NO_REDIRECTS } : {}),
  });
}

function keyFor(oracle: Oracle, baseUrl: string | undefined): string {
  const variable = keyVariable(oracle);
  // An endpoint on this machine is usually one without keys.
  const key = process.env[variable] ?? (baseUrl && isLoopback(baseUrl) ? 'none' : undefined);
  if (key) return key;
  throw new UserError(
    'OracleCredentials',
    `${variable} is not set in the worker's environment: export it and restart the worker (any value does for an endpoint without keys).`,
  );
}

/** Whether `url` names this machine. */
function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

/** One clear error for whatever the endpoint or the network did; what it was is its `cause`. */
export function oracleError(error: unknown, oracle: Oracle, baseUrl: string): UserError {
  const options = { cause: error };
  if (error instanceof UserError) return error;
  const said = error instanceof Error ? error.message.slice(0, 300) : String(error);
  const { status, code } = error as { status?: number; code?: string | null };
  if (status === 401 || status === 403) {
    return new UserError(
      'OracleCredentials',
      `The oracle at ${baseUrl} refused the key (HTTP ${status}): check ${keyVariable(oracle)} in the worker's environment.`,
      options,
    );
  }
  if (code === 'insufficient_quota' || status === 402) {
    return new UserError(
      'OracleCredentials',
      `The account behind ${keyVariable(oracle)} has no credit left at ${baseUrl}: ${said}`,
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

/**
 * Ask for the model list once: the cheapest proof that address, key and models are right, before the first question.
 * @throws UserError `OracleCredentials`, `OracleUnreachable`, `OracleRejected` for a model that is not there.
 */
export async function checkOracle(oracle: Oracle): Promise<void> {
  const client = oracle.provider === 'anthropic' ? anthropicClient(oracle) : openAiClient(oracle);
  const listed: string[] = [];
  try {
    const models: AsyncIterable<{ id: string }> = client.models.list({}, { maxRetries: 1, timeout: 10_000 });
    for await (const { id } of models) listed.push(id);
  } catch (error) {
    // Some gateways do not list models; only silence and refused keys are faults here.
    const mapped = oracleError(error, oracle, client.baseURL);
    if (mapped.type !== 'OracleRejected') throw mapped;
    return;
  }
  // Gateways list what they like (wildcards, base models); where the provider lists its own, a gap is a mistake.
  if (oracle.baseUrl !== undefined && oracle.provider !== 'local') return;
  for (const [field, model] of [
    ...(oracle.cascade ?? []).map((model) => ['oracle.cascade', model] as const),
    ['oracle.model', oracle.model],
    ['oracle.correctionModel', oracle.correctionModel],
  ] as const) {
    if (model === undefined || listed.length === 0 || listed.includes(model)) continue;
    if (await isKnown(client, model)) continue;
    throw new UserError(
      'OracleRejected',
      `${field}: the oracle at ${client.baseURL} has no model '${model}' for this key; it lists ${listed.slice(0, 8).join(', ')}${listed.length > 8 ? ', …' : ''}.`,
    );
  }
}

/** Aliases are not always listed, but can be looked up. */
async function isKnown(client: OpenAI | Anthropic, model: string): Promise<boolean> {
  try {
    await (client instanceof OpenAI ? client.models.retrieve(model) : client.models.retrieve(model));
    return true;
  } catch (error) {
    return (error as { status?: number }).status !== 404;
  }
}
