/** How soon one sees something: `rmr1 --help` against a bare start of Node, and a worker until it polls. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../infra/environment.js';
import { TestMachine } from '../test/support/machine.js';
import { type BenchResult, machine, median, versions } from './result.js';

const HELP_ROUNDS = 9;
const WORKER_ROUNDS = 5;
const HELP_GOAL_SECONDS = 0.3;
const WORKER_GOAL_SECONDS = 3;

/** @param parts `help`, `worker`; without names both. */
export async function run(parts: string[]): Promise<BenchResult[]> {
  const wanted = (part: string) => parts.length === 0 || parts.includes(part);
  return [...(wanted('help') ? [await help()] : []), ...(wanted('worker') ? [await worker()] : [])];
}

async function help(): Promise<BenchResult> {
  const command = join(projectRoot(), 'dist/client/cli.js');
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < HELP_ROUNDS; round++) {
    bare.push(await secondsOf(() => node('--eval', '0')));
    ours.push(await secondsOf(() => node(command, '--help')));
  }
  return result('rmr1 --help', ours, HELP_GOAL_SECONDS, bare);
}

/** With Temporal and S3 of its own, from the start of the process until all three queues are polled. */
async function worker(): Promise<BenchResult> {
  const host = await TestMachine.start();
  const ours: number[] = [];
  try {
    for (let round = 0; round < WORKER_ROUNDS; round++) {
      ours.push(await secondsOf(() => host.startWorker()));
      await host.stopWorkers();
    }
  } finally {
    await host.stop();
  }
  return result('worker', ours, WORKER_GOAL_SECONDS);
}

function node(...args: string[]): Promise<unknown> {
  return promisify(execFile)(process.execPath, args);
}

async function secondsOf(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await action();
  return (performance.now() - began) / 1_000;
}

function result(which: string, ours: number[], goal: number, peer?: number[]): BenchResult {
  return {
    name: 'startup',
    case: which,
    ratio: peer ? median(ours) / median(peer) : null,
    goal,
    met: median(ours) <= goal,
    ours: median(ours),
    peer: peer ? median(peer) : null,
    unit: 's',
    runs: { ours, ...(peer && { peer }) },
    machine: machine(),
    versions: versions(),
  };
}
