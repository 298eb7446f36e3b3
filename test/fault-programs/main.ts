/**
 * `npm run fault-programs -- [--programs N] [--seed S] [--processes P] [--json]`: N random fault programs from a seed,
 * on a simulated cluster with the pipeline's real activities. `--program JSON` runs one again. Exit code 1 where
 * anything is wrong.
 */
import fc from 'fast-check';
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seedOfToday } from '../matrix/covering.js';
import { check, checkAll, type Tally } from './check.js';
import { faultProgram, type FaultProgram } from './program.js';
import { useScratch } from './scratch.js';

const { values: options } = parseArgs({
  options: {
    programs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(seedOfToday()) },
    processes: { type: 'string', default: String(Math.min(8, availableParallelism())) },
    program: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [programs, seed, processes] = [options.programs, options.seed, options.processes].map(Number) as [
  number,
  number,
  number,
];

process.exitCode = process.send ? await child() : options.program ? await one(options.program) : await all();
process.disconnect?.();

async function one(text: string): Promise<number> {
  const clear = useScratch();
  const outcome = await check(JSON.parse(text) as FaultProgram).finally(clear);
  process.stdout.write(`${JSON.stringify(outcome, null, 2)}\n`);
  return outcome.wrong.length > 0 ? 1 : 0;
}

async function child(): Promise<number> {
  const clear = useScratch();
  const tally = await checkAll(fc.sample(faultProgram, { seed, numRuns: programs })).finally(clear);
  await new Promise((resolve) => process.send!(tally, resolve));
  return 0;
}

/** Every process has a share of the programs and a seed of its own. */
async function all(): Promise<number> {
  const began = Date.now();
  const tallies = await Promise.all(
    Array.from({ length: Math.min(processes, programs) }, (_, index) => {
      const share = Math.floor(programs / processes) + (index < programs % processes ? 1 : 0);
      return inChild(share, seed * 1000 + index);
    }),
  );
  const sum = tallies.reduce<Tally>(
    (total, tally) => ({
      programs: total.programs + tally.programs,
      struck: total.struck + tally.struck,
      events: total.events + tally.events,
      paidTwice: total.paidTwice + tally.paidTwice,
      failed: [...total.failed, ...tally.failed],
    }),
    { programs: 0, struck: 0, events: 0, paidTwice: 0, failed: [] },
  );
  const seconds = (Date.now() - began) / 1000;
  if (options.json) process.stdout.write(`${JSON.stringify({ seed, seconds, ...sum }, null, 2)}\n`);
  else {
    const perMinute = Math.round((sum.programs / seconds) * 60);
    process.stdout.write(
      `seed ${seed}: ${sum.programs} programs, ${sum.struck} faults struck, ${sum.failed.length} failed ` +
        `(${seconds.toFixed(0)} s, ${perMinute} a minute in ${processes} processes)\n`,
    );
    for (const { program, wrong, struck } of sum.failed.slice(0, 10))
      process.stdout.write(
        `${wrong.join('; ')}\n  ${struck.join('; ')}\n  --program '${JSON.stringify(program)}'\n`,
      );
  }
  return sum.failed.length > 0 || sum.programs < programs ? 1 : 0;
}

function inChild(share: number, seedOfChild: number): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const args = ['--programs', String(share), '--seed', String(seedOfChild)];
    const process = fork(fileURLToPath(import.meta.url), args);
    process.once('message', (tally) => resolve(tally as Tally));
    process.once('exit', (code) => reject(new Error(`a process of the simulation ended with code ${code}`)));
  });
}
