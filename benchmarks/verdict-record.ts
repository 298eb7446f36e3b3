/** One line of a verdict file: what a judge said about one benchmark item, in a form anyone can write. */
import { z } from 'zod';
import type { ItemIdentity } from './item.js';
import { BENCHMARKS } from './names.js';

/** `both` and `none` are errors of the judge's format; `tie` is a verdict of judges that may declare one. */
export const RECORD_VERDICTS = ['A', 'B', 'both', 'none', 'tie'] as const;
export type RecordVerdict = (typeof RECORD_VERDICTS)[number];

const style = z.literal([0, 1, 2], 'must be 0 (concise), 1 (detailed) or 2 (markdown)');
/** Ids are text or whole numbers in the sources; as text they are compared. */
const id = z
  .union([z.string().min(1, 'is empty'), z.int()], 'must be text or a whole number, not empty')
  .transform((value) => String(value));
const verdict = z.enum(RECORD_VERDICTS, 'must be "A", "B", "both", "none" or "tie"');
const count = z.int('must be a whole number').min(0, 'must not be negative');

/**
 * The core of a record names the item, says where the better answer stood and what the judge said. The rest is
 * optional detail that reports show.
 */
export const verdictRecordSchema = z.strictObject(
  {
    benchmark: z.enum(BENCHMARKS, `must be one of ${BENCHMARKS.join(', ')}`),
    subset: z.string('must be text, the subset or category of the item').min(1, 'is empty'),
    id,
    chosenStyle: style.optional(),
    rejectedStyle: style.optional(),
    /** Best-of-N: which loser of the list stood against its best answer. */
    rival: id.optional(),
    /** Best-of-N: the list. */
    group: id.optional(),
    /** Where the chosen answer stood. */
    gold: z.enum(['A', 'B'], 'must be "A" or "B", where the better answer stood'),
    verdict,
    /** Scores of the answers at A and at B. Where present they decide, by strict >. */
    scores: z
      .tuple([z.number('must be a number'), z.number('must be a number')], 'must be two numbers [a, b]')
      .optional(),
    /** Verdicts of the single samples in the order they were drawn; `verdict` is what the vote came to. */
    votes: z.array(verdict, 'must be a list of verdicts').min(1, 'is empty').optional(),
    /** The judge's whole output (the first sample's, where several were drawn). */
    text: z.string('must be text').optional(),
    /** Hash of the prompt exactly as the judge got it. */
    promptSha256: z.string('must be text').optional(),
    /** Tokens of the prompt and of all samples together. */
    inputTokens: count.optional(),
    outputTokens: count.optional(),
    /** Seconds from request to answer. */
    seconds: z.number('must be a number').min(0, 'must not be negative').optional(),
    costUsd: z.number('must be a number').min(0, 'must not be negative').optional(),
    /** False where a token limit cut the output. */
    finished: z.boolean('must be true or false').optional(),
  },
  'must be a JSON object',
);

export type VerdictRecord = z.infer<typeof verdictRecordSchema> & ItemIdentity;
