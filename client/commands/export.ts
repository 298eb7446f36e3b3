import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { ONNX_FILE, writeOnnxDirectory } from '../../engine/export/onnx-directory.js';
import { mergeCheckpoint } from '../../activities/ray/merge-checkpoint.js';
import { ClientError } from '../errors.js';
import { resolveModel } from '../judge/judge-model.js';
import { rayClusters } from '../local/ray-clusters.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { withStore } from '../store.js';
import { lastStageOf } from '../unfinished-stage.js';

export interface ExportOptions extends SharedOptions {
  model: string;
  out: string;
  checkpoint?: boolean;
}

export async function run({ model, out, checkpoint, json }: ExportOptions): Promise<void> {
  const dir = resolve(out);
  if (existsSync(dir))
    throw new ClientError('Usage', `--out ${out} exists already: name a directory that does not.`);
  if (checkpoint) return exportCheckpoint(model, dir, json);
  const source = (await resolveModel(model)).dir;
  const sha256 = writeOnnxDirectory(dir, source, readModelDirectory(source));
  const file = join(dir, ONNX_FILE);
  print(
    json,
    { dir, file, sha256 },
    () => `Wrote ${file} and its tokenizer; inputs and outputs: docs/engine.md.`,
  );
}

/** What a run has trained so far on Ray, merged there, in Hugging Face layout. */
async function exportCheckpoint(run: string, dir: string, json: boolean | undefined): Promise<void> {
  const clusters = await rayClusters();
  const { step } = await withStore(async (store) => {
    const merged = await mergeCheckpoint(store, await lastStageOf(store, run), clusters);
    await store.fetchDirectory(merged.model, dir);
    return merged;
  });
  print(json, { dir, step }, () => `Wrote ${dir}, the model of step ${step}, in Hugging Face layout.`);
}
