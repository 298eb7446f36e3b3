/** What a benchmark prints: figures measured side by side in one run, with the machine they were measured on. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../infra/environment.js';

export interface BenchResult {
  name: string;
  /** Which of several cases. */
  case?: string;
  /** ours ÷ peer; null where there is nothing to compare with. */
  ratio: number | null;
  goal: number | null;
  /** Whether the goal was reached, for benchmarks that fail where it was not. */
  met?: boolean;
  ours: number;
  peer: number | null;
  unit: string;
  /** The single runs behind the medians. */
  runs: { ours: number[]; peer?: number[] };
  /** Highest resident memory of each side's process, where both are processes. */
  peakMiB?: { ours: number | undefined; peer: number | undefined };
  machine: string;
  versions: Record<string, string>;
}

/** A figure with nothing to compare it with, but perhaps a goal: `ratio` is then what it is of that. */
export function figure(
  name: string,
  which: string,
  ours: number,
  unit: string,
  goal: number | null = null,
): BenchResult {
  const alone = { ratio: goal === null ? null : ours / goal, peer: null, runs: { ours: [ours] } };
  return { name, case: which, goal, ours, unit, ...alone, machine: machine(), versions: versions() };
}

/** Seconds of rounds in which both sides took part: the ratio is the median of the rounds' own. */
export function sideBySide(
  name: string,
  which: string,
  { ours, peer, goal }: { ours: number[]; peer: number[]; goal: number | null },
): BenchResult {
  return {
    name,
    case: which,
    ratio: median(ours.map((seconds, round) => seconds / peer[round]!)),
    goal,
    ours: median(ours),
    peer: median(peer),
    unit: 's',
    runs: { ours, peer },
    machine: machine(),
    versions: versions(),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Cores, memory and system, without the machine's name. */
export function machine(): string {
  const cores = cpus();
  return `${cores.length} × ${cores[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`;
}

export function versions(extra: Record<string, string> = {}): Record<string, string> {
  const lock = JSON.parse(readFileSync(join(projectRoot(), 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string }>;
  };
  const of = (name: string) => lock.packages[`node_modules/${name}`]?.version ?? 'unknown';
  return {
    node: process.versions.node,
    'onnxruntime-node': of('onnxruntime-node'),
    '@temporalio/worker': of('@temporalio/worker'),
    ...extra,
  };
}
