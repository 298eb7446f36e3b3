import type { Position } from '../../judge/pair.js';

const QUOTED_WORDS = 3;
const QUOTED_CHARACTERS = 24;

/** The first words of an answer, without signs that tags and verdicts are made of. */
function opening(answer: string): string {
  const words = answer
    .replace(/[<>[\]\\]/g, ' ')
    .trim()
    .split(/\s+/)
    .slice(0, QUOTED_WORDS)
    .join(' ');
  return [...words].slice(0, QUOTED_CHARACTERS).join('').trim() || '(empty)';
}

/**
 * A short Chain-of-Rubrics judgement for a pair of which only the label is known: it claims no insight beyond the
 * label, and is brief enough for a small model to imitate.
 */
export function genericTrace(answerA: string, answerB: string, verdict: Position): string {
  const [a, b] = verdict === 'A' ? ['better', 'worse'] : ['worse', 'better'];
  return (
    '<type> Chat </type> <rubric> help 60 safety 40 </rubric> ' +
    `<eval> <quote_A> ${opening(answerA)} </quote_A> ${a} <quote_B> ${opening(answerB)} </quote_B> ${b} </eval> ` +
    `<answer> [[${verdict}]] </answer>`
  );
}
