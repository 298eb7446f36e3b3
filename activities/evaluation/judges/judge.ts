/** One interface for every kind of judge: a question about two answers in, an opinion out. */
import type { Message, Position } from '../../../judge/pair.js';
import type { RecordVerdict } from '../../../benchmarks/verdict-record.js';

/** One conversation and two answers in the order in which they are shown. */
export interface Question {
  conversation: readonly Message[];
  answerA: string;
  answerB: string;
  /** 0 for the first sample; further ones are other questions, drawn anew. */
  sample: number;
  /** Known in evaluations; only the controls `oracle` and `random` may look at it, no other judge is told. */
  gold?: Position;
  /** Stable name of the item; `random` draws by it. */
  key?: string;
}

/** What a judge said. */
export interface Opinion {
  verdict: RecordVerdict;
  /** Scores of the answers at A and at B, from judges that score, or log-probabilities of the two verdicts. */
  scores?: [number, number];
  /** The whole output; empty for judges that write none. */
  text: string;
  inputTokens: number;
  outputTokens: number;
  /** False where the token limit cut the output. */
  finished: boolean;
  /** What the endpoint calls itself. */
  fingerprint?: string;
  /** From the request that was answered to its answer; without waiting for a turn. */
  seconds?: number;
  /** Hash of the prompt as it was sent; absent for judges that read none. */
  promptSha256?: string;
  /** By the tokens and the judge's price; absent where none is known. */
  costUsd?: number;
  /** The judge refused to read this question (too long, filtered): `text` says why, and nothing was stored. */
  refused?: true;
}

/** Scores of several answers, each by itself. */
export interface Scored {
  /** One a reply, in their order; undefined where the judge's text holds no usable scores. */
  scores: number[] | undefined;
  text: string;
  inputTokens: number;
  outputTokens: number;
}

export interface ChatParameters {
  temperature: number;
  maxTokens: number;
  /** Tells samples of one question apart, where seeds are honoured. */
  seed?: number;
}

export interface ChatAnswer {
  text: string;
  /** `stop` or `length`, or what else an endpoint says. */
  finishReason: string;
  inputTokens: number;
  outputTokens: number;
  fingerprint?: string;
}

export interface Judge {
  /**
   * Everything that decides an opinion besides the question: kind, model, prompt version, parameters. Part of the key
   * under which a judgement is stored, so addresses and concurrency do not belong in it.
   */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Questions worth asking at once: where to begin, and the most that makes sense. */
  readonly concurrency: { initial: number; most: number };
  /** False for judges whose opinions are not worth storing: making one costs less than reading it. */
  readonly stored: boolean;
  /**
   * One opinion. A text that names both answers or none is an opinion (`both`, `none`), not an error.
   * @throws {@link Throttled} where the judge wants to be asked more slowly; UserError `JudgeUnreachable` (worth another
   * attempt), `JudgeCredentials`, `JudgeRejected`; the signal's reason where it was aborted.
   */
  ask(question: Question, signal: AbortSignal): Promise<Opinion>;
  /** Present on judges that score answers one by one; throws as `ask` does. */
  score?: (
    conversation: readonly Message[],
    replies: readonly string[],
    sample: number,
    signal: AbortSignal,
  ) => Promise<Scored>;
  /** Present on judges that are language models: plain completion; throws as `ask` does. */
  chat?: (
    messages: readonly Message[],
    parameters: ChatParameters,
    signal: AbortSignal,
  ) => Promise<ChatAnswer>;
  close(): Promise<void>;
}

/** The judge is overloaded: ask again later, and ask less at once. */
export class Throttled extends Error {
  /** @param retryAfterMs what the endpoint asked for; undefined where it did not say. */
  constructor(
    readonly retryAfterMs: number | undefined,
    readonly status: number,
    options?: ErrorOptions,
  ) {
    super(`the judge is overloaded (HTTP ${status})`, options);
    this.name = 'Throttled';
  }
}
