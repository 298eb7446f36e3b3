import { setTimeout as delay } from 'node:timers/promises';
import { homeDirectory } from '../../infra/environment.js';
import { isRunning, type ProcessRef } from '../../infra/local/process.js';
import { StackFile } from '../../infra/local/stack-file.js';
import { giveUpOwnership, readOwner } from '../local/owner.js';
import { LocalServices } from '../local/services.js';
import type { SharedOptions } from '../options.js';
import { print, remark } from '../output.js';

export async function run(options: SharedOptions): Promise<void> {
  const home = homeDirectory();
  const owner = readOwner(home);
  if (owner && owner.command !== 'up --detach' && isRunning(owner)) {
    remark(`Asking \`rmr1 ${owner.command}\` (process ${owner.pid}) to stop`);
    process.kill(owner.pid, 'SIGTERM');
    await gone(owner);
  }
  const { servers, services } = await new StackFile(home).read();
  const was = [...Object.keys(servers), ...services.map(({ name }) => name)];
  if (was.length > 0) await LocalServices.adopted({ onProgress: remark }).stop();
  giveUpOwnership(home);
  print(options.json, { home, stopped: was }, () =>
    was.length > 0 || owner ? `Stopped. Data stays in ${home}.` : `Nothing was running in ${home}.`,
  );
}

async function gone(process: ProcessRef): Promise<void> {
  while (isRunning(process)) await delay(100);
}
