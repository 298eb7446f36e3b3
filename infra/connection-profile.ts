/** How to reach Temporal and with which keys: Temporal's own variables and profile files. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { UserError } from '../workflows/errors.js';

export interface ConnectionProfile {
  address?: string;
  namespace?: string;
  credentials: TemporalCredentials;
}

/** What a connection needs besides the address: TLS, API key, headers. */
export type TemporalCredentials = Pick<NativeConnectionOptions, 'tls' | 'apiKey' | 'metadata'>;

/**
 * Keys and certificates for the server they are meant for, none for any other one: with an address in the profile that
 * server alone, without one whatever is not on this machine.
 */
export function credentialsFor(address: string, env: NodeJS.ProcessEnv = process.env): TemporalCredentials {
  const { address: named, credentials } = connectionProfile(env);
  const meant = named === undefined ? !/^(127\.|localhost:|\[::1\])/.test(address) : named === address;
  return meant ? credentials : {};
}

/** Variables of the environment that name a profile or hold what belongs to one server. */
export function profileVariables(env: NodeJS.ProcessEnv = process.env): string[] {
  return Object.keys(env).filter((name) =>
    /^TEMPORAL_(PROFILE|CONFIG_FILE|API_KEY|TLS.*|GRPC_META_.*)$/.test(name),
  );
}

/**
 * What `TEMPORAL_*` variables say (address, namespace, API key, `TEMPORAL_TLS_*`), on top of a profile of
 * `temporal.toml` where `TEMPORAL_PROFILE` or `TEMPORAL_CONFIG_FILE` names one. The default file is not read unasked:
 * somebody's production server is no place for a quickstart.
 * @throws UserError `InvalidInput` where a file cannot be read or used.
 */
export function connectionProfile(env: NodeJS.ProcessEnv = process.env): ConnectionProfile {
  const asked = Boolean(env.TEMPORAL_PROFILE || env.TEMPORAL_CONFIG_FILE);
  const set = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name.startsWith('TEMPORAL_') && value),
  ) as Record<string, string>;
  try {
    const { namespace, connectionOptions } = loadClientConnectConfig({
      disableFile: !asked,
      configFileStrict: true,
      overrideEnvVars: { ...(env.HOME ? { HOME: env.HOME } : {}), ...set },
    });
    const { address, tls, apiKey, metadata } = connectionOptions;
    return {
      ...(address ? { address } : {}),
      ...(namespace ? { namespace } : {}),
      credentials: {
        ...(tls === undefined ? {} : { tls }),
        ...(apiKey ? { apiKey } : {}),
        ...(metadata && Object.keys(metadata).length > 0 ? { metadata } : {}),
      },
    };
  } catch (error) {
    throw new UserError(
      'InvalidInput',
      `The Temporal profile cannot be used: ${(error as Error).message}. Check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE and TEMPORAL_TLS_*.`,
      { cause: error },
    );
  }
}
