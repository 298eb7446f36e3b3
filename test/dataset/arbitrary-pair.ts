import fc from 'fast-check';
import type { Message, Pair } from '../../judge/pair.js';

const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((value) => value.trim() !== '' && !/^\s*(Human|Assistant):/.test(value));

const conversation = fc
  .tuple(fc.array(fc.tuple(text, text), { maxLength: 2 }), text)
  .map(([turns, last]): Message[] => [
    ...turns.flatMap(([user, assistant]): Message[] => [
      { role: 'user', content: user },
      { role: 'assistant', content: assistant },
    ]),
    { role: 'user', content: last },
  ]);

/** Any pair that the reader accepts. */
export const arbitraryPair: fc.Arbitrary<Pair> = fc
  .record(
    {
      id: fc.uuid(),
      conversation,
      chosen: text,
      rejected: text,
      category: fc.constantFrom('chat/tone', 'chat/topic', 'reasoning/add', 'safety'),
      magnitude: fc.integer({ min: 1, max: 3 }),
    },
    { requiredKeys: ['id', 'conversation', 'chosen', 'rejected', 'category'] },
  )
  .filter(({ chosen, rejected }) => chosen.trim() !== rejected.trim());
