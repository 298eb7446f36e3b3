/** A directory with a judge for onnxruntime: `onnx/model.onnx`, and tokenizer and configuration beside it. */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeDirectory, writeDurably } from '../checkpoint/files.js';
import type { LoadedModel } from '../checkpoint/model-directory.js';
import { badJob } from '../errors.js';
import { TOKENIZER_FILES } from '../tokenizer/tokenizer.js';
import { judgeGraph } from './judge-graph.js';

export const ONNX_FILE = join('onnx', 'model.onnx');
/** Beside the tokenizer: what the model is, for programs that read it. */
const CONFIG_FILES = ['config.json', 'generation_config.json', ...TOKENIZER_FILES];
/** A protobuf message holds less than 2 GiB. */
const MOST_BYTES = 2 ** 31 - 2 ** 20;

/**
 * Write `dir` (complete or not at all) with the judge of the model directory `source`. The same model gives the same
 * bytes. The file is built in memory: in all about three and a half times the size of the weights.
 * @returns SHA-256 of the ONNX file in hex
 * @throws EngineError (bad job) for a reward model, and for weights that do not fit into one file
 */
export function writeOnnxDirectory(dir: string, source: string, { layout, parameters }: LoadedModel): string {
  if (layout.config.scalarHead)
    throw badJob(
      `${source} is a reward model, which writes no text: only language models are exported as ONNX`,
    );
  if (parameters.byteLength > MOST_BYTES)
    throw badJob(
      `${source} has ${parameters.byteLength} bytes of float32 weights, more than the 2 GiB that one ONNX file holds: ` +
        `serve it with \`rmr1 serve\` or from its safetensors instead`,
    );
  return writeDirectory(dir, (temporary) => {
    mkdirSync(join(temporary, 'onnx'));
    const sha256 = writeDurably(join(temporary, ONNX_FILE), [judgeGraph(layout, parameters).build()]);
    for (const name of CONFIG_FILES) {
      const file = join(source, name);
      if (existsSync(file)) copyFileSync(file, join(temporary, name));
    }
    return sha256;
  });
}
