/** What the judging server takes and gives; one JSON object each, unknown fields refused. */
import { z } from 'zod';

const message = z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
const answer = z.string('must be text');

/** Most answers of one group: a round robin of 64 in both orders is 4,032 judgements. */
const MAX_GROUP = 64;

export const judgeRequestSchema = z
  .strictObject({
    /** What the user said, or the whole conversation, which must end with the user. */
    prompt: z.string().min(1).optional(),
    conversation: z.array(message).min(1).optional(),
    /** A pair … */
    a: answer.optional(),
    b: answer.optional(),
    /** … or one answer … */
    answer: answer.optional(),
    /** … or a group. */
    answers: z.array(answer).min(2).max(MAX_GROUP).optional(),
    /** Group: how comparisons become scores. */
    method: z.enum(['round-robin', 'knockout', 'pointwise']).optional(),
    /** One answer, judge of pairs: what it is compared with. */
    anchors: z.array(answer).min(1).max(8).optional(),
    /** `one`: each comparison once; `both`: in both orders, a contradiction is a tie. */
    orders: z.enum(['one', 'both']).optional(),
  })
  .superRefine((request, context) => {
    const say = (path: string, text: string) =>
      context.addIssue({ code: 'custom', path: [path], message: text });
    if ((request.prompt === undefined) === (request.conversation === undefined))
      say('prompt', 'give either prompt or conversation');
    if (request.conversation && request.conversation.at(-1)?.role !== 'user')
      say('conversation', 'must end with a turn of the user');
    const pair = request.a !== undefined || request.b !== undefined;
    if (pair && (request.a === undefined || request.b === undefined)) say('a', 'a pair needs both a and b');
    if ([pair, request.answer !== undefined, request.answers !== undefined].filter(Boolean).length !== 1)
      say('answers', 'give a and b, or answer, or answers');
    if (request.method && !request.answers) say('method', 'is for a group (answers)');
    if (request.anchors && request.answer === undefined) say('anchors', 'is for one answer (answer)');
  });
export type JudgeRequest = z.infer<typeof judgeRequestSchema>;

/** What a request took. */
export interface Usage {
  /** Opinions asked of the judge for this request. */
  judgements: number;
  inputTokens: number;
  outputTokens: number;
}

/** One opinion of the judge. */
export interface ServedJudgement {
  /** Which answer stood at A. */
  first: 'a' | 'b';
  verdict: 'A' | 'B' | 'both' | 'none' | 'tie';
  scores?: [number, number];
  text: string;
  finished: boolean;
}

/** Verdict on a pair, with what the judge wrote. */
export interface PairResult {
  kind: 'pair';
  /** The better answer as it was named in the request; `tie` also where two orders contradict each other. */
  verdict: 'a' | 'b' | 'tie' | 'none';
  judgements: ServedJudgement[];
  usage: Usage;
}

/** Score of a single answer. */
export interface AnswerResult {
  kind: 'answer';
  /** Judge of pairs: share of comparisons with the anchors won, 0 to 1. Scoring judges: their own scale. */
  score: number;
  method: 'anchors' | 'pointwise';
  usage: Usage;
}

/** Scores and ranking of several answers. */
export interface GroupResult {
  kind: 'group';
  /** In the order of the request. */
  scores: number[];
  /** Indices, best first. */
  ranking: number[];
  best: number;
  method: 'round-robin' | 'knockout' | 'pointwise';
  usage: Usage;
}

export type JudgeResult = PairResult | AnswerResult | GroupResult;

export const chatRequestSchema = z.object({
  model: z.string().optional(),
  messages: z
    .array(
      z.object({
        role: z.enum(['system', 'developer', 'user', 'assistant']),
        content: z.union([
          z.string(),
          z
            .array(z.object({ type: z.literal('text'), text: z.string() }))
            .transform((parts) => parts.map(({ text }) => text).join('')),
        ]),
      }),
    )
    .min(1),
  temperature: z.number().min(0).max(2).nullish(),
  max_tokens: z.int().positive().nullish(),
  max_completion_tokens: z.int().positive().nullish(),
  seed: z.int().nullish(),
  stream: z.boolean().nullish(),
  n: z.literal(1, 'one choice a request (n = 1)').nullish(),
});
