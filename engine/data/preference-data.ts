/** Preference pairs as token ids: each answer a sequence of its own, prompt + answer + end-of-text. */
import { z } from 'zod';
import { badData } from '../errors.js';
import type { TextTokenizer } from '../tokenizer/tokenizer.js';
import { readJsonLines } from './jsonl.js';

const sampleSchema = z.looseObject({
  id: z.string(),
  prompt: z.string(),
  chosen: z.string(),
  rejected: z.string(),
});

export interface EncodedPreference {
  id: string;
  chosen: Int32Array;
  rejected: Int32Array;
}

/** Tokens of an answer as a reward model reads it; it is scored at the last of them, end-of-text. */
export function scoredTokens(tokenizer: TextTokenizer, prompt: string, answer: string): Int32Array {
  const body = [...tokenizer.encode(prompt), ...tokenizer.encode(answer)];
  // An answer that already ends with end-of-text does not get a second one.
  return Int32Array.from(body.at(-1) === tokenizer.endOfText ? body : [...body, tokenizer.endOfText]);
}

/** @throws EngineError (bad data) naming the line that is malformed, empty or too long. */
export function readPreferenceData(
  path: string,
  tokenizer: TextTokenizer,
  maxLength: number,
): EncodedPreference[] {
  return readJsonLines(path, sampleSchema).map(({ value: { id, prompt, chosen, rejected }, line }) => {
    const encoded = (name: string, answer: string): Int32Array => {
      const where = `${path}, line ${line} (${id}): ${name}`;
      const tokens = scoredTokens(tokenizer, prompt, answer);
      if (tokens.length < 2) throw badData(`${where}: prompt and answer are empty`);
      if (tokens.length > maxLength)
        throw badData(
          `${where}: ${tokens.length} tokens are more than maxLength ${maxLength}: raise maxLength or drop the pair`,
        );
      return tokens;
    };
    return { id, chosen: encoded('chosen', chosen), rejected: encoded('rejected', rejected) };
  });
}
