/** A reward model on the embedded engine: a Bradley–Terry head, loaded once, its batches shared by all questions. */
import { renderPrompt } from '../../../engine/tokenizer/chat.js';
import { TextTokenizer } from '../../../engine/tokenizer/tokenizer.js';
import { UserError } from '../../../workflows/errors.js';
import type { JudgeSettings } from '../../../workflows/judge-settings.js';
import { VERSIONS } from '../../versions.js';
import type { LocalModel } from './local-judge.js';
import { ResidentEngine, type ResidentBatch } from './resident-engine.js';
import type { ScalarScorer } from './scalar-judge.js';

type Settings = Extract<JudgeSettings, { kind: 'local-scalar' }>;

/** @throws UserError `TrainerRefused` where the model cannot be loaded or has no scalar head. */
export async function localScorer(
  model: LocalModel,
  { threads, batchSize }: Omit<Settings, 'model'>,
  onBatch?: (batch: ResidentBatch) => void,
): Promise<ScalarScorer> {
  const { config } = TextTokenizer.load(model.dir);
  const engine = await ResidentEngine.start({ model: model.dir, threads, batchSize }, onBatch);
  if (!engine.scalarHead) {
    await engine.close();
    throw new UserError(
      'TrainerRefused',
      `${model.dir} is a language model without a scalar head: train one with the workflow 'reward', or judge with --judge local.`,
    );
  }
  // Two answers a question; the engine takes what waits into its next batch.
  const most = 2 * batchSize;
  return {
    identity: { kind: 'local-scalar', model: model.sha256, engine: VERSIONS.engine },
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
