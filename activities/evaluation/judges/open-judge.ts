/** The judge that settings name, ready to be asked. */
import type { ArtifactStore } from '../../artifacts/store.js';
import type { JudgeSettings, Sampling, TokenPrice } from '../../../workflows/judge-settings.js';
import type { Served } from '../../ray/judge-server.js';
import { controlJudge } from './controls.js';
import type { Judge } from './judge.js';
import { localJudge, type LocalModel } from './local-judge.js';
import { likelihoodScorer, localScorer } from './local-scalar.js';
import { majorityJudge } from './majority-judge.js';
import { openaiJudge } from './openai-judge.js';
import { Patience, patientJudge, type PatienceSettings } from './patience.js';
import { pointwiseJudge } from './pointwise-judge.js';
import { pricedJudge } from './priced-judge.js';
import type { ResidentBatch } from './resident-engine.js';
import { scalarJudge, scoringEndpoint } from './scalar-judge.js';
import { SERVER_SILENCE_MS, servedJudge } from './served-judge.js';
import { storedJudge, type JudgedCounts } from './stored-judge.js';

export interface OpenJudge {
  judge: Judge;
  /** One for each endpoint or engine behind the judge. */
  patience: Patience[];
}

export interface OpenOptions {
  /** Where the model of a local judge lies. */
  localModel?: LocalModel;
  /** Where a judge of kind `vllm` is asked; whoever opened it closes it. */
  server?: Served;
  /** Questions in flight at the beginning, where an earlier shard has found them out. */
  initialConcurrency?: number;
  patience?: Partial<PatienceSettings>;
  /** Called after each batch of a local judge. */
  onBatch?: (batch: ResidentBatch) => void;
}

/**
 * A judge that adapts to its endpoint and remembers nothing.
 * @throws UserError `JudgeCredentials` where a key is missing, `TrainerRefused` where a local model cannot be loaded.
 */
export function openBareJudge(
  settings: JudgeSettings,
  sampling: Sampling,
  options: OpenOptions = {},
): Promise<OpenJudge> {
  return open(settings, sampling, options, async (judge) => judge);
}

/** The same, with its judgements kept in `store` and taken from there; `counts` says how many were. */
export async function openStoredJudge(
  store: ArtifactStore,
  settings: JudgeSettings,
  sampling: Sampling,
  options: OpenOptions = {},
): Promise<OpenJudge & { counts: () => JudgedCounts }> {
  const counted: JudgedCounts[] = [];
  const opened = await open(settings, sampling, options, async (judge) => {
    const remembering = await storedJudge(judge, store);
    counted.push(remembering.counts);
    return remembering;
  });
  const sum = (of: (counts: JudgedCounts) => number) =>
    counted.reduce((total, counts) => total + of(counts), 0);
  return {
    ...opened,
    counts: () => ({ asked: sum(({ asked }) => asked), found: sum(({ found }) => found) }),
  };
}

async function open(
  settings: JudgeSettings,
  sampling: Sampling,
  options: OpenOptions,
  remember: (judge: Judge) => Promise<Judge>,
): Promise<OpenJudge> {
  const patience: Patience[] = [];
  const ready = async (judge: Judge, price?: TokenPrice): Promise<Judge> => {
    const { initial, most } = judge.concurrency;
    const own = new Patience(
      { initial: options.initialConcurrency ?? initial, most },
      { ...(options.server ? { silenceMs: SERVER_SILENCE_MS } : {}), ...options.patience },
    );
    patience.push(own);
    return pricedJudge(await remember(patientJudge(judge, own)), price);
  };
  // Members are remembered one by one: what one of them answered is kept when another one fails.
  const judge =
    settings.kind === 'majority'
      ? majorityJudge(
          await Promise.all(
            settings.members.map((member) => ready(openaiJudge(member, sampling), member.price)),
          ),
        )
      : await ready(
          await single(settings, sampling, options),
          'price' in settings ? settings.price : undefined,
        );
  return { judge, patience };
}

async function single(
  settings: Exclude<JudgeSettings, { kind: 'majority' }>,
  sampling: Sampling,
  { localModel, server, onBatch }: OpenOptions,
): Promise<Judge> {
  switch (settings.kind) {
    case 'openai':
      return openaiJudge(settings, sampling);
    case 'vllm': {
      if (!server) throw new Error('A judge on the cluster needs its server.');
      const { model, precision, promptVersion } = settings;
      return servedJudge(server, { sha256: model.sha256, precision, promptVersion }, sampling);
    }
    case 'pointwise':
      return pointwiseJudge(settings, sampling);
    case 'scalar':
      return scalarJudge(scoringEndpoint(settings));
    case 'local-scalar':
      if (!localModel) throw new Error('A local judge needs its model on this disk.');
      return scalarJudge(await localScorer(localModel, settings, onBatch));
    case 'likelihood':
      if (!localModel) throw new Error('A local judge needs its model on this disk.');
      return scalarJudge(await likelihoodScorer(localModel, settings, onBatch));
    case 'random':
      return controlJudge('random', settings.seed);
    case 'length':
    case 'oracle':
      return controlJudge(settings.kind, 0);
    case 'local':
      if (!localModel) throw new Error('A local judge needs its model on this disk.');
      return localJudge(localModel, settings, sampling, onBatch);
  }
}
