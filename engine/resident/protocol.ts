/** What a supervisor and a resident engine say to each other over IPC. */
import { z } from 'zod';

/** The configuration file a resident engine is started with. */
export const residentConfigSchema = z.strictObject({
  /** A directory in Hugging Face layout. */
  model: z.string(),
  threads: z.int().positive().default(2),
  /** Most rows decoded together. */
  batchSize: z.int().positive().default(64),
});
export type ResidentConfig = z.infer<typeof residentConfigSchema>;

/** One prompt to complete; those that agree in all but `id`, `prompt` and `key` may share a batch. */
export interface ResidentQuestion {
  id: number;
  /** Rendered by the chat template. */
  prompt: string;
  /** The answer to score, by a reward model or by its likelihood; nothing is written then. */
  answer?: string;
  maxNewTokens: number;
  /** 0 is greedy. */
  temperature: number;
  seed: number;
  /** What the random numbers depend on besides the seed; the same key draws the same. */
  key: string;
}

/** Supervisor → engine. */
export type ResidentCommand =
  | { type: 'ask'; question: ResidentQuestion }
  /** Nobody waits for the answer any more; a question whose batch has begun is still answered. */
  | { type: 'forget'; id: number }
  | { type: 'stop' };

export interface ResidentAnswer {
  text: string;
  promptTokens: number;
  tokens: number;
  finished: boolean;
  /** Of an answer that was given. */
  score?: number;
}

/** Engine → supervisor. */
export type ResidentEvent =
  | { type: 'ready'; parameters: number; maxLength: number; scalarHead: boolean }
  | { type: 'answered'; id: number; answer: ResidentAnswer }
  /** The prompt cannot be answered; the engine goes on. */
  | { type: 'refused'; id: number; message: string }
  | { type: 'batch'; rows: number; seconds: number; tokens: number }
  | { type: 'failed'; error: { type: string; message: string } };
