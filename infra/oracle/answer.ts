/** What the oracle says about a pair: pure, so the same question always gets the same answer. */
import { createHash } from 'node:crypto';
import type { Message, Position } from '../../judge/pair.js';
import { extractPair } from '../../judge/prompt/build.js';
import { extractHint } from '../../judge/prompt/hint.js';
import { extractPointwiseV1 } from '../../judge/prompt/pointwise-v1.js';
import { otherPosition } from '../../judge/verdict.js';
import { flawedTrace, solve } from '../../world/index.js';
import { ApiError } from './api-error.js';
import { genericTrace } from './generic-trace.js';
import { pairKey } from './labels.js';
import type { LabelBook } from './labels.js';
import { pointwiseAnswer } from './pointwise-answer.js';

/** Pass 1 judges alone and errs at the set rate; pass 2 is given the gold verdict and is right. */
export const MODELS = ['world-oracle-a', 'world-oracle-b'] as const;

export interface OracleSettings {
  seed: number;
  /** Share of judgements without a hint that come to the wrong verdict. */
  errorRate: number;
  labels: LabelBook;
}

export interface OracleAnswer {
  text: string;
  /** `solver`: read from the text; `gold-label`: from a label it was given; `hint`: from the request itself. */
  source: 'solver' | 'gold-label' | 'hint';
  /** Names the question (model, conversation, answers in this order), for the counters. */
  key: string;
}

/** Uniform in [0, 1), a function of its arguments. */
function chance(...parts: (string | number)[]): number {
  return createHash('sha256').update(parts.join('/')).digest().readUInt32BE(0) / 0x1_0000_0000;
}

/** Without type, rubric and evaluation tags: the form that the plain prompt asks for. */
function plain(trace: string): string {
  return trace.replace(/<\/?(?!answer>)\w+> ?/g, '');
}

/**
 * Judge the pair in `messages` as `model` does.
 * @throws ApiError 404 for an unknown model, 422 for messages that are no prompt of ours or a pair nobody labelled.
 */
export function answer(
  settings: OracleSettings,
  model: string,
  messages: Message[],
  sample: number,
): OracleAnswer {
  if (!(MODELS as readonly string[]).includes(model)) {
    throw new ApiError(
      404,
      'model_not_found',
      `There is no model "${model}" here; there are ${MODELS.join(' and ')}.`,
    );
  }
  const listed = extractPointwiseV1(messages);
  if (listed !== undefined) {
    const { conversation, replies } = listed;
    const key = `${model}:${createHash('sha256')
      .update(JSON.stringify([conversation, replies]))
      .digest('hex')}`;
    const errs = chance(settings.seed, key, sample) < settings.errorRate;
    return { ...pointwiseAnswer(listed, settings.labels, errs), key };
  }
  const shown = extractPair(messages);
  if (shown === undefined) {
    throw new ApiError(
      422,
      'unknown_prompt',
      'This oracle only answers prompts of this system (cor-v1, plain-v1, compact-v1, pointwise-v1); these messages are none of them.',
    );
  }
  const { conversation, answerA, answerB, version } = shown;
  const key = `${model}:${pairKey(conversation, answerA, answerB)}`;
  const hint = extractHint(messages)?.gold;
  const solved = solve(conversation, answerA, answerB);
  const label = settings.labels.gold(conversation, answerA, answerB);
  // A label that somebody gave for this very pair outranks what the solver makes of its text.
  const truth = label ?? solved?.verdict;
  const known = truth ?? hint;
  if (known === undefined) {
    throw new ApiError(
      422,
      'unknown_pair',
      'This oracle knows no truth and no gold label for this pair: start it with --labels FILE, or POST the pairs to /labels.',
    );
  }
  const errs = chance(settings.seed, key, sample) < settings.errorRate;
  const verdict: Position = hint ?? (errs ? otherPosition(known) : known);
  const explained =
    solved?.verdict === verdict ? solved.trace : flawedTrace(conversation, answerA, answerB)?.trace;
  const trace = explained ?? genericTrace(answerA, answerB, verdict);
  const source = explained !== undefined ? 'solver' : label !== undefined ? 'gold-label' : 'hint';
  return { text: version === 'plain-v1' ? plain(trace) : trace, source, key };
}
