import { Connection, isGrpcServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import proto, { type temporal as api } from '@temporalio/proto';
import { setTimeout as delay } from 'node:timers/promises';
import { credentialsFor } from '../connection-profile.js';
import { InfraError, throwIfAborted } from './errors.js';

// The package is CommonJS: Node gives its exports as the default only.
const { temporal } = proto;

export type SearchAttributeTypes = Readonly<
  Record<string, 'TEXT' | 'KEYWORD' | 'INT' | 'DOUBLE' | 'BOOL' | 'DATETIME' | 'KEYWORD_LIST'>
>;

/** What the pipeline needs to find in a Temporal server. */
export interface NamespaceSettings {
  namespace: string;
  retentionDays: number;
  searchAttributes: SearchAttributeTypes;
}

const SECONDS_PER_DAY = 86_400;
/** gRPC status codes. */
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const VISIBLE_WITHIN_MS = 30_000;
const ValueType = temporal.api.enums.v1.IndexedValueType;

/**
 * Connects, with the keys and certificates that are meant for `address`; close the connection when done.
 * @throws InfraError `TemporalUnreachable` after `timeoutMs`; UserError `InvalidInput` where a profile cannot be used.
 */
export async function connectTemporal(
  address: string,
  timeoutMs = 5_000,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Connection> {
  const credentials = credentialsFor(address, env);
  try {
    return await Connection.connect({ address, connectTimeout: timeoutMs, ...credentials });
  } catch (error) {
    throw new InfraError(
      'TemporalUnreachable',
      `Cannot reach Temporal at ${address}. Start it with "rmr1 up", or set TEMPORAL_ADDRESS to a running server.`,
      { cause: error },
    );
  }
}

/**
 * Creates the namespace if it is missing, registers missing search attributes and returns when the server
 * accepts both. An unregistered attribute does not fail a workflow: its task would retry for ever.
 *
 * @throws InfraError `SearchAttributes` if one is registered under another type, `TemporalRefused` if the server
 * does not let us create what is missing.
 */
export async function ensureNamespace(
  connection: Connection,
  settings: NamespaceSettings,
  signal?: AbortSignal,
): Promise<void> {
  const { namespace, retentionDays, searchAttributes } = settings;
  const { workflowService, operatorService } = connection;
  if (!(await describeNamespace(connection, namespace))) {
    await ask(`create namespace "${namespace}"`, () =>
      workflowService.registerNamespace({
        namespace,
        workflowExecutionRetentionPeriod: msToTs(retentionDays * SECONDS_PER_DAY * 1000),
      }),
    );
  }
  await until(`namespace "${namespace}"`, signal, async () => {
    const missing = await missingAttributes(connection, settings);
    if (Object.keys(missing).length === 0) return true;
    await ask(`register search attributes ${Object.keys(missing).join(', ')} in "${namespace}"`, () =>
      operatorService.addSearchAttributes({ namespace, searchAttributes: missing }),
    );
    return false;
  });
  // The registries above answer before the front end's own cache does; a query on each attribute proves the latter.
  const names = Object.keys(searchAttributes);
  await until(`search attributes ${names.join(', ')}`, signal, async () => {
    const query = names.map((name) => `${name} IS NULL`).join(' AND ');
    await workflowService.countWorkflowExecutions({ namespace, query });
    return true;
  });
}

/** The namespace's retention in days, or `undefined` if there is no such namespace. */
export async function describeNamespace(
  connection: Connection,
  namespace: string,
): Promise<{ retentionDays: number } | undefined> {
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    const seconds = config?.workflowExecutionRetentionTtl?.seconds;
    return { retentionDays: Number(seconds ?? 0) / SECONDS_PER_DAY };
  } catch (error) {
    if (isGrpcServiceError(error) && Number(error.code) === NOT_FOUND) return undefined;
    throw error;
  }
}

/** Which of the search attributes are not registered yet. */
export async function missingAttributes(
  connection: Connection,
  { namespace, searchAttributes }: NamespaceSettings,
): Promise<Record<string, api.api.enums.v1.IndexedValueType>> {
  const { customAttributes, systemAttributes } = await connection.operatorService.listSearchAttributes({
    namespace,
  });
  const missing: Record<string, api.api.enums.v1.IndexedValueType> = {};
  for (const [name, type] of Object.entries(searchAttributes)) {
    const wanted = ValueType[`INDEXED_VALUE_TYPE_${type}`];
    const registered = customAttributes?.[name] ?? systemAttributes?.[name];
    if (registered === undefined) missing[name] = wanted;
    else if (registered !== wanted) {
      throw new InfraError(
        'SearchAttributes',
        `Search attribute ${name} of namespace "${namespace}" is registered as ${ValueType[registered].replace('INDEXED_VALUE_TYPE_', '')}, but ${type} is needed. Remove it there, or set TEMPORAL_NAMESPACE to another namespace.`,
      );
    }
  }
  return missing;
}

async function ask<T>(what: string, request: () => Promise<T>): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    if (isGrpcServiceError(error) && Number(error.code) === ALREADY_EXISTS) return undefined;
    const reason = isGrpcServiceError(error) ? error.details : String(error);
    throw new InfraError(
      'TemporalRefused',
      `Temporal did not let us ${what} (${reason}). Have an operator do it, or use another server or namespace.`,
      { cause: error },
    );
  }
}

/** Repeats `check` while the server still spreads a change, and fails with its last error. */
async function until(
  what: string,
  signal: AbortSignal | undefined,
  check: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + VISIBLE_WITHIN_MS;
  let last: unknown;
  for (;;) {
    throwIfAborted(signal);
    try {
      if (await check()) return;
    } catch (error) {
      if (error instanceof InfraError) throw error;
      last = error;
    }
    if (Date.now() > deadline) {
      throw new InfraError(
        'TemporalRefused',
        `Temporal does not accept ${what} after ${VISIBLE_WITHIN_MS / 1000} s (${last instanceof Error ? last.message : 'no error'}). Look into its log.`,
        { cause: last },
      );
    }
    await delay(100);
  }
}
