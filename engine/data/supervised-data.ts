/** Samples for supervised fine-tuning: token ids, and how much each token counts in the loss. */
import { z } from 'zod';
import { badData } from '../errors.js';
import type { TextTokenizer } from '../tokenizer/tokenizer.js';
import { readJsonLines } from './jsonl.js';

const sampleSchema = z.looseObject({ id: z.string(), prompt: z.string(), completion: z.string() });

/** A sequence prompt + completion + end-of-text. */
export interface EncodedSample {
  id: string;
  tokens: Int32Array;
  /** Weight of predicting `tokens[i]` from those before it; the first token has none. */
  weights: Float32Array;
}

/**
 * Read and encode a supervised data file. The completion, which ends with end-of-text, has weight 1, the prompt
 * `promptLossWeight`. Prompt and completion are encoded apart, so the prompt's tokens are those seen at generation. The
 * prompt may be empty: plain documents have none.
 * @throws EngineError (bad data) naming the line that is malformed, empty or too long.
 */
export function readSupervisedData(
  path: string,
  tokenizer: TextTokenizer,
  { maxLength, promptLossWeight }: { maxLength: number; promptLossWeight: number },
): EncodedSample[] {
  return readJsonLines(path, sampleSchema).map(({ value, line }) => {
    const where = `${path}, line ${line} (${value.id})`;
    if (value.completion.trim() === '') throw badData(`${where}: completion is empty`);
    const prompt = tokenizer.encode(value.prompt);
    const completion = tokenizer.encode(value.completion);
    if (completion.length === 0) throw badData(`${where}: completion has no tokens`);
    // A completion that already ends with end-of-text does not get a second one.
    const end = completion.at(-1) === tokenizer.endOfText ? [] : [tokenizer.endOfText];
    const tokens = Int32Array.from([...prompt, ...completion, ...end]);
    if (tokens.length < 2) throw badData(`${where}: nothing comes before or after the only token`);
    if (tokens.length > maxLength)
      throw badData(
        `${where}: ${tokens.length} tokens (prompt ${prompt.length}) are more than maxLength ${maxLength}: ` +
          `raise maxLength or drop the sample`,
      );
    const weights = new Float32Array(tokens.length).fill(1);
    weights.fill(promptLossWeight, 0, prompt.length);
    weights[0] = 0;
    return { id: value.id, tokens, weights };
  });
}
