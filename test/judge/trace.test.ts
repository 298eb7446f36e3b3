import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTrace, traceProblems } from '../../judge/trace.js';

const CHAT =
  '<type>Chat</type> <rubric> kindness 100 <justify> the user is sad </justify> </rubric> <eval> A is kind </eval> <answer>[[A]]</answer>';
const REASONING =
  '<type> Reasoning </type> <solution> 2 + 2 = 4 </solution> <eval> B says 4 </eval> <answer> [[B]] </answer>';

describe('parseTrace', () => {
  it('takes both branches apart', () => {
    expect(parseTrace(CHAT)).toStrictEqual({
      type: 'Chat',
      rubric: 'kindness 100 <justify> the user is sad </justify>',
      eval: 'A is kind',
      answer: 'A',
    });
    expect(parseTrace(REASONING)).toStrictEqual({
      type: 'Reasoning',
      solution: '2 + 2 = 4',
      eval: 'B says 4',
      answer: 'B',
    });
    expect(traceProblems(CHAT)).toEqual([]);
    expect(traceProblems(REASONING)).toEqual([]);
  });

  it('never throws and always yields one of four answers', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: CHAT.length }), (noise, cut) => {
        const text = CHAT.slice(0, cut) + noise;
        expect(['A', 'B', 'both', 'none']).toContain(parseTrace(text).answer);
        expect(Array.isArray(traceProblems(text))).toBe(true);
      }),
    );
  });
});

describe('a judgement that was cut off', () => {
  it('keeps what was begun, up to its end', () => {
    expect(parseTrace('<type>Chat</type> <rubric> kindness 60, len')).toStrictEqual({
      type: 'Chat',
      rubric: 'kindness 60, len',
      answer: 'none',
    });
  });

  it('is judged by its whole text where no answer was begun, else by the answer alone', () => {
    expect(parseTrace('so I take [[B]]')).toStrictEqual({ answer: 'B' });
    expect(parseTrace('[[B]] looks good at first. <answer>[[A]]</answer>').answer).toBe('A');
  });

  it('has no type where it names another', () => {
    expect(parseTrace('<type>Poetry</type>')).not.toHaveProperty('type');
  });
});

describe('traceProblems', () => {
  it.each([
    [
      '',
      [
        '<type> is neither Chat nor Reasoning.',
        'There is no <eval>.',
        'There is no <answer>.',
        'The answer names neither reply.',
      ],
    ],
    [
      '<type>Chat</type> <rubric></rubric> <eval>e</eval> <answer>[[A]]</answer>',
      ['A Chat judgement has no <rubric>.'],
    ],
    [
      '<type>Reasoning</type> <rubric>r</rubric> <eval>e</eval> <answer>[[A]]</answer>',
      ['A Reasoning judgement has no <solution>.'],
    ],
    [
      '<type>Chat <rubric>r <eval>e <answer>[[A]]',
      [
        '<type> is neither Chat nor Reasoning.',
        ...['type', 'rubric', 'eval', 'answer'].map((tag) => `<${tag}> is not closed.`),
      ],
    ],
  ])('of %j are these and no others', (text, problems) => {
    expect(traceProblems(text)).toEqual(problems);
  });

  it.each([
    ['[[A]]', '<type> is neither Chat nor Reasoning.'],
    [CHAT.replace(/<rubric>.*<\/rubric>/, ''), 'A Chat judgement has no <rubric>.'],
    [REASONING.replace(/<solution>.*<\/solution>/, ''), 'A Reasoning judgement has no <solution>.'],
    [REASONING.replace(/<eval>.*<\/eval>/, ''), 'There is no <eval>.'],
    [REASONING.replace('[[B]]', 'B'), 'The answer names neither reply.'],
    [REASONING.replace('[[B]]', '[[A]] [[B]]'), 'The answer names both replies.'],
    [REASONING.replace('</solution>', ''), '<solution> is not closed.'],
  ])('names what is missing in %j', (text, problem) => {
    expect(traceProblems(text)).toContain(problem);
  });
});
