import { doctor, type Check } from '../../infra/local/doctor.js';
import { connectionProfile } from '../../infra/connection-profile.js';
import { homeDirectory } from '../../infra/environment.js';
import { temporalConfig } from '../../temporal.config.js';
import { EXIT } from '../exit-codes.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';

export async function run(options: SharedOptions): Promise<number> {
  const checks = await doctor({
    home: homeDirectory(),
    namespace: connectionProfile().namespace ?? temporalConfig.namespace,
    retentionDays: temporalConfig.retentionDays,
    searchAttributes: temporalConfig.searchAttributes,
  });
  const ok = checks.every((check) => check.ok);
  print(options.json, { ok, checks }, () => checksText(checks));
  return ok ? EXIT.ok : EXIT.unreachable;
}

/** One line for each check, with what to do below those that failed. */
export function checksText(checks: Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .map(
      ({ name, ok, detail, fix }) =>
        `${ok ? '✓' : '✗'} ${name.padEnd(width)}  ${detail}${ok ? '' : `\n  ${' '.repeat(width)}  → ${fix}`}`,
    )
    .join('\n');
}
