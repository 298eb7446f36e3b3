import { existsSync } from 'node:fs';
import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { readLines } from '../../activities/dataset/read-lines.js';
import {
  BENCHMARKS,
  compareUnits,
  unitsOfJudgements,
  unitsOfRecords,
  type BenchmarkName,
  type ComparisonOfRuns,
  type Difference,
  type Judgement,
  type Unit,
} from '../../benchmarks/index.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { withStore } from '../store.js';
import { withRun } from './with-run.js';

export interface CompareOptions extends SharedOptions {
  seed?: number;
}

interface Judged {
  name: string;
  /** Absent for the held-out pairs of a training run. */
  benchmark: BenchmarkName | undefined;
  units: Unit[];
}

export async function run(options: CompareOptions, first?: string, second?: string): Promise<void> {
  if (!first || !second) throw new ClientError('Usage', 'Give two runs or two verdict files.');
  const [a, b] = [await judgedBy(first), await judgedBy(second)];
  if (a.benchmark !== b.benchmark) {
    const named = ({ name, benchmark }: Judged) => `${name}: ${benchmark ?? "the run's own pairs"}`;
    throw new ClientError('Usage', `They judged different things (${named(a)}; ${named(b)}).`);
  }
  const comparison = compareUnits(a.units, b.units, {
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    names: [a.name, b.name],
  });
  const { benchmark } = a;
  print(options.json, { ...(benchmark ? { benchmark } : {}), a: a.name, b: b.name, ...comparison }, () =>
    comparisonText(comparison, [a.name, b.name]),
  );
}

async function judgedBy(name: string): Promise<Judged> {
  if (existsSync(name)) return fromFile(name, name);
  return withRun(name, async (run) => {
    const { status } = await run.status();
    if (status === 'RUNNING')
      throw new ClientError('RunNotReady', `${name} is still running: it has no verdicts to compare yet.`);
    const result = await run.result();
    return withStore((store) => fromRun(store, name, result));
  });
}

/** Verdicts of a benchmark evaluation, or of the last judge of a training run. */
async function fromRun(store: ArtifactStore, name: string, result: unknown): Promise<Judged> {
  const { outputs = {}, scores } = result as { outputs?: Record<string, ArtifactRef>; scores?: ArtifactRef };
  const { verdicts } = outputs;
  if (verdicts) return store.withFile(verdicts, (path) => fromFile(path, name));
  const own =
    outputs['verdicts-grpo'] ?? outputs['verdicts-sft'] ?? (scores && (await lastJudge(store, scores)));
  if (!own) {
    const budgets = Object.keys(outputs).filter((output) => output.startsWith('verdicts-'));
    throw new ClientError(
      'Usage',
      budgets.length > 0
        ? `${name} has verdicts of several budgets (${budgets.join(', ')}): compare the files that \`rmr1 evaluate\` wrote.`
        : `${name} ended without verdicts.`,
    );
  }
  const judgements: Judgement[] = [];
  for await (const line of store.openLines(own)) judgements.push(line as Judgement);
  return { name, benchmark: undefined, units: unitsOfJudgements(judgements) };
}

/** A training run names its scores; the stage that made them names the verdicts. */
async function lastJudge(store: ArtifactStore, scores: ArtifactRef): Promise<ArtifactRef | undefined> {
  const { manifest } = await store.lineage(scores);
  return manifest?.outputs['verdicts-grpo'] ?? manifest?.outputs['verdicts-sft'];
}

async function fromFile(path: string, name: string): Promise<Judged> {
  const benchmark = await benchmarkOf(path, name);
  const { records } = await readVerdicts([path], { benchmark, bothOrders: true });
  return { name, benchmark, units: unitsOfRecords(benchmark, records) };
}

/** Named by the first line, header or record. */
async function benchmarkOf(path: string, name: string): Promise<BenchmarkName> {
  for await (const { text } of readLines(path)) {
    if (text.trim() === '') continue;
    const said = /"benchmark"\s*:\s*"([^"]*)"/.exec(text)?.[1];
    const known = BENCHMARKS.find((benchmark) => benchmark === said);
    if (known) return known;
    break;
  }
  throw new ClientError(
    'BadData',
    `${name}: the first line names no benchmark of ${BENCHMARKS.join(', ')}; is it a verdict file?`,
  );
}

function comparisonText(
  { score, sections, onlyA, onlyB, conclusion }: ComparisonOfRuns,
  names: [string, string],
) {
  const rows = [
    ['', names[0], names[1], 'difference', '95 %', 'fixed', 'broken', 'McNemar p', 'judgements'],
    ...Object.entries(sections).map(([name, part]) => row(name, part)),
    row('score', score),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
  const left =
    onlyA + onlyB > 0 ? [`Left out: ${onlyA} judged only by ${names[0]}, ${onlyB} only by ${names[1]}.`] : [];
  return [...lines, '', ...left, conclusion].join('\n');
}

function row(
  name: string,
  { a, b, difference, low, high, fixed, broken, pValue, count }: Difference,
): string[] {
  const percent = (share: number) => (100 * share).toFixed(1);
  const signed = (share: number) => `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`;
  const p = pValue < 0.001 ? '< 0.001' : pValue.toFixed(3);
  const interval = `${signed(low)} to ${signed(high)}`;
  return [name, percent(a), percent(b), signed(difference), interval, `${fixed}`, `${broken}`, p, `${count}`];
}
