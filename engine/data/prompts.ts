/** Prompt files for GRPO and generation. */
import { z } from 'zod';
import { badData } from '../errors.js';
import type { TextTokenizer } from '../tokenizer/tokenizer.js';
import { readJsonLines } from './jsonl.js';

const generationSchema = z.looseObject({ id: z.string(), prompt: z.string() });
const grpoSchema = z.looseObject({ id: z.string(), prompt: z.string(), gold: z.enum(['A', 'B']) });

export interface EncodedPrompt {
  id: string;
  tokens: number[];
}
export interface EncodedGrpoPrompt extends EncodedPrompt {
  gold: 'A' | 'B';
}

function encode<T extends { id: string; prompt: string }>(
  lines: { value: T; line: number }[],
  path: string,
  tokenizer: TextTokenizer,
  maxPromptTokens: number,
): (T & { tokens: number[] })[] {
  return lines.map(({ value, line }) => {
    const tokens = tokenizer.encode(value.prompt);
    const where = `${path}, line ${line} (${value.id})`;
    if (tokens.length === 0) throw badData(`${where}: prompt is empty`);
    if (tokens.length > maxPromptTokens)
      throw badData(
        `${where}: prompt of ${tokens.length} tokens is longer than maxPromptTokens ${maxPromptTokens}: ` +
          `raise the setting or drop the item`,
      );
    return { ...value, tokens };
  });
}

/** @throws EngineError (bad data) naming the line that is malformed, empty or too long. */
export function readGenerationPrompts(
  path: string,
  tokenizer: TextTokenizer,
  maxPromptTokens: number,
): EncodedPrompt[] {
  return encode(readJsonLines(path, generationSchema), path, tokenizer, maxPromptTokens);
}

/** @throws EngineError (bad data) naming the line that is malformed, empty or too long. */
export function readGrpoPrompts(
  path: string,
  tokenizer: TextTokenizer,
  maxPromptTokens: number,
): EncodedGrpoPrompt[] {
  return encode(readJsonLines(path, grpoSchema), path, tokenizer, maxPromptTokens);
}
