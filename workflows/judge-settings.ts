/** Which judge is asked, and how: part of the input of `evaluate` and of `rmr1 serve`. Sandbox-safe, like all inputs. */
import { z } from 'zod';
import { artifactRefSchema } from '../activities/artifacts/ref.js';
import { PROMPT_VERSIONS } from '../judge/prompt/versions.js';

const promptVersion = z.enum(PROMPT_VERSIONS);

const endpointFields = {
  baseUrl: z
    .url()
    .optional()
    .describe('of an OpenAI-compatible API; default: OPENAI_BASE_URL, else api.openai.com'),
  model: z.string().min(1).describe('model name at the endpoint'),
  timeoutSeconds: z.number().positive().default(300).describe('for one answer'),
  concurrency: z
    .int()
    .positive()
    .max(1024)
    .default(64)
    .describe('most questions in flight; found out below that'),
  price: z
    .strictObject({ inputPerMillion: z.number().min(0), outputPerMillion: z.number().min(0) })
    .optional()
    .describe('USD per million tokens; with it every judgement says what it cost'),
};

const openai = z.strictObject({
  kind: z.literal('openai'),
  ...endpointFields,
  promptVersion: promptVersion.default('cor-v1'),
  logprobs: z.boolean().default(false).describe('ask for log-probabilities of the verdict, where offered'),
});

export const judgeSettingsSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('local'),
    /** The model: an artefact, or a directory that every worker can read. */
    model: z.union([artifactRefSchema, z.string().min(1)]),
    promptVersion: promptVersion.default('compact-v1'),
    threads: z.int().positive().default(2),
    batchSize: z.int().positive().default(64),
  }),
  z.strictObject({
    kind: z.literal('local-scalar'),
    /** A reward model of the engine: an artefact, or a directory that every worker can read. */
    model: z.union([artifactRefSchema, z.string().min(1)]),
    threads: z.int().positive().default(2),
    batchSize: z.int().positive().default(64),
  }),
  z.strictObject({
    kind: z.literal('likelihood'),
    /** A language model of the engine: an artefact, or a directory that every worker can read. */
    model: z.union([artifactRefSchema, z.string().min(1)]),
    threads: z.int().positive().default(2),
    batchSize: z.int().positive().default(64),
  }),
  z.strictObject({
    kind: z.literal('vllm'),
    model: artifactRefSchema.describe('served by vLLM as a job on the Ray cluster while it is asked'),
    promptVersion: promptVersion.default('cor-v1'),
    gpus: z.int().nonnegative().default(1).describe('GPUs of one node that hold it together; 0: CPUs'),
    precision: z.enum(['float32', 'bfloat16']).default('bfloat16'),
    maxModelLen: z
      .int()
      .min(16)
      .optional()
      .describe("longest prompt and judgement together; default: the model's own"),
  }),
  openai,
  z.strictObject({ kind: z.literal('pointwise'), ...endpointFields }),
  z.strictObject({ kind: z.literal('scalar'), ...endpointFields }),
  z.strictObject({
    kind: z.literal('majority'),
    members: z
      .array(openai)
      .min(3, 'a majority needs three members or more')
      .refine((members) => members.length % 2 === 1, 'a majority needs an odd number of members'),
  }),
  z.strictObject({ kind: z.literal('length') }),
  z.strictObject({ kind: z.literal('random'), seed: z.int().nonnegative().default(0) }),
  z.strictObject({ kind: z.literal('oracle') }),
]);
export type JudgeSettings = z.infer<typeof judgeSettingsSchema>;
export type JudgeKind = JudgeSettings['kind'];

/** Judges that the embedded engine runs, where training runs. */
export function isEngineJudge(
  judge: JudgeSettings,
): judge is Extract<JudgeSettings, { kind: EngineJudgeKind }> {
  return isEngineJudgeKind(judge.kind);
}

const ENGINE_JUDGES = ['local', 'local-scalar', 'likelihood'] as const;
type EngineJudgeKind = (typeof ENGINE_JUDGES)[number];

export function isEngineJudgeKind(kind: JudgeKind): kind is EngineJudgeKind {
  return (ENGINE_JUDGES as readonly JudgeKind[]).includes(kind);
}

export type TokenPrice = NonNullable<EndpointSettings['price']>;
export type EndpointSettings = Pick<Extract<JudgeSettings, { kind: 'openai' }>, keyof typeof endpointFields>;

/** How a judge writes. */
export const samplingSchema = z.strictObject({
  temperature: z.number().min(0).max(2).default(0),
  maxTokens: z.int().positive().default(8192).describe('completion budget'),
  seed: z.int().nonnegative().default(0),
});
export type Sampling = z.infer<typeof samplingSchema>;
