/** A program's outcome against the undisturbed run's. */
import { mapLimit } from '../../activities/artifacts/map-limit.js';
import { runProgram, type Outcome } from './pipeline.js';
import type { FaultProgram } from './program.js';

/** Programs side by side: while one waits for its files, another one works. */
const AT_ONCE = 6;

let undisturbed: Promise<Outcome> | undefined;

/** What is wrong with the end of `program`: nothing, whatever it does. */
export async function check(program: FaultProgram): Promise<Outcome> {
  undisturbed ??= runProgram({ cap: 4, faults: [] });
  const expected = (await undisturbed).bytes;
  const outcome = await runProgram(program);
  for (const [name, sha256] of Object.entries(expected))
    if (outcome.bytes[name] !== sha256) outcome.wrong.push(`${name} differs from the undisturbed run's`);
  return outcome;
}

export interface Failure {
  program: FaultProgram;
  wrong: string[];
  struck: string[];
}
export interface Tally {
  programs: number;
  struck: number;
  events: number;
  paidTwice: number;
  failed: Failure[];
}

/** Check all; `enough` ends it before its time. */
export async function checkAll(
  programs: readonly FaultProgram[],
  enough: (tally: Tally) => boolean = () => false,
): Promise<Tally> {
  const tally: Tally = { programs: 0, struck: 0, events: 0, paidTwice: 0, failed: [] };
  await mapLimit(programs, AT_ONCE, async (program) => {
    if (enough(tally)) return;
    const { wrong, struck, events, paidTwice } = await check(program);
    tally.programs += 1;
    tally.struck += struck.length;
    tally.events += events;
    tally.paidTwice += paidTwice;
    if (wrong.length > 0) tally.failed.push({ program, wrong: [...new Set(wrong)], struck });
  });
  return tally;
}
