/** The quickstart as a person runs it: wall time by stage, and the peak memory of every process. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../infra/environment.js';
import { processesOf } from '../test/support/processes.js';
import { type BenchResult, figure } from './result.js';

const LOOK_EVERY_MS = 500;

export async function run(): Promise<BenchResult[]> {
  const home = await mkdtemp(join(tmpdir(), 'rmr1-quickstart-'));
  const peaks = new Map<string, number>();
  const look = setInterval(() => {
    for (const { pid, command } of processesOf(home)) note(peaks, roleOf(command), peakMiB(pid));
  }, LOOK_EVERY_MS);
  try {
    const began = performance.now();
    const report = await quickstart(home);
    const wall = (performance.now() - began) / 1000;
    const stages = report.stages.map(({ name, seconds }) =>
      figure('quickstart', `stage ${name}`, seconds, 's'),
    );
    const memory = [...peaks].map(([role, mib]) => figure('quickstart', `peak memory ${role}`, mib, 'MiB'));
    return [figure('quickstart', 'wall time', wall, 's', 600), ...stages, ...memory];
  } finally {
    clearInterval(look);
    await rm(home, { recursive: true, force: true });
  }
}

interface Report {
  stages: { name: string; seconds: number }[];
}

async function quickstart(home: string): Promise<Report> {
  const cli = join(projectRoot(), 'dist/client/cli.js');
  const child = spawn(process.execPath, [cli, 'quickstart', '--home', home], {
    env: { ...process.env, RMR1_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    process.stderr.write(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const path = /Report: (.*)report\.html/.exec(output)?.[1];
  if (code !== 0 || !path) throw new Error(`The quickstart ended with code ${code}:\n${output.slice(-2000)}`);
  return JSON.parse(readFileSync(join(path, 'report.json'), 'utf8')) as Report;
}

function roleOf(command: string): string {
  const roles = {
    'engine/main.js': 'engine',
    'workers/main.js': 'worker',
    'oracle/main.js': 'oracle',
    'client/cli.js': 'command',
  };
  for (const [part, role] of Object.entries(roles)) if (command.includes(part)) return role;
  if (command.includes('start-dev')) return 'Temporal server';
  return command.includes('weed') ? 'SeaweedFS' : 'other';
}

/** Highest resident memory so far, as the kernel counts it. */
function peakMiB(pid: number): number {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function note(peaks: Map<string, number>, role: string, mib: number): void {
  peaks.set(role, Math.max(peaks.get(role) ?? 0, mib));
}
