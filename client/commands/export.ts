import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { ONNX_FILE, writeOnnxDirectory } from '../../engine/export/onnx-directory.js';
import { ClientError } from '../errors.js';
import { resolveModel } from '../judge/judge-model.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';

export interface ExportOptions extends SharedOptions {
  model: string;
  out: string;
}

export async function run({ model, out, json }: ExportOptions): Promise<void> {
  const dir = resolve(out);
  if (existsSync(dir))
    throw new ClientError('Usage', `--out ${out} exists already: name a directory that does not.`);
  const source = (await resolveModel(model)).dir;
  const sha256 = writeOnnxDirectory(dir, source, readModelDirectory(source));
  const file = join(dir, ONNX_FILE);
  print(
    json,
    { dir, file, sha256 },
    () => `Wrote ${file} and its tokenizer; inputs and outputs: docs/engine.md.`,
  );
}
