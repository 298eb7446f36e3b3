/** What a training job leaves: the model in Hugging Face layout, and the adapter in PEFT's where one was trained. */
import { join } from 'node:path';
import { writeAdapterFiles } from '../checkpoint/adapter-directory.js';
import { writeDirectory } from '../checkpoint/files.js';
import { writeModelFiles } from '../checkpoint/model-directory.js';
import type { TrainingJob } from '../job.js';
import { mergeAdapter } from '../model/merge-adapter.js';
import type { TrainingPlan } from './training-plan.js';

/** Write `model/` with the trained weights (adapters merged) and, for adapters, `adapter/` below the output directory. */
export async function writeTrainedModel(
  { model, trained: { layout, adapter } }: TrainingPlan,
  flat: Float32Array,
  { outputDir, threads }: TrainingJob,
): Promise<void> {
  const parameters = adapter ? await mergeAdapter(layout, model.parameters, adapter, flat, threads) : flat;
  writeDirectory(join(outputDir, 'model'), (temporary) =>
    writeModelFiles(temporary, { ...model, parameters }),
  );
  if (adapter)
    writeDirectory(join(outputDir, 'adapter'), (temporary) => writeAdapterFiles(temporary, adapter, flat));
}
