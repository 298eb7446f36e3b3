/** Scalar reward models: one number for a conversation and its answer (Bradley–Terry); the strictly higher one wins. */
import { z } from 'zod';
import type { Message } from '../../../judge/pair.js';
import { verdictOfScores } from '../../../judge/scores.js';
import { UserError } from '../../../workflows/errors.js';
import type { JudgeSettings } from '../../../workflows/judge-settings.js';
import { Endpoint } from './endpoint.js';
import type { Judge } from './judge.js';
import { INITIAL_CONCURRENCY } from './openai-judge.js';

type Settings = Extract<JudgeSettings, { kind: 'scalar' }>;

/** Whatever gives a number to an answer: an endpoint, or the engine's Bradley–Terry head (`local-scalar.ts`). */
export interface ScalarScorer {
  readonly identity: Readonly<Record<string, unknown>>;
  readonly concurrency: { initial: number; most: number };
  /** Higher is better; the scale is the model's own. */
  score(
    conversation: readonly Message[],
    reply: string,
    signal: AbortSignal,
  ): Promise<{ score: number; inputTokens: number }>;
  close(): Promise<void>;
}

/** A judge of pairs made of a scorer of single answers. */
export function scalarJudge(scorer: ScalarScorer): Judge {
  return {
    identity: scorer.identity,
    concurrency: scorer.concurrency,
    stored: true,
    async ask({ conversation, answerA, answerB }, signal) {
      const [a, b] = await Promise.all([
        scorer.score(conversation, answerA, signal),
        scorer.score(conversation, answerB, signal),
      ]);
      const scores: [number, number] = [a.score, b.score];
      return {
        verdict: verdictOfScores(scores),
        scores,
        text: '',
        inputTokens: a.inputTokens + b.inputTokens,
        outputTokens: 0,
        finished: true,
      };
    },
    async score(conversation, replies, _sample, signal) {
      const all = await Promise.all(replies.map((reply) => scorer.score(conversation, reply, signal)));
      return {
        scores: all.map(({ score }) => score),
        text: '',
        inputTokens: all.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
        outputTokens: 0,
      };
    },
    close: () => scorer.close(),
  };
}

/** vLLM's `POST /pooling` for reward models: one vector (its last number counts), or one number, for an input. */
const poolingSchema = z.object({
  data: z
    .array(
      z.object({
        data: z.union([z.number(), z.array(z.union([z.number(), z.array(z.number()).min(1)])).min(1)]),
      }),
    )
    .length(1),
  usage: z.object({ prompt_tokens: z.int() }).nullish(),
});

/**
 * A reward model behind an endpoint that speaks vLLM's pooling API, beside its chat route.
 * @throws UserError `JudgeCredentials` where a key is missing; asking also `JudgeUnreachable`, `JudgeRejected`.
 */
export function scoringEndpoint(settings: Settings): ScalarScorer {
  const endpoint = new Endpoint(settings);
  // The pooling route stands beside `/v1`, not below it.
  const path = new URL('../pooling', `${endpoint.baseUrl.replace(/\/$/, '')}/`).toString();
  return {
    identity: { kind: 'scalar', model: settings.model },
    concurrency: { initial: Math.min(INITIAL_CONCURRENCY, settings.concurrency), most: settings.concurrency },
    async score(conversation, reply, signal) {
      const messages = [...conversation, { role: 'assistant', content: reply }];
      // The answer is part of what is read: no header of a further turn may follow it.
      const body = await endpoint.post(
        path,
        { messages, add_generation_prompt: false, encoding_format: 'float' },
        signal,
      );
      const parsed = poolingSchema.safeParse(body);
      if (!parsed.success) {
        throw new UserError(
          'JudgeRejected',
          `The answer of ${path} holds no score (data[0].data): is '${settings.model}' served as a reward model?`,
        );
      }
      const { data } = parsed.data.data[0]!;
      const last = Array.isArray(data) ? data.at(-1)! : data;
      const score = Array.isArray(last) ? last.at(-1)! : last;
      return { score, inputTokens: parsed.data.usage?.prompt_tokens ?? 0 };
    },
    close: async () => undefined,
  };
}
