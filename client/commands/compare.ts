import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { readLines } from '../../activities/dataset/read-lines.js';
import {
  BENCHMARKS,
  compareUnits,
  itemKey,
  scoreVerdicts,
  unitsOfJudgements,
  unitsOfRecords,
  type BenchmarkName,
  type ComparisonOfRuns,
  type Judgement,
  type Unit,
  type VerdictProtocol,
  type VerdictRecord,
} from '../../benchmarks/index.js';
import { comparisonText } from '../comparison-text.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print, remark } from '../output.js';
import { withStore } from '../store.js';
import { withRun } from './with-run.js';

export interface CompareOptions extends SharedOptions {
  seed?: number;
  report?: string;
}

interface Judged {
  name: string;
  /** Absent for the held-out pairs of a training run. */
  benchmark: BenchmarkName | undefined;
  units: Unit[];
  /** Of a benchmark only. */
  records?: VerdictRecord[];
  protocol?: VerdictProtocol;
}

export async function run(options: CompareOptions, first?: string, second?: string): Promise<void> {
  if (!first || !second) throw new ClientError('Usage', 'Give two runs or two verdict files.');
  if (first === second)
    throw new ClientError(
      'Usage',
      `Both are ${first}: give two different runs or verdict files. What the stages of one training run added stands in its report (rmr1 report).`,
    );
  const [a, b] = [await judgedBy(first), await judgedBy(second)];
  if (a.benchmark !== b.benchmark) {
    const named = ({ name, benchmark }: Judged) => `${name}: ${benchmark ?? "the run's own pairs"}`;
    throw new ClientError(
      'Usage',
      `They judged different things (${named(a)}; ${named(b)}): evaluate both on one benchmark (rmr1 evaluate) and compare those runs.`,
    );
  }
  const names = namesOf(a, b);
  const comparison = compareUnits(a.units, b.units, {
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    names,
  });
  const notes = notesOn(a, b);
  if (options.report !== undefined) await writeReport(options.report, [a, b], names, comparison, notes);
  const { benchmark } = a;
  print(
    options.json,
    {
      ...(benchmark ? { benchmark } : {}),
      a: a.name,
      b: b.name,
      ...comparison,
      ...(notes.length ? { notes } : {}),
    },
    () => comparisonText(comparison, { names, sources: [a.name, b.name], notes }),
  );
}

/** What sentence and table call the judges: their own names where these tell them apart. */
function namesOf(a: Judged, b: Judged): [string, string] {
  const [first, second] = [a.protocol?.judge.label, b.protocol?.judge.label];
  return first && second && first !== second ? [first, second] : [a.name, b.name];
}

/** Why the difference may be one of the questions and not of the judges. */
function notesOn({ protocol: a }: Judged, { protocol: b }: Judged): string[] {
  if (!a || !b || a.data.sha256 === b.data.sha256) return [];
  return [
    `They judged different data (${a.data.source}; ${b.data.source}). Items are matched by their ids alone: make sure that these mean the same pairs, or judge the same data with both.`,
  ];
}

/** One page with both judges. */
async function writeReport(
  file: string,
  judged: [Judged, Judged],
  names: [string, string],
  comparison: ComparisonOfRuns,
  notes: string[],
): Promise<void> {
  // Takes longer to import than to compare: only who asks for it waits for it.
  const { buildBenchmarkReport } = await import('../../activities/evaluation/report/benchmark/build.js');
  const { BENCHMARK_TITLES } = await import('../../activities/evaluation/report/benchmark/data.js');
  const evaluations = judged.map(({ name, benchmark, records, protocol }, index) => {
    if (!benchmark || !records)
      throw new ClientError(
        'Usage',
        `--report is for verdicts on a benchmark; the judges of ${name} stand in its own report (rmr1 report ${name}).`,
      );
    const bothOrders = new Set(records.map(itemKey)).size < records.length;
    const score = scoreVerdicts(benchmark, records, { bothOrders });
    return { judge: names[index]!, score, records, ...(protocol ? { protocol } : {}) };
  });
  const title = `${names[1]} against ${names[0]} on ${BENCHMARK_TITLES[judged[0].benchmark!]}`;
  const page = buildBenchmarkReport({
    title,
    madeAt: new Date().toISOString(),
    evaluations,
    comparison: { names, notes, ...comparison },
  });
  await writeFile(file, page);
  remark(`Report: ${resolve(file)}`);
}

async function judgedBy(name: string): Promise<Judged> {
  if (existsSync(name)) return fromFile(name, name);
  // Ids of runs may have slashes inside: `quickstart-seed1/sft`.
  if (/^[./~]|\.jsonl?(\.gz)?$/.test(name))
    throw new ClientError('Usage', `${name} does not exist: give a run (rmr1 runs) or a verdict file.`);
  return withRun(name, async (run) => {
    const { status } = await run.status();
    if (status === 'RUNNING')
      throw new ClientError(
        'RunNotReady',
        `${name} is still running and has no verdicts to compare yet; \`rmr1 watch ${name}\` tells when it ends.`,
      );
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
  const { records, protocols } = await readVerdicts([path], { benchmark, bothOrders: true });
  const [protocol] = protocols;
  return {
    name,
    benchmark,
    units: unitsOfRecords(benchmark, records),
    records,
    ...(protocol ? { protocol } : {}),
  };
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
