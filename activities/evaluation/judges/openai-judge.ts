/** A judge of pairs behind an OpenAI-compatible endpoint: hosted, vLLM, SGLang, a gateway, our own server. */
import { createHash } from 'node:crypto';
import { buildPrompt } from '../../../judge/prompt/build.js';
import { parseVerdict } from '../../../judge/verdict.js';
import type { JudgeSettings, Sampling } from '../../../workflows/judge-settings.js';
import { canonicalJson } from '../../artifacts/canonical-json.js';
import { Endpoint, type EndpointAnswer } from './endpoint.js';
import type { Judge, Opinion, Question } from './judge.js';

type Settings = Extract<JudgeSettings, { kind: 'openai' }>;

/** Where the search for the best number of questions in flight begins. */
export const INITIAL_CONCURRENCY = 8;

/**
 * @param own for a server of ours: its key. Its address comes from nobody's input.
 * @throws UserError `JudgeCredentials` where a key is missing.
 */
export function openaiJudge(settings: Settings, sampling: Sampling, own?: { apiKey: string }): Judge {
  const endpoint = new Endpoint(settings, own);
  const { model, promptVersion, logprobs } = settings;
  const { temperature, maxTokens, seed } = sampling;
  return {
    identity: {
      kind: 'openai',
      model,
      promptVersion,
      temperature,
      maxTokens,
      ...(temperature > 0 ? { seed } : {}),
      ...(logprobs ? { logprobs } : {}),
    },
    concurrency: { initial: Math.min(INITIAL_CONCURRENCY, settings.concurrency), most: settings.concurrency },
    stored: true,
    async ask(question, signal) {
      const messages = buildPrompt(promptVersion, shownPair(question));
      const answer = await endpoint.chat(
        messages,
        {
          temperature,
          maxTokens,
          logprobs,
          ...(temperature > 0 ? { seed: seed + question.sample } : {}),
        },
        signal,
      );
      return toOpinion(answer, canonicalJson(messages));
    },
    chat: (messages, parameters, signal) => endpoint.chat(messages, parameters, signal),
    close: async () => undefined,
  };
}

/** A question as prompt builders take it. What they do not look at is left empty, so it cannot leak. */
export function shownPair({ conversation, answerA, answerB }: Question) {
  const pair = { id: '', conversation: [...conversation], chosen: '', rejected: '', category: '' };
  return { pair, answerA, answerB, gold: 'A' as const };
}

function toOpinion(answer: EndpointAnswer, prompt: string): Opinion {
  const scores = answer.logprobs && verdictLogprobs(answer.logprobs);
  return {
    verdict: parseVerdict(answer.text),
    ...(scores ? { scores } : {}),
    text: answer.text,
    inputTokens: answer.inputTokens,
    outputTokens: answer.outputTokens,
    finished: answer.finishReason !== 'length',
    ...(answer.fingerprint ? { fingerprint: answer.fingerprint } : {}),
    promptSha256: createHash('sha256').update(prompt).digest('hex'),
  };
}

/**
 * Log-probabilities of A and of B where the text gives its verdict: at the last token that holds the letter after `[[`.
 * A letter that is not among the alternatives gets the least of theirs as an upper bound. Undefined where no such token
 * is found.
 */
export function verdictLogprobs(
  tokens: NonNullable<EndpointAnswer['logprobs']>,
): [number, number] | undefined {
  let before = tokens.map(({ token }) => token).join('');
  for (let index = tokens.length - 1; index >= 0; index--) {
    const { token, top } = tokens[index]!;
    before = before.slice(0, before.length - token.length);
    const shape = /^(?<lead>[^AB]*)[AB](?<rest>[^AB]*)$/s.exec(token)?.groups;
    if (!shape || !(before + shape['lead']!).endsWith('[[') || top.length === 0) continue;
    const least = Math.min(...top.map(({ logprob }) => logprob));
    const of = (letter: string) =>
      top.find((other) => other.token.replace(/[^AB]/g, '') === letter)?.logprob ?? least;
    return [of('A'), of('B')];
  }
  return undefined;
}
