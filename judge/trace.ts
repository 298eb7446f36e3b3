import type { Verdict } from './verdict.js';
import { parseVerdict } from './verdict.js';

/** The two branches of Chain-of-Rubrics (RM-R1, section 3). */
export type TaskType = 'Chat' | 'Reasoning';

/** A Chain-of-Rubrics judgement taken apart; contents are trimmed, inner tags are kept. */
export interface CorTrace {
  type?: TaskType;
  /** Chat: the weighted criteria, with the inner `<justify>` if there is one. */
  rubric?: string;
  /** Reasoning: the judge's own solution. */
  solution?: string;
  eval?: string;
  /** What stands inside `<answer>`, or the text as a whole where the tag is missing. */
  answer: Verdict;
}

/** The content of the first `<tag>…</tag>`; a tag that is never closed runs to the end of the text. */
function section(text: string, tag: string): string | undefined {
  const open = text.indexOf(`<${tag}>`);
  if (open < 0) return undefined;
  const start = open + tag.length + 2;
  const close = text.indexOf(`</${tag}>`, start);
  return (close < 0 ? text.slice(start) : text.slice(start, close)).trim();
}

/** Take a judgement apart. Never fails: what is missing is left out, see {@link traceProblems}. */
export function parseTrace(text: string): CorTrace {
  const type = section(text, 'type');
  const rubric = section(text, 'rubric');
  const solution = section(text, 'solution');
  const evaluation = section(text, 'eval');
  return {
    ...(type === 'Chat' || type === 'Reasoning' ? { type } : {}),
    ...(rubric === undefined ? {} : { rubric }),
    ...(solution === undefined ? {} : { solution }),
    ...(evaluation === undefined ? {} : { eval: evaluation }),
    answer: parseVerdict(section(text, 'answer') ?? text),
  };
}

/** Every way in which `text` departs from the Chain-of-Rubrics form, one sentence each; empty if it is well-formed. */
export function traceProblems(text: string): string[] {
  const trace = parseTrace(text);
  const problems: string[] = [];
  if (trace.type === undefined) problems.push('<type> is neither Chat nor Reasoning.');
  if (trace.type === 'Chat' && !trace.rubric) problems.push('A Chat judgement has no <rubric>.');
  if (trace.type === 'Reasoning' && !trace.solution)
    problems.push('A Reasoning judgement has no <solution>.');
  if (!trace.eval) problems.push('There is no <eval>.');
  if (section(text, 'answer') === undefined) problems.push('There is no <answer>.');
  if (trace.answer === 'both') problems.push('The answer names both replies.');
  if (trace.answer === 'none') problems.push('The answer names neither reply.');
  for (const tag of ['type', 'rubric', 'solution', 'eval', 'answer']) {
    if (text.includes(`<${tag}>`) && !text.includes(`</${tag}>`)) problems.push(`<${tag}> is not closed.`);
  }
  return problems;
}
