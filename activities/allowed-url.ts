/** Which addresses an input may send a worker to. */
import { UserError } from '../workflows/errors.js';

/** Where clouds hand out their machines' credentials; no model is served there. */
const METADATA_HOSTS =
  /^(169\.254\.\d+\.\d+|\[fe80:.*\]|\[fd00:ec2::254\]|\[::ffff:a9fe:.*\]|metadata(\.google\.internal)?\.?|0\.0\.0\.0|\[::\])$/i;

/**
 * An input can name an endpoint, and the worker would send it a key: an operator may therefore list the hosts that are
 * allowed in `RMR1_ALLOWED_HOSTS` (`api.example.com,10.0.0.7:8000`). Metadata services are refused in any case.
 * @param field what the message names, such as `oracle.baseUrl`.
 * @throws UserError `InvalidInput` with the address and the reason.
 */
export function assertAllowedUrl(field: string, address: string, env: NodeJS.ProcessEnv = process.env): void {
  const refuse = (reason: string): never => {
    throw new UserError('InvalidInput', `${field}: ${reason}.`);
  };
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return refuse(`'${address}' is not a URL`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    refuse(`'${url.protocol}' is not allowed; use http or https`);
  if (url.username || url.password) refuse('keys do not belong into a URL; set them where the worker runs');
  if (METADATA_HOSTS.test(url.hostname))
    refuse(`'${url.hostname}' is an address of the worker's surroundings, not of a model`);
  const allowed = env.RMR1_ALLOWED_HOSTS?.split(',').map((host) => host.trim().toLowerCase());
  if (allowed && !allowed.includes(url.host.toLowerCase()) && !allowed.includes(url.hostname.toLowerCase()))
    refuse(`'${url.host}' is not among the worker's RMR1_ALLOWED_HOSTS`);
}

/** For clients of such an endpoint: it answers itself, or its redirection could lead where its address may not. */
export const NO_REDIRECTS = { fetchOptions: { redirect: 'error' as const } };
