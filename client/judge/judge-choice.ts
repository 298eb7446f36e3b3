/** The judge that command-line options describe; shared by `rmr1 evaluate` and `rmr1 serve`. */
import {
  isEngineJudgeKind,
  judgeSettingsSchema,
  samplingSchema,
  type JudgeKind,
  type JudgeSettings,
  type Sampling,
  type TokenPrice,
} from '../../workflows/judge-settings.js';
import { describeIssues } from '../../recipes/describe-issues.js';
import { ClientError } from '../errors.js';
import { modelInStore, resolveModel, type JudgeModel } from './judge-model.js';

export interface JudgeChoiceOptions {
  judge?: JudgeKind;
  model?: string[];
  baseUrl?: string;
  promptVersion?: string;
  maxTokens?: number;
  temperature?: number;
  concurrency?: number;
  timeout?: number;
  price?: TokenPrice;
  logprobs?: boolean;
  gpus?: number;
  batchSize?: number;
  threads?: number;
  seed?: number;
}

export interface JudgeChoice {
  settings: JudgeSettings;
  sampling: Sampling;
  /** The model on this disk, where the judge is local. */
  local?: JudgeModel;
}

const WITHOUT_MODEL: JudgeKind[] = ['length', 'random', 'oracle'];

/** @throws ClientError `Usage` or `InvalidInput` that names every option that does not fit. */
export async function chooseJudge(options: JudgeChoiceOptions): Promise<JudgeChoice> {
  const { model: models = [], baseUrl, promptVersion, concurrency, timeout, logprobs, seed } = options;
  const kind = kindOf(options);
  const [model] = models;
  if (!model && !WITHOUT_MODEL.includes(kind)) {
    throw new ClientError(
      'Usage',
      isEngineJudgeKind(kind) || kind === 'vllm'
        ? 'Give --model RUN or --model DIR, or --base-url URL and --model NAME for an endpoint.'
        : `--judge ${kind} needs --model NAME${kind === 'majority' ? ', once for each member (an odd number)' : ''}.`,
    );
  }
  const endpoint = {
    ...(baseUrl ? { baseUrl } : {}),
    ...(concurrency ? { concurrency } : {}),
    ...(timeout ? { timeoutSeconds: timeout } : {}),
    ...(options.price ? { price: options.price } : {}),
  };
  const openai = {
    kind: 'openai',
    ...endpoint,
    ...(promptVersion ? { promptVersion } : {}),
    ...(logprobs ? { logprobs } : {}),
  };
  const local = isEngineJudgeKind(kind) ? await resolveModel(model!, promptVersion) : undefined;
  const engine = {
    model: local?.dir,
    ...(options.batchSize ? { batchSize: options.batchSize } : {}),
    ...(options.threads ? { threads: options.threads } : {}),
  };
  const stored = kind === 'vllm' ? await modelInStore(model!, promptVersion) : undefined;
  const settings = {
    vllm: {
      kind,
      model: stored?.model,
      promptVersion: stored?.promptVersion,
      ...(options.gpus === undefined ? {} : { gpus: options.gpus }),
    },
    local: { kind, ...engine, promptVersion: local?.promptVersion },
    'local-scalar': { kind, ...engine },
    likelihood: { kind, ...engine },
    openai: { ...openai, model },
    pointwise: { kind, ...endpoint, model },
    scalar: { kind, ...endpoint, model },
    majority: { kind, members: models.map((name) => ({ ...openai, model: name })) },
    length: { kind },
    random: { kind, ...(seed === undefined ? {} : { seed }) },
    oracle: { kind },
  }[kind];
  const maxTokens = options.maxTokens ?? local?.maxNewTokens ?? stored?.maxNewTokens;
  return {
    settings: parsed(judgeSettingsSchema, settings),
    sampling: parsed(samplingSchema, {
      ...(maxTokens ? { maxTokens } : {}),
      ...(options.temperature === undefined ? {} : { temperature: options.temperature }),
      ...(seed === undefined ? {} : { seed }),
    }),
    ...(local ? { local } : {}),
  };
}

/** A scalar judge without an address is a reward model of the engine. */
function kindOf({ judge, baseUrl }: JudgeChoiceOptions): JudgeKind {
  if (judge === 'scalar' && !baseUrl && !process.env['OPENAI_BASE_URL']) return 'local-scalar';
  return judge ?? (baseUrl ? 'openai' : 'local');
}

function parsed<Schema extends typeof judgeSettingsSchema | typeof samplingSchema>(
  schema: Schema,
  value: unknown,
): Schema['_output'] {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ClientError(
    'InvalidInput',
    `The judge's settings are not valid: ${describeIssues(result.error)}`,
  );
}
