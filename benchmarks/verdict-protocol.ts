/** How verdicts were made: the first line of a verdict file, so that its numbers can be compared and made again. */
import { z } from 'zod';
import { BENCHMARKS } from './names.js';

export const VERDICT_FILE_SCHEMA = 'rmr1-verdicts/1';

/** Everything that a verdict depends on besides the item itself. */
export const protocolSchema = z.strictObject({
  schema: z.literal(VERDICT_FILE_SCHEMA),
  benchmark: z.enum(BENCHMARKS),
  judge: z.strictObject({
    /** Kind of judge: `local`, `openai`, `scalar`, `pointwise`, `majority`, `length`, `random`, `oracle`, … */
    kind: z.string().min(1),
    /** What tables call it. */
    label: z.string().min(1),
    /** Model by its name at the endpoint or its path, and the hash of its weights where they are at hand. */
    model: z.string().optional(),
    modelSha256: z.string().optional(),
    /** Host of an endpoint; never a key. */
    endpoint: z.string().optional(),
  }),
  /** Version of the prompt; absent for judges that read none. */
  promptVersion: z.string().optional(),
  /** `one`: each item once, the place of the chosen answer by `goldPosition` of key and seed. */
  orders: z.strictObject({ mode: z.enum(['one', 'both']), seed: z.int() }),
  sampling: z
    .strictObject({
      temperature: z.number(),
      topP: z.number(),
      maxTokens: z.int(),
      /** Samples an item; above 1 the verdict is their majority. */
      votes: z.int().min(1),
      seed: z.int().optional(),
    })
    .optional(),
  data: z.strictObject({
    /** Names of the files, or hub data set and revision. */
    source: z.string(),
    /** Over the items in their order: keys, conversations and answers. */
    sha256: z.string(),
    items: z.int(),
  }),
  /** Name → version: rmr1, code commit, node, engine, … */
  software: z.record(z.string(), z.string()),
  /** USD per million tokens, where `costUsd` was counted. */
  price: z.strictObject({ inputPerMillion: z.number(), outputPerMillion: z.number() }).optional(),
  /** ISO 8601. */
  startedAt: z.string(),
  finishedAt: z.string().optional(),
});

/**
 * How the verdicts of a file came about.
 * @interface
 */
export type VerdictProtocol = z.infer<typeof protocolSchema>;

/** The optional first line of a verdict file. */
export const verdictHeaderSchema = z.strictObject({ protocol: protocolSchema });
/**
 * The optional first line of a verdict file.
 * @interface
 */
export type VerdictHeader = z.infer<typeof verdictHeaderSchema>;
