/** The model a job starts from. */
import { requireDirectory } from '../checkpoint/files.js';
import { readModelDirectory, type LoadedModel } from '../checkpoint/model-directory.js';
import { badJob } from '../errors.js';
import type { EngineJob } from '../job.js';
import { initializeParameters } from '../model/initialize.js';
import { parameterLayout, type DecoderConfig, type ParameterLayout } from '../model/parameters.js';
import { TextTokenizer } from '../tokenizer/tokenizer.js';

function layoutOf(config: DecoderConfig): ParameterLayout {
  try {
    return parameterLayout(config);
  } catch (error) {
    throw badJob((error as Error).message, error);
  }
}

/**
 * Load or make the starting model. Made weights depend on the job's seed and the architecture alone.
 * @throws EngineError naming the file or the setting that cannot work.
 */
export function loadSourceModel(job: EngineJob): LoadedModel {
  if (job.model.from === 'directory') {
    const model = readModelDirectory(job.model.path);
    if (model.layout.config.scalarHead && job.kind !== 'reward')
      throw badJob(`${job.model.path} is a reward model, which writes no text: start from a language model`);
    return model;
  }
  const { architecture, tokenizerDir } = job.model;
  requireDirectory(tokenizerDir, 'the tokenizer directory');
  const tokenizer = TextTokenizer.load(tokenizerDir);
  const layout = layoutOf({ ...architecture, vocabSize: tokenizer.vocabSize });
  return { layout, parameters: initializeParameters(layout, job.seed), tokenizer, tokenizerDir };
}
