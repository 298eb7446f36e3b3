/** From a request to the questions a judge is asked, and from its opinions to an answer. */
import { createHash } from 'node:crypto';
import type { Judge, Opinion } from '../activities/evaluation/judges/judge.js';
import type { Message } from '../judge/pair.js';
import { MAX_POINTWISE_REPLIES } from '../judge/prompt/pointwise-v1.js';
import { knockout, rank, roundRobin, type Outcome } from '../judge/tournament.js';
import { HttpError } from './errors.js';
import type {
  AnswerResult,
  GroupResult,
  JudgeRequest,
  JudgeResult,
  PairResult,
  ServedJudgement,
  Usage,
} from './schemas.js';

/**
 * What a judge of pairs compares a single answer with where the request brings nothing better: replies that say nothing.
 * They tell an empty answer from a useful one, not a good from a very good one.
 */
const DEFAULT_ANCHORS = ['I do not know.', 'I cannot help with that.', 'That depends on many things.'];

/** Opinions that a request needs; what back-pressure counts. */
export function unitsOf(request: JudgeRequest, judge: Pick<Judge, 'score'>): number {
  const orders = (request.orders ?? defaultOrders(request)) === 'both' ? 2 : 1;
  if (request.answer !== undefined) {
    return judge.score ? 1 : orders * (request.anchors ?? DEFAULT_ANCHORS).length;
  }
  const { answers } = request;
  if (!answers) return orders;
  if (request.method === 'pointwise') return Math.ceil(answers.length / MAX_POINTWISE_REPLIES);
  if (request.method === 'knockout') return orders * (answers.length - 1);
  return (orders * answers.length * (answers.length - 1)) / 2;
}

/** A pair is asked as it was given; scores must not depend on places, so the rest is asked both ways. */
const defaultOrders = (request: JudgeRequest): 'one' | 'both' => (request.a === undefined ? 'both' : 'one');

/**
 * Answer one request.
 * @throws HttpError 400 for a method the judge has not got, 502 where its text holds no score; what the judge throws.
 */
export async function answerRequest(
  judge: Judge,
  request: JudgeRequest,
  signal: AbortSignal,
  onOpinion: (opinion: Opinion) => void = () => undefined,
): Promise<JudgeResult> {
  return new Answering(judge, request, signal, onOpinion).result();
}

class Answering {
  private readonly usage: Usage = { judgements: 0, inputTokens: 0, outputTokens: 0 };
  private readonly conversation: readonly Message[];
  private readonly orders: 'one' | 'both';

  constructor(
    private readonly judge: Judge,
    private readonly request: JudgeRequest,
    private readonly signal: AbortSignal,
    private readonly onOpinion: (opinion: Opinion) => void,
  ) {
    this.conversation = request.conversation ?? [{ role: 'user', content: request.prompt ?? '' }];
    this.orders = request.orders ?? defaultOrders(request);
  }

  result(): Promise<JudgeResult> {
    const { a, b, answer, answers } = this.request;
    if (a !== undefined && b !== undefined) return this.pair(a, b);
    return answer === undefined ? this.group(answers ?? []) : this.single(answer);
  }

  private async pair(a: string, b: string): Promise<PairResult> {
    const judgements = await this.compare(a, b);
    const [first, second] = judgements.map(preferred);
    const verdict = second === undefined || second === first ? first! : 'tie';
    return { kind: 'pair', verdict, judgements, usage: this.usage };
  }

  private async single(answer: string): Promise<AnswerResult> {
    if (this.judge.score) {
      const [score] = await this.scores([answer]);
      return { kind: 'answer', score: score!, method: 'pointwise', usage: this.usage };
    }
    const anchors = this.request.anchors ?? DEFAULT_ANCHORS;
    const outcomes = await Promise.all(anchors.map((anchor) => this.outcome(answer, anchor)));
    const won = outcomes.reduce((sum, outcome) => sum + points(outcome), 0);
    return { kind: 'answer', score: won / anchors.length, method: 'anchors', usage: this.usage };
  }

  private async group(answers: string[]): Promise<GroupResult> {
    const method = this.request.method ?? 'round-robin';
    if (method === 'pointwise') {
      const scores = await this.scores(answers);
      const ranking = rank(scores);
      return { kind: 'group', scores, ranking, best: ranking[0]!, method, usage: this.usage };
    }
    const play = method === 'knockout' ? knockout : roundRobin;
    const { scores, ranking } = await play(answers.length, (first, second) =>
      this.outcome(answers[first]!, answers[second]!),
    );
    return { kind: 'group', scores, ranking, best: ranking[0]!, method, usage: this.usage };
  }

  /** Scores of all answers, as many in one reading as a prompt holds. */
  private async scores(answers: readonly string[]): Promise<number[]> {
    const { score } = this.judge;
    if (!score) {
      throw new HttpError(
        400,
        'InvalidRequest',
        `method: 'pointwise' needs a judge that scores (pointwise or scalar); this one is '${String(this.judge.identity['kind'])}'.`,
      );
    }
    const scores: number[] = [];
    for (let at = 0; at < answers.length; at += MAX_POINTWISE_REPLIES) {
      const replies = answers.slice(at, at + MAX_POINTWISE_REPLIES);
      const scored = await score(this.conversation, replies, 0, this.signal);
      this.count(scored);
      if (!scored.scores) throw new HttpError(502, 'NoScores', 'The judge gave no usable scores.');
      scores.push(...scored.scores);
    }
    return scores;
  }

  /** Two answers of equal text need no judge. */
  private async outcome(first: string, second: string): Promise<Outcome> {
    if (first === second) return 'tie';
    const named = (await this.compare(first, second)).map(preferred);
    if (named.every((name) => name === 'a')) return 'first';
    return named.every((name) => name === 'b') ? 'second' : 'tie';
  }

  /** One opinion, or one for each order. In `one` order the places are drawn by the texts, for no answer's benefit. */
  private async compare(a: string, b: string): Promise<ServedJudgement[]> {
    const places: ('a' | 'b')[] =
      this.orders === 'both' ? ['a', 'b'] : [this.request.a === undefined ? coin(a, b) : 'a'];
    return Promise.all(
      places.map(async (first) => {
        const [answerA, answerB] = first === 'a' ? [a, b] : [b, a];
        const { conversation } = this;
        const opinion = await this.judge.ask({ conversation, answerA, answerB, sample: 0 }, this.signal);
        this.count(opinion);
        this.onOpinion(opinion);
        const { verdict, scores, text, finished } = opinion;
        return { first, verdict, ...(scores ? { scores } : {}), text, finished };
      }),
    );
  }

  private count({ inputTokens, outputTokens }: { inputTokens: number; outputTokens: number }): void {
    this.usage.judgements += 1;
    this.usage.inputTokens += inputTokens;
    this.usage.outputTokens += outputTokens;
  }
}

/** The answer that a judgement prefers, by its name in the request. */
function preferred({ first, verdict }: ServedJudgement): PairResult['verdict'] {
  if (verdict === 'A') return first;
  if (verdict === 'B') return first === 'a' ? 'b' : 'a';
  return verdict === 'tie' ? 'tie' : 'none';
}

const points = (outcome: Outcome): number => (outcome === 'first' ? 1 : outcome === 'tie' ? 0.5 : 0);

function coin(a: string, b: string): 'a' | 'b' {
  return createHash('sha256').update(`${a}\u0000${b}`).digest()[0]! < 128 ? 'a' : 'b';
}
