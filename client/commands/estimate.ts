/** What a run's oracle will cost, shown before it starts; above a threshold a person has to agree. */
import { createInterface } from 'node:readline/promises';
import {
  ASSUMED,
  estimateDistillation,
  type DistillationEstimate,
} from '../../activities/oracle/estimate.js';
import type { Pair } from '../../judge/pair.js';
import type { Recipe } from '../../recipes/schema.js';
import { ClientError } from '../errors.js';
import { remark } from '../output.js';
import { trainingText } from './training-estimate.js';

/** Estimates above this many USD are not started without a yes. */
const CONFIRM_ABOVE_USD = 10;

export interface EstimateOptions {
  /** Do not ask. */
  yes?: boolean;
}

/**
 * Show the estimate and ask where it is high, or cannot be made for lack of a price.
 * @throws ClientError `Usage` where nobody is there to answer, or the answer is no.
 */
export async function confirmEstimate(
  recipe: Recipe,
  seed: number,
  data: readonly Pair[] | undefined,
  { yes = false }: EstimateOptions,
): Promise<DistillationEstimate> {
  const estimate = estimateDistillation(recipe, seed, data);
  if (!recipe.coldStart) remark(estimateText(estimate));
  const training = trainingText(recipe, data);
  if (training) remark(training);
  const reason = reasonToAsk(recipe, estimate);
  if (!reason || yes) return estimate;
  if (!process.stdin.isTTY) {
    throw new ClientError('Usage', `${reason} Nothing was started: add --yes to start without being asked.`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${reason} Start? [y/N] `).finally(() => terminal.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw new ClientError('Usage', 'Nothing was started.');
  return estimate;
}

function reasonToAsk({ oracle, coldStart }: Recipe, { usd }: DistillationEstimate): string | undefined {
  if (coldStart || oracle.provider === 'local' || oracle.provider === 'none') return undefined;
  if (usd === undefined)
    return 'The cost cannot be estimated without the prices of the models (oracle.price).';
  return usd > CONFIRM_ABOVE_USD
    ? `The estimate of ${money(usd)} is above ${money(CONFIRM_ABOVE_USD)}.`
    : undefined;
}

/** The estimate as lines for people. */
export function estimateText({ pairs, passes, usd, atMostUsd }: DistillationEstimate): string {
  if (passes.length === 0) return `No oracle is asked: the student judges ${count(pairs)} pairs itself.`;
  const rows = passes.map(({ pass, model, questions, inputTokens, outputTokens, usd: cost }) => [
    `pass ${pass}`,
    model,
    `${count(questions)} questions`,
    `${count(inputTokens)} tokens in`,
    `${count(outputTokens)} out`,
    cost === undefined ? 'price unknown' : money(cost),
  ]);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd(),
  );
  const total =
    usd === undefined || atMostUsd === undefined
      ? '  Set oracle.price for the models without a price to see the cost.'
      : `  Together ${money(usd)}, in no case more than ${money(atMostUsd)}.`;
  return [
    `Distilling ${count(pairs)} pairs, as estimated:`,
    ...table,
    total,
    `  Assumed: ${ASSUMED.bytesPerToken} bytes a token, answers of ${ASSUMED.answerTokens} tokens, ` +
      `${ASSUMED.secondPassShare * 100} % of the pairs in pass 2. Answers that are stored already cost nothing.`,
  ].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function money(usd: number): string {
  return `$${usd.toFixed(usd < 0.1 ? 4 : 2)}`;
}
