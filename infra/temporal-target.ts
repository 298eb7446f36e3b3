/** Where Temporal is, and what a connection to it needs. */
import { temporalConfig } from '../temporal.config.js';
import { connectionProfile, credentialsFor, type TemporalCredentials } from './connection-profile.js';
import { readStackFile } from './environment.js';

export interface TemporalTarget {
  address: string;
  namespace: string;
  uiUrl?: string;
  credentials: TemporalCredentials;
}

/**
 * Where to reach Temporal: environment and profile first, then the local stack, then the default address.
 * @throws UserError `InvalidInput` where the profile or a certificate cannot be read.
 */
export function temporalTarget(): TemporalTarget {
  const stack = readStackFile()?.temporal;
  const profile = connectionProfile();
  const external = profile.address;
  const address = external ?? stack?.address ?? temporalConfig.address;
  return {
    address,
    namespace: profile.namespace ?? (external ? undefined : stack?.namespace) ?? temporalConfig.namespace,
    credentials: credentialsFor(address),
    ...(external
      ? process.env.TEMPORAL_UI_URL
        ? { uiUrl: process.env.TEMPORAL_UI_URL }
        : {}
      : { uiUrl: stack?.uiUrl }),
  };
}
