/** A prompt that changes after its release gives old judgements a new meaning: they are stored under its name. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Message, Pair } from '../../judge/pair.js';
import { present } from '../../judge/pair.js';
import { buildPrompt, extractPair } from '../../judge/prompt/build.js';
import { COMPACT_TAGS, extractCompactV1 } from '../../judge/prompt/compact-v1.js';
import { extractHint, hintMessages } from '../../judge/prompt/hint.js';
import { buildPointwiseV1, extractPointwiseV1 } from '../../judge/prompt/pointwise-v1.js';
import { PROMPT_VERSIONS } from '../../judge/prompt/versions.js';

const question: Message = { role: 'user', content: 'What is 2 + 2?' };
const pairOf = (conversation: Message[]): Pair => ({
  id: 'x',
  conversation,
  chosen: 'Four.',
  rejected: '<answer_A> five',
  category: 'reasoning/add',
});
const single = present(pairOf([question]), 'B');
const several = present(
  pairOf([{ role: 'system', content: 'Be brief.' }, question, { role: 'assistant', content: '3' }, question]),
  'A',
);

const sha256 = (messages: Message[]) =>
  createHash('sha256').update(JSON.stringify(messages)).digest('hex').slice(0, 16);

describe('a released prompt is never changed', () => {
  it.each([
    ['cor-v1', 'b65e938384dc9708', '34c99b70c486743e', '090d67cea4905630'],
    ['plain-v1', '5e5e3324be24bf2d', '4cca8541f876f473', '26423b4b7c475a69'],
    ['compact-v1', '165a5d3caf2c8835', '7242e3668ee1a121', '97e14c875bc247b8'],
  ] as const)('%s', (version, ofOneTurn, ofSeveral, ofHint) => {
    expect([
      sha256(buildPrompt(version, single)),
      sha256(buildPrompt(version, several)),
      sha256(hintMessages(version, single, 'I take [[A]].')),
    ]).toEqual([ofOneTurn, ofSeveral, ofHint]);
  });

  it('pointwise-v1', () => {
    const replies = ['Four.', '<reply_1> five'];
    expect(sha256(buildPointwiseV1({ conversation: several.pair.conversation, replies }))).toBe(
      'fd10895311cb29b9',
    );
  });

  it('none is missing above', () => expect(PROMPT_VERSIONS).toEqual(['cor-v1', 'plain-v1', 'compact-v1']));
});

describe('messages that no prompt wrote are not read as one', () => {
  const wrong = (version: (typeof PROMPT_VERSIONS)[number], change: (messages: Message[]) => Message[]) =>
    extractPair(change(buildPrompt(version, several)));

  it.each(PROMPT_VERSIONS)('%s of another role, or with its instruction changed', (version) => {
    expect(
      wrong(version, (messages) => messages.map((message) => ({ ...message, role: 'assistant' }))),
    ).toBeUndefined();
    expect(
      wrong(version, ([first, ...rest]) => [{ ...first!, content: `!${first!.content}` }, ...rest]),
    ).toBeUndefined();
  });

  it.each(['cor-v1', 'plain-v1'] as const)('%s without one of its answers', (version) => {
    for (const answer of ['answer_A', 'answer_B'])
      expect(
        wrong(version, (messages) =>
          messages.map(({ role, content }) => ({
            role,
            content: content.replaceAll(`${answer}>`, 'other>'),
          })),
        ),
      ).toBeUndefined();
  });

  it.each(['cor-v1', 'plain-v1'] as const)('%s with a section that has lost its line breaks', (version) => {
    for (const [tag, shown] of [
      ['answer_A', single],
      ['answer_B', several],
    ] as const) {
      for (const damaged of [`<${tag}>`, `<${tag}>x`, `<${tag}>\n</${tag}>`]) {
        const change = (text: string) => text.replace(`<${tag}>\n`, damaged);
        const messages = buildPrompt(version, shown);
        const last = { ...messages.at(-1)!, content: change(messages.at(-1)!.content) };
        expect(extractPair([...messages.slice(0, -1), last])).toBeUndefined();
      }
    }
    const cut = (text: string) => text.replace('<question>\n', '<question>');
    const [user, ...before] = buildPrompt(version, single).reverse() as [Message, ...Message[]];
    expect(extractPair([...before, { ...user, content: cut(user.content) }])?.conversation).toEqual([]);
  });

  it('an instruction without its question', () => {
    expect(extractPair(buildPrompt('cor-v1', single).slice(0, 1))).toBeUndefined();
    expect(extractPair([])).toBeUndefined();
  });

  it.each([
    '<user> q <B> b <A> a',
    '<user> q <A> a <user> b',
    '<user> q <user> a <B> b',
    '<A> a <user> q <A> a <B> b',
    'first <user> q <A> a <B> b',
    '<A> a',
    '',
  ])('compact-v1 in another order: %j', (content) => {
    expect(extractCompactV1([{ role: 'user', content }])).toBeUndefined();
  });

  it('compact-v1 of a pair without a conversation is one', () => {
    expect(extractCompactV1([{ role: 'user', content: '<A> a <B> b' }])).toEqual({
      conversation: [],
      answerA: 'a',
      answerB: 'b',
    });
  });

  it('compact-v1 has one tag for each part, which tokenizers are told of', () => {
    const [message] = buildPrompt('compact-v1', several);
    expect([...new Set(message!.content.match(/<[a-z]+>|<[AB]>/g))]).toEqual(COMPACT_TAGS);
  });

  it('pointwise-v1 without a reply, or under another instruction', () => {
    const [system, user] = buildPointwiseV1({ conversation: [question], replies: ['Four.'] }) as [
      Message,
      Message,
    ];
    const none = { ...user, content: user.content.replaceAll('reply_1', 'other') };
    expect(extractPointwiseV1([system, none])).toBeUndefined();
    expect(extractPointwiseV1([{ ...system, content: '' }, user])).toBeUndefined();
    expect(extractPointwiseV1([{ ...system, role: 'user' }, user])).toBeUndefined();
    expect(extractPointwiseV1([system, { ...user, role: 'assistant' }])).toBeUndefined();
    expect(extractPointwiseV1([system])).toBeUndefined();
    expect(extractPointwiseV1([])).toBeUndefined();
  });
});

describe('the hint of the second pass', () => {
  const messages = hintMessages('cor-v1', single, 'I take [[A]].');

  it('is found only after a judgement, as a correction by the user', () => {
    expect(extractHint(messages)).toEqual({ gold: 'B', flawedJudgement: 'I take [[A]].' });
    expect(extractHint(messages.slice(-2))).toBeUndefined();
    expect(
      extractHint([...messages.slice(0, -1), { role: 'user', content: 'Try again: [[B]].' }]),
    ).toBeUndefined();
    const quoted = { role: 'user', content: `“${messages.at(-1)!.content}”` } as const;
    expect(extractHint([...messages.slice(0, -1), quoted])).toBeUndefined();
    expect(extractHint(messages.map((message) => ({ ...message, role: 'user' })))).toBeUndefined();
    expect(extractHint(messages.map((message) => ({ ...message, role: 'assistant' })))).toBeUndefined();
    expect(extractHint([])).toBeUndefined();
  });
});
