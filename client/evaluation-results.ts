/** A finished benchmark evaluation: fetch its verdicts, scores and page and show them. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { BenchmarkScores } from '../activities/evaluation/score-benchmark.js';
import type { StageOutcome } from '../activities/stage-outcome.js';
import { formatShare } from './progress/format.js';
import { runDirectory } from './results.js';
import { scoreText } from './score-text.js';
import { withStore } from './store.js';

/** Whether a run's result is that of an evaluation of its own: `evaluate` ends like a stage. */
export function isEvaluation(result: unknown): result is StageOutcome {
  return (result as { stage?: unknown }).stage === 'evaluate';
}

/** Fetch all that it made and print the scores; for programs as one JSON line after the progress lines. */
export async function showScores(workflowId: string, outcome: StageOutcome, json: boolean): Promise<void> {
  const results = await fetchScores(workflowId, outcome);
  const report = await fetchPage(workflowId, outcome);
  if (json)
    return void process.stdout.write(
      `${JSON.stringify({ workflowId, results, ...(report ? { report } : {}) })}\n`,
    );
  process.stdout.write(`${scoresText(results, report)}\n`);
}

/** Scores of every completion budget, and where the page is. */
export function scoresText(parts: readonly ScoredPart[], report: string | undefined): string {
  const texts = parts.map(({ name, files, scores }) => partText(name, files.verdicts, scores));
  return [...texts, ...(report ? [`Report: ${report}`] : [])].join('\n');
}

/**
 * Download the page, verified; `out` names the file. Undefined for evaluations that have none: those that judged nothing,
 * or were made before evaluations had pages.
 */
export async function fetchPage(
  workflowId: string,
  { outputs }: StageOutcome,
  out?: string,
): Promise<string | undefined> {
  const { report } = outputs;
  if (!report) return undefined;
  const file = out === undefined ? join(runDirectory(workflowId), 'report.html') : resolve(out);
  await mkdir(dirname(file), { recursive: true });
  await withStore((store) => store.getFile(report, file));
  return file;
}

export interface ScoredPart {
  /** Completion budget, where there are several. */
  name: string;
  files: { verdicts: string; scores: string };
  scores: BenchmarkScores;
}

/** Verdicts and scores, brought to the run's directory. */
export async function fetchScores(workflowId: string, { outputs }: StageOutcome): Promise<ScoredPart[]> {
  const dir = runDirectory(workflowId);
  await mkdir(dir, { recursive: true });
  const names = Object.keys(outputs).filter((name) => name.startsWith('scores'));
  return withStore((store) =>
    Promise.all(
      names.map(async (output) => {
        const name = output.slice('scores'.length);
        const files = {
          verdicts: join(dir, `verdicts${name}.jsonl`),
          scores: join(dir, `scores${name}.json`),
        };
        await store.getFile(outputs[output]!, files.scores);
        await store.getFile(outputs[`verdicts${name}`]!, files.verdicts);
        const scores = JSON.parse(await readFile(files.scores, 'utf8')) as BenchmarkScores;
        return { name: name.slice(1), files, scores };
      }),
    ),
  );
}

function partText(
  name: string,
  verdicts: string,
  { score, accuracyByVotes, asked, found, stopped }: BenchmarkScores,
) {
  const curve = accuracyByVotes?.map((accuracy, index) => `${index + 1}: ${formatShare(accuracy)}`);
  return [
    '',
    ...(name ? [`Completion budget ${name}`] : []),
    scoreText(score),
    ...(curve ? ['', `Accuracy by votes  ${curve.join('  ')}`] : []),
    '',
    // Judges that read labels or lengths are asked nothing.
    ...(asked + found > 0 || stopped
      ? [
          `Judged: ${asked.toLocaleString('en')} now, ${found.toLocaleString('en')} found from before${stopped ? '; stopped before the end' : ''}`,
        ]
      : []),
    `Verdicts: ${verdicts}`,
  ].join('\n');
}
