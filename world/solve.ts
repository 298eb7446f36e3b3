import type { Message, Position } from '../judge/pair.js';
import { otherPosition } from '../judge/verdict.js';
import { KINDS } from './kinds/index.js';
import type { Check, Task } from './kinds/kind.js';

/** A judgement of the world's expert. */
export interface Judgement {
  verdict: Position;
  /** Chain-of-Rubrics text ending in `<answer> [[X]] </answer>`, in steps that are one-token look-ups. */
  trace: string;
  category: string;
}

function write(task: Task, a: Check, b: Check, verdict: Position): string {
  const tag = task.type === 'Chat' ? 'rubric' : 'solution';
  return (
    `<type> ${task.type} </type> <${tag}> ${task.lead} </${tag}> ` +
    `<eval> ${a.steps} ${b.steps} </eval> <answer> [[${verdict}]] </answer>`
  );
}

function judge(
  task: Task,
  answerA: string,
  answerB: string,
): { verdict: Position; trace: string } | undefined {
  const a = task.check(answerA, 'A');
  const b = task.check(answerB, 'B');
  if (a === undefined || b === undefined || a.good === b.good) return undefined;
  const verdict = a.good ? 'A' : 'B';
  return { verdict, trace: write(task, a, b, verdict) };
}

function readTask(conversation: Message[]): { task: Task; category: string } | undefined {
  for (const kind of KINDS) {
    const task = kind.read(conversation);
    if (task !== undefined) return { task, category: kind.category };
  }
  return undefined;
}

/**
 * Judge a pair by reading its text. Undefined for text that is not of this world, and for a pair of which both answers
 * or neither are right.
 */
export function solve(conversation: Message[], answerA: string, answerB: string): Judgement | undefined {
  const read = readTask(conversation);
  const judged = read && judge(read.task, answerA, answerB);
  return judged && { ...judged, category: read.category };
}

/** The judgement of somebody who makes one plausible mistake on the way and comes to the wrong verdict. */
export function flawedTrace(
  conversation: Message[],
  answerA: string,
  answerB: string,
): Judgement | undefined {
  const right = solve(conversation, answerA, answerB);
  const read = readTask(conversation);
  if (right === undefined || read === undefined) return undefined;
  const wrong = otherPosition(right.verdict);
  const judged = judge(read.task.misledBy(wrong === 'A' ? answerA : answerB), answerA, answerB);
  return judged && { ...judged, category: read.category };
}

/** Every step of the correct judgement except the verdict: what the warm-up shows of the judge's format. */
export function stepsOf(conversation: Message[], answerA: string, answerB: string): string | undefined {
  const read = readTask(conversation);
  const a = read?.task.check(answerA, 'A');
  const b = read?.task.check(answerB, 'B');
  if (read === undefined || a === undefined || b === undefined) return undefined;
  return write(read.task, a, b, 'A').replace(/ <answer>.*$/, '');
}

/** The worked solution of a Reasoning question; undefined for other questions. */
export function solutionOf(conversation: Message[]): string | undefined {
  const task = readTask(conversation)?.task;
  return task?.type === 'Reasoning' ? task.lead : undefined;
}
