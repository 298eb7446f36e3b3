/** Waiting for events that only show in a store, a process table or another process's output. */
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 50;
/** The longest pause after a look that took long itself. */
const LONGEST_PAUSE_MS = 500;

/**
 * Look until `probe` finds something, and return it.
 * @throws Error that names `what` after `seconds`; that is a limit for hanging tests, not a measurement.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  seconds = 120,
  everyMs = LOOK_EVERY_MS,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const began = Date.now();
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`Waited ${seconds} s in vain for: ${what}`);
    // A look may replay a whole workflow: it must not keep the machine from what it waits for.
    await delay(Math.max(everyMs, Math.min(2 * (Date.now() - began), LONGEST_PAUSE_MS)));
  }
}
