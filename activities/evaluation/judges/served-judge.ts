/** A judge behind a server that may be replaced while it is asked: each question goes to where the server is now. */
import { UserError } from '../../../workflows/errors.js';
import type { PromptVersion } from '../../../judge/prompt/versions.js';
import type { Sampling } from '../../../workflows/judge-settings.js';
import type { Served } from '../../ray/judge-server.js';
import { RejectedQuestion } from './endpoint.js';
import type { Judge } from './judge.js';
import { INITIAL_CONCURRENCY, openaiJudge } from './openai-judge.js';

/** vLLM takes up to 256 sequences into a batch by default; what waits beyond that only waits there. */
const MOST_IN_FLIGHT = 256;
/** 8,192 tokens at a few a second, with 256 such answers in the same batch. */
const ANSWER_SECONDS = 3600;

/** A server that was started again, and loads a large model, has answered nothing for as long. */
export const SERVER_SILENCE_MS = 60 * 60_000;

export interface ServedModel {
  /** Hash of the model's content, which names it in judgement keys. */
  sha256: string;
  precision: 'float32' | 'bfloat16';
  promptVersion: PromptVersion;
}

/** The judge; `close` leaves the server alone, which others may ask. */
export function servedJudge(
  server: Served,
  { sha256, precision, promptVersion }: ServedModel,
  sampling: Sampling,
): Judge {
  const { temperature, maxTokens, seed } = sampling;
  const judges = new Map<string, Judge>();
  return {
    identity: {
      kind: 'vllm',
      model: sha256,
      precision,
      promptVersion,
      temperature,
      maxTokens,
      ...(temperature > 0 ? { seed } : {}),
    },
    concurrency: { initial: INITIAL_CONCURRENCY, most: MOST_IN_FLIGHT },
    stored: true,
    async ask(question, signal) {
      const endpoint = await server.endpoint(signal);
      const { baseUrl, key = 'none' } = endpoint;
      const place = `${baseUrl} ${key}`;
      const judge =
        judges.get(place) ??
        openaiJudge(
          {
            kind: 'openai',
            model: server.name,
            baseUrl,
            promptVersion,
            logprobs: false,
            timeoutSeconds: ANSWER_SECONDS,
            concurrency: MOST_IN_FLIGHT,
          },
          sampling,
          { apiKey: key },
        );
      judges.set(place, judge);
      try {
        return await judge.ask(question, signal);
      } catch (error) {
        if (signal.aborted || !isAboutServer(error)) throw error;
        server.doubt(endpoint);
        if ((error as UserError).type === 'JudgeUnreachable') throw error;
        // Another server at the address of the one that is gone knows neither its key nor its model.
        throw new UserError('JudgeUnreachable', (error as Error).message, { cause: error });
      }
    },
    close: async () => undefined,
  };
}

function isAboutServer(error: unknown): boolean {
  if (error instanceof RejectedQuestion) return !error.aboutItem;
  return ['JudgeUnreachable', 'JudgeCredentials'].includes((error as { type?: string }).type ?? '');
}
