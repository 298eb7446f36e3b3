/** A finished benchmark evaluation: fetch its verdicts and scores and show them. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/** Fetch verdicts and scores, and print the scores; for programs as one JSON line after the progress lines. */
export async function showScores(workflowId: string, outcome: StageOutcome, json: boolean): Promise<void> {
  const parts = await fetchScores(workflowId, outcome);
  if (json) return void process.stdout.write(`${JSON.stringify({ workflowId, results: parts })}\n`);
  for (const { name, files, scores } of parts)
    process.stdout.write(`${partText(name, files.verdicts, scores)}\n`);
}

interface ScoredPart {
  /** Completion budget, where there are several. */
  name: string;
  files: { verdicts: string; scores: string };
  scores: BenchmarkScores;
}

/** Verdicts and scores, brought to the run's directory. */
async function fetchScores(workflowId: string, { outputs }: StageOutcome): Promise<ScoredPart[]> {
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
    `Judged: ${asked.toLocaleString('en')} now, ${found.toLocaleString('en')} found from before${stopped ? '; stopped before the end' : ''}`,
    `Verdicts: ${verdicts}`,
  ].join('\n');
}
