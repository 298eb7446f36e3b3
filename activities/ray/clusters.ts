/** Which Ray clusters there are, from the worker's environment: recipes name none. */
import { UserError } from '../../workflows/errors.js';

export interface RayCluster {
  /** Address of the dashboard, which serves the Jobs API, without a slash at its end. */
  address: string;
  /** Sent as `Authorization: Bearer …`. */
  token?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The clusters of `RMR1_RAY_ADDRESS`, one or several separated by commas, in the order in which they are tried;
 * `RMR1_RAY_TOKEN` is the token of all. Certificates are those that Node trusts (`NODE_EXTRA_CA_CERTS`).
 * @throws UserError `RaySettings` naming what is wrong with an address.
 */
export function clustersFromEnvironment(env: Environment = process.env): RayCluster[] {
  const addresses = (env.RMR1_RAY_ADDRESS ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean);
  if (addresses.length === 0) {
    throw new UserError(
      'RaySettings',
      "The recipe's engine is ray, but the training worker has no RMR1_RAY_ADDRESS: set it to the cluster's dashboard, such as http://127.0.0.1:8265, or start a local one with `rmr1 up --ray`.",
    );
  }
  const token = env.RMR1_RAY_TOKEN;
  return addresses.map((address) => ({ address: checked(address), ...(token ? { token } : {}) }));
}

function checked(address: string): string {
  const refuse = (reason: string): never => {
    throw new UserError('RaySettings', `RMR1_RAY_ADDRESS: '${address}' ${reason}.`);
  };
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return refuse('is not a URL; use the form http://head:8265');
  }
  if (url.protocol === 'ray:')
    refuse('is of the Ray client; use the dashboard, such as http://head:8265, which serves the Jobs API');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') refuse('must begin with http:// or https://');
  if (url.username || url.password) refuse('holds a key; set RMR1_RAY_TOKEN instead');
  if (url.search || url.hash) refuse('must end with its path');
  return url.href.replace(/\/+$/, '');
}
