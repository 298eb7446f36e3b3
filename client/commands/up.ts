import { homeDirectory } from '../../infra/environment.js';
import { ClientError } from '../errors.js';
import { listenForInterrupt } from '../interrupt.js';
import { giveUpOwnership, isLive, readOwner, takeOwnership } from '../local/owner.js';
import { LocalServices, type ServiceAddresses } from '../local/services.js';
import type { SharedOptions } from '../options.js';
import { print, remark } from '../output.js';

export interface UpOptions extends SharedOptions {
  detach?: boolean;
  worker: boolean;
  oracle: boolean;
  ray?: boolean;
}

export async function run(options: UpOptions): Promise<number | void> {
  const home = homeDirectory();
  const owner = readOwner(home);
  if (owner && owner.command !== 'up --detach' && isLive(owner)) {
    throw new ClientError(
      'Usage',
      `\`rmr1 ${owner.command}\` (process ${owner.pid}) looks after the stack in ${home}. Use it, or end it with \`rmr1 down\`.`,
    );
  }
  const interrupt = listenForInterrupt(() => process.exit(interrupt.exitCode()));
  try {
    const services = await LocalServices.start({
      worker: options.worker,
      oracle: options.oracle,
      ...(options.ray ? { ray: true } : {}),
      signal: interrupt.signal,
      onProgress: remark,
      adopt: true,
    });
    takeOwnership(home, options.detach ? 'up --detach' : 'up');
    const addresses = await services.addresses();
    print(options.json, addresses, () => addressesText(addresses, home));
    if (options.detach) return;
    remark('Ctrl-C stops everything; data stays.');
    try {
      await services.keepAlive(interrupt.signal);
    } finally {
      await services.stop();
      giveUpOwnership(home);
    }
    return interrupt.exitCode();
  } finally {
    interrupt.dispose();
  }
}

/** Where everything is, for people. */
export function addressesText({ temporal, s3, oracle, ray }: ServiceAddresses, home: string): string {
  return [
    `Temporal     ${temporal.address}, namespace ${temporal.namespace}`,
    ...(temporal.uiUrl ? [`Temporal UI  ${temporal.uiUrl}`] : []),
    `S3           ${s3.endpoint ?? 'AWS'}, bucket ${s3.bucket}`,
    ...(oracle ? [`Oracle       ${oracle.baseUrl}`] : []),
    ...(ray ? [`Ray          ${ray.address}`] : []),
    `State, logs  ${home}`,
  ].join('\n');
}
