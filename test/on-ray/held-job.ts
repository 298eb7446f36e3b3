/** Holding a job on Ray at a named moment, see `infra/ray/rmr1_ray/crash_point.py`. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CrashPlan } from '../../engine/crash-point.js';
import { until } from '../support/until.js';

export interface Held {
  /** The trainer that waits. */
  pid: number;
  release: () => Promise<void>;
}

let plans = 0;

/** Plan to hold the first job that comes to `point`; the answer waits until one has. */
export async function planHold(directory: string, point: string): Promise<() => Promise<Held>> {
  await mkdir(directory, { recursive: true });
  const id = `held-${++plans}`;
  const plan: CrashPlan = { id, point, nth: 1 };
  await writeFile(join(directory, 'plan.json'), JSON.stringify(plan));
  const reached = join(directory, `${id}.reached`);
  const read = (): number | undefined => {
    if (!existsSync(reached)) return undefined;
    const text = readFileSync(reached, 'utf8');
    // Made first, written then.
    return text.endsWith('}') ? (JSON.parse(text) as { pid: number }).pid : undefined;
  };
  return async () => ({
    pid: await until(`a job at ${point}`, () => Promise.resolve(read()), 240),
    release: () => writeFile(join(directory, `${id}.released`), ''),
  });
}

/** Nobody is held any more, and nobody will be: a job that a failed test left waiting would wait for ever. */
export async function releaseAll(directory: string): Promise<void> {
  await rm(join(directory, 'plan.json'), { force: true });
  const names = existsSync(directory) ? await readdir(directory) : [];
  for (const name of names.filter((each) => each.endsWith('.reached')))
    await writeFile(join(directory, `${basename(name, '.reached')}.released`), '');
}
