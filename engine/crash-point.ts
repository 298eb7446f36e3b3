/**
 * Named moments at which a test may hold a process while it breaks something: the one way to hit "after the upload,
 * before its manifest" every time. Without `RMR1_CRASH_POINTS` (a directory; set by tests only) nothing is done.
 *
 * The test writes `plan.json`; the first process that comes to the planned moment writes `<id>.reached` and waits for
 * `<id>.released`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 10;
const directory = process.env['RMR1_CRASH_POINTS'];

/** Which moment a test waits for. */
export interface CrashPlan {
  id: string;
  /** Pattern of the point's name. */
  point: string;
  /** Count only points that come after one with this pattern, in the same process. */
  after?: string;
  /** The how-manieth match; 1 is the first. */
  nth: number;
}

let followed: { id: string; armed: boolean; seen: number } | undefined;

/** Wait here if a test has planned it. */
export const crashPoint: (name: string) => Promise<void> = directory
  ? (name) => hold(directory, name)
  : () => Promise.resolve();

async function hold(dir: string, name: string): Promise<void> {
  const plan = readPlan(dir);
  if (!plan) return;
  if (followed?.id !== plan.id) followed = { id: plan.id, armed: plan.after === undefined, seen: 0 };
  if (!followed.armed) {
    followed.armed = new RegExp(plan.after!).test(name);
    return;
  }
  if (!new RegExp(plan.point).test(name) || ++followed.seen !== plan.nth) return;
  try {
    writeFileSync(join(dir, `${plan.id}.reached`), JSON.stringify({ name, pid: process.pid }), {
      flag: 'wx',
    });
  } catch {
    // Another process was here first.
    return;
  }
  while (!existsSync(join(dir, `${plan.id}.released`))) await delay(LOOK_EVERY_MS);
}

function readPlan(dir: string): CrashPlan | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'plan.json'), 'utf8')) as CrashPlan;
  } catch {
    return undefined;
  }
}
