/** A judge that scores each answer by itself (DeepSeek-GRM); a pair is two scores, the strictly higher one wins. */
import { createHash } from 'node:crypto';
import { buildPointwiseV1 } from '../../../judge/prompt/pointwise-v1.js';
import { parseScores, verdictOfScores } from '../../../judge/scores.js';
import type { JudgeSettings, Sampling } from '../../../workflows/judge-settings.js';
import { canonicalJson } from '../../artifacts/canonical-json.js';
import { Endpoint } from './endpoint.js';
import type { Judge, Question } from './judge.js';
import { INITIAL_CONCURRENCY } from './openai-judge.js';

type Settings = Extract<JudgeSettings, { kind: 'pointwise' }>;

const POINTWISE_VERSION = 'pointwise-v1';

/** @throws UserError `JudgeCredentials` where a key is missing. */
export function pointwiseJudge(settings: Settings, sampling: Sampling): Judge {
  const endpoint = new Endpoint(settings);
  const { temperature, maxTokens, seed } = sampling;
  const read = async (
    { conversation, sample }: Pick<Question, 'conversation' | 'sample'>,
    replies: readonly string[],
    signal: AbortSignal,
  ) => {
    const messages = buildPointwiseV1({ conversation: [...conversation], replies: [...replies] });
    const answer = await endpoint.chat(
      messages,
      { temperature, maxTokens, ...(temperature > 0 ? { seed: seed + sample } : {}) },
      signal,
    );
    return {
      ...answer,
      scores: parseScores(answer.text, replies.length),
      promptSha256: createHash('sha256').update(canonicalJson(messages)).digest('hex'),
    };
  };
  return {
    identity: {
      kind: 'pointwise',
      model: settings.model,
      promptVersion: POINTWISE_VERSION,
      temperature,
      maxTokens,
      ...(temperature > 0 ? { seed } : {}),
    },
    concurrency: { initial: Math.min(INITIAL_CONCURRENCY, settings.concurrency), most: settings.concurrency },
    stored: true,
    score: (conversation, replies, sample, signal) => read({ conversation, sample }, replies, signal),
    chat: (messages, parameters, signal) => endpoint.chat(messages, parameters, signal),
    async ask(question, signal) {
      const answer = await read(question, [question.answerA, question.answerB], signal);
      const scores = answer.scores as [number, number] | undefined;
      return {
        verdict: verdictOfScores(scores),
        ...(scores ? { scores } : {}),
        text: answer.text,
        inputTokens: answer.inputTokens,
        outputTokens: answer.outputTokens,
        finished: answer.finishReason !== 'length',
        ...(answer.fingerprint ? { fingerprint: answer.fingerprint } : {}),
        promptSha256: answer.promptSha256,
      };
    },
    close: async () => undefined,
  };
}
