/** A judge that runs on the embedded engine, its model loaded once and its batches shared by all questions. */
import { createHash } from 'node:crypto';
import { renderPrompt } from '../../../engine/tokenizer/chat.js';
import { TextTokenizer } from '../../../engine/tokenizer/tokenizer.js';
import { buildPrompt } from '../../../judge/prompt/build.js';
import { parseVerdict } from '../../../judge/verdict.js';
import type { JudgeSettings, Sampling } from '../../../workflows/judge-settings.js';
import { VERSIONS } from '../../versions.js';
import type { Judge } from './judge.js';
import { shownPair } from './openai-judge.js';
import { ResidentEngine, type ResidentBatch } from './resident-engine.js';

type Settings = Extract<JudgeSettings, { kind: 'local' }>;

/** Share of the context that a judgement may take where its budget is larger than the context allows. */
const JUDGEMENT_SHARE = 0.5;

export interface LocalModel {
  /** A directory in Hugging Face layout. */
  dir: string;
  /** Hash of its content, which names the model in judgement keys. */
  sha256: string;
}

/** @throws UserError `TrainerRefused` where the model cannot be loaded. */
export async function localJudge(
  model: LocalModel,
  settings: Omit<Settings, 'model'>,
  sampling: Sampling,
  onBatch?: (batch: ResidentBatch) => void,
): Promise<Judge> {
  const { config } = TextTokenizer.load(model.dir);
  const engine = await ResidentEngine.start(
    { model: model.dir, threads: settings.threads, batchSize: settings.batchSize },
    onBatch,
  );
  const { temperature, seed } = sampling;
  const maxNewTokens = Math.min(sampling.maxTokens, Math.floor(engine.maxLength * JUDGEMENT_SHARE));
  const most = 4 * settings.batchSize;
  return {
    identity: {
      kind: 'local',
      model: model.sha256,
      engine: VERSIONS.engine,
      promptVersion: settings.promptVersion,
      temperature,
      maxTokens: maxNewTokens,
      ...(temperature > 0 ? { seed } : {}),
    },
    // The engine takes what waits into its next batch, so all may wait there.
    concurrency: { initial: most, most },
    stored: true,
    async ask(question, signal) {
      const prompt = renderPrompt(config, buildPrompt(settings.promptVersion, shownPair(question)));
      const promptSha256 = createHash('sha256').update(prompt).digest('hex');
      const key = `${promptSha256}/${question.sample}`;
      const answer = await engine.ask({ prompt, maxNewTokens, temperature, seed, key }, signal);
      return {
        verdict: parseVerdict(answer.text),
        text: answer.text,
        inputTokens: answer.promptTokens,
        outputTokens: answer.tokens,
        finished: answer.finished,
        promptSha256,
      };
    },
    async chat(messages, parameters, signal) {
      const prompt = renderPrompt(config, messages);
      const answer = await engine.ask(
        {
          prompt,
          maxNewTokens: Math.min(parameters.maxTokens, maxNewTokens),
          temperature: parameters.temperature,
          seed: parameters.seed ?? seed,
          key: prompt,
        },
        signal,
      );
      return {
        text: answer.text,
        finishReason: answer.finished ? 'stop' : 'length',
        inputTokens: answer.promptTokens,
        outputTokens: answer.tokens,
      };
    },
    close: () => engine.close(),
  };
}
