/** Scores of the embedded engine: a model loaded once, its batches shared by all questions. */
import { renderPrompt } from '../../../engine/tokenizer/chat.js';
import { TextTokenizer } from '../../../engine/tokenizer/tokenizer.js';
import { UserError } from '../../../workflows/errors.js';
import type { JudgeSettings } from '../../../workflows/judge-settings.js';
import { VERSIONS } from '../../versions.js';
import type { LocalModel } from './local-judge.js';
import { ResidentEngine, type ResidentBatch } from './resident-engine.js';
import type { ScalarScorer } from './scalar-judge.js';

type Settings = Omit<Extract<JudgeSettings, { kind: 'local-scalar' | 'likelihood' }>, 'model'>;

/**
 * A reward model with a Bradley–Terry head.
 * @throws UserError `TrainerRefused` where the model cannot be loaded or has no scalar head.
 */
export async function localScorer(
  model: LocalModel,
  settings: Settings,
  onBatch?: (batch: ResidentBatch) => void,
): Promise<ScalarScorer> {
  return engineScorer('local-scalar', model, settings, onBatch);
}

/**
 * A language model asked which answer it would rather have written: the mean log-probability of the answer's tokens
 * after the conversation (of their number, so that length alone decides nothing). The baseline of a judge made of it.
 * @throws UserError `TrainerRefused` where the model cannot be loaded or predicts no tokens.
 */
export async function likelihoodScorer(
  model: LocalModel,
  settings: Settings,
  onBatch?: (batch: ResidentBatch) => void,
): Promise<ScalarScorer> {
  return engineScorer('likelihood', model, settings, onBatch);
}

async function engineScorer(
  kind: 'local-scalar' | 'likelihood',
  model: LocalModel,
  { threads, batchSize }: Settings,
  onBatch?: (batch: ResidentBatch) => void,
): Promise<ScalarScorer> {
  const { config } = TextTokenizer.load(model.dir);
  const engine = await ResidentEngine.start({ model: model.dir, threads, batchSize }, onBatch);
  if (engine.scalarHead !== (kind === 'local-scalar')) {
    await engine.close();
    throw new UserError(
      'TrainerRefused',
      engine.scalarHead
        ? `${model.dir} is a reward model, which predicts no tokens: judge with --judge scalar.`
        : `${model.dir} is a language model without a scalar head: train one with the workflow 'reward', or judge with --judge local.`,
    );
  }
  // Two answers a question; the engine takes what waits into its next batch.
  const most = 2 * batchSize;
  return {
    identity: { kind, model: model.sha256, engine: VERSIONS.engine },
    concurrency: { initial: most, most },
    async score(conversation, answer, signal) {
      const prompt = renderPrompt(config, conversation);
      const said = await engine.ask(
        { prompt, answer, maxNewTokens: 0, temperature: 0, seed: 0, key: '' },
        signal,
      );
      return { score: said.score!, inputTokens: said.promptTokens };
    },
    close: () => engine.close(),
  };
}
