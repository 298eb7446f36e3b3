/** `npm run fault-programs`: see USAGE. Exit code 1 where anything is wrong. */
import fc from 'fast-check';
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seedOfToday } from '../matrix/covering.js';
import { check, checkAll, type Tally } from './check.js';
import { faultProgram, realFaultProgram, type FaultProgram } from './program.js';
import { RealPrograms, type RealOutcome } from './real/run-program.js';
import { useScratch } from './scratch.js';

const USAGE = `npm run fault-programs -- [options]

Random fault programs from a seed, on a simulated cluster with the pipeline's real activities.

  --programs N      how many (default: 1000; with --real: 12)
  --real            two to four faults each on real servers, workers and trainers, half a minute or more each
  --seed S          of the programs (default: today's number)
  --processes P     of the simulation (default: one for each processor, 8 at most)
  --program JSON    run this one again, as a failure prints it
  --json            print every result
`;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        programs: { type: 'string' },
        real: { type: 'boolean', default: false },
        seed: { type: 'string', default: String(seedOfToday()) },
        processes: { type: 'string', default: String(Math.min(8, availableParallelism())) },
        program: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help) return values;
    process.stdout.write(USAGE);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const options = readOptions();
const programs = Number(options.programs ?? (options.real ? 12 : 1000));
const [seed, processes] = [Number(options.seed), Number(options.processes)];

process.exitCode = await run();
process.disconnect?.();

function run(): Promise<number> {
  if (process.send) return child();
  const named = options.program === undefined ? [] : [JSON.parse(options.program) as FaultProgram];
  if (options.real)
    return real(named.length > 0 ? named : fc.sample(realFaultProgram, { seed, numRuns: programs }));
  return options.program === undefined ? all() : one(options.program);
}

/** One after the other on one machine. */
async function real(chosen: readonly FaultProgram[]): Promise<number> {
  const outcomes: RealOutcome[] = [];
  const machine = await RealPrograms.start();
  let left: string[] = [];
  try {
    for (const program of chosen) {
      const outcome = await machine.run(program);
      outcomes.push(outcome);
      const { wrong, struck, seconds, recomputedSteps, answeredAgain } = outcome;
      const verdict = wrong.length === 0 ? 'ok    ' : 'FAILED';
      const cost = `${recomputedSteps} steps again, ${answeredAgain} answers again`;
      process.stderr.write(
        `${verdict} ${seconds.toFixed(0).padStart(4)} s  ${struck.join('; ')} (${cost})\n`,
      );
      for (const what of wrong) process.stderr.write(`       ${what}\n`);
      if (wrong.length > 0) process.stderr.write(`       --real --program '${JSON.stringify(program)}'\n`);
    }
  } finally {
    left = await machine.stop();
  }
  const failed = outcomes.filter(({ wrong }) => wrong.length > 0).length;
  if (options.json) process.stdout.write(`${JSON.stringify({ seed, outcomes, left }, null, 2)}\n`);
  else process.stdout.write(`seed ${seed}: ${outcomes.length} programs on real servers, ${failed} failed\n`);
  for (const what of left) process.stdout.write(`${what}\n`);
  return failed > 0 || left.length > 0 ? 1 : 0;
}

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
