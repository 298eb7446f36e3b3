/** Endpoints refuse single items: too long, filtered. That is a verdict of `none`; refusing everything is a fault. */
import { RejectedQuestion } from './endpoint.js';
import type { Judge, Opinion, Question } from './judge.js';

/** So many refusals before the first answer mean that the request itself is wrong. */
const HOPELESS = 5;

export class Tolerance {
  private answered = 0;
  private refused = 0;

  /** @throws what the judge throws, and its refusal where it has refused everything so far. */
  async ask(judge: Judge, question: Question, signal: AbortSignal): Promise<Opinion> {
    try {
      const opinion = await judge.ask(question, signal);
      this.answered += 1;
      return opinion;
    } catch (error) {
      if (!(error instanceof RejectedQuestion) || !error.aboutItem) throw error;
      this.refused += 1;
      if (this.answered === 0 && this.refused >= HOPELESS) throw error;
      return {
        verdict: 'none',
        text: `(${error.message})`,
        inputTokens: 0,
        outputTokens: 0,
        finished: true,
        refused: true,
      };
    }
  }
}
