/** One answer as the provider would write and bill it, however it was asked for. */
import type { Message } from '../../judge/pair.js';
import { answer } from './answer.js';
import type { OracleSettings } from './answer.js';
import { ApiError } from './api-error.js';
import type { AnswerFault } from './faults.js';
import { countTokens, cutTokens } from './tokens.js';

/** A question in the form that both APIs' requests have in common. */
export interface Question {
  model: string;
  messages: Message[];
  /** Tokens. */
  limit: number;
  /** Tells samples of one question apart. */
  sample: number;
}

export interface Completion {
  model: string;
  /** Where the verdict came from; sent as `system_fingerprint`. */
  source: string;
  /** Names the question, for the counters. */
  key: string;
  text: string;
  finishReason: 'stop' | 'length' | 'refusal';
  promptTokens: number;
  completionTokens: number;
}

/** Tokens of context that the models of this service have. */
const CONTEXT_TOKENS = 200_000;
const HUGE_CHARACTERS = 10 * 1024 * 1024;

/**
 * @param fault What is wrong with this answer, if anything.
 * @throws ApiError as the provider would refuse the question.
 */
export function complete(settings: OracleSettings, question: Question, fault?: AnswerFault): Completion {
  const { model, messages, limit, sample } = question;
  const promptTokens = messages.reduce((sum, { content }) => sum + countTokens(content), 0);
  if (promptTokens > CONTEXT_TOKENS) {
    throw new ApiError(
      400,
      'context_length_exceeded',
      `prompt is too long: ${String(promptTokens)} tokens > ${String(CONTEXT_TOKENS)} maximum context length.`,
    );
  }
  if (fault === 'line-error') throw new ApiError(500, 'internal_error', 'The oracle broke down.');
  const { text, source, key } = answer(settings, model, messages, sample);
  const written = fault === undefined ? text : spoilt(text, fault);
  const allowed = fault === 'truncated' ? Math.min(limit, 8) : fault === 'huge' ? Infinity : limit;
  const cut = countTokens(written) > allowed;
  const shown = cut ? cutTokens(written, allowed) : written;
  return {
    model,
    source,
    key,
    text: shown,
    finishReason: fault === 'refusal' ? 'refusal' : cut ? 'length' : 'stop',
    promptTokens,
    completionTokens: countTokens(shown),
  };
}

function spoilt(text: string, fault: AnswerFault): string {
  switch (fault) {
    case 'refusal':
    case 'empty':
      return '';
    case 'misplaced': {
      const verdict = /<answer>.*<\/answer>/s.exec(text)?.[0] ?? '';
      return `${verdict} ${text.replace(verdict, '')}${' and so on'.repeat(20)}`;
    }
    case 'foreign':
      return '第一个回答更好，因为它更有帮助。最终判断：第一个。';
    case 'huge':
      return `${'very '.repeat(HUGE_CHARACTERS / 5)}${text}`;
    default:
      return text;
  }
}
