/** A LoRA adapter in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { badData, reading } from '../errors.js';
import { LORA_TARGETS, type LoraSettings } from '../job.js';
import { adapterLayout, type AdapterLayout } from '../model/adapter.js';
import type { ParameterLayout } from '../model/parameters.js';
import { requireDirectory, writeDurably } from './files.js';
import { namedTensors, readFlat } from './model-directory.js';
import { parseFile } from './parse-file.js';
import { SafetensorsFile, writeSafetensors } from './safetensors.js';

const ADAPTER_WEIGHTS = 'adapter_model.safetensors';
const ADAPTER_CONFIG = 'adapter_config.json';

/** Write the files of an adapter into an existing directory. The same adapter always gives the same bytes. */
export function writeAdapterFiles(dir: string, layout: AdapterLayout, flat: Float32Array): void {
  const { rank, alpha, targets } = layout.settings;
  const config = {
    peft_type: 'LORA',
    task_type: layout.score ? 'SEQ_CLS' : 'CAUSAL_LM',
    base_model_name_or_path: null,
    r: rank,
    lora_alpha: alpha,
    target_modules: [...targets],
    ...(layout.score ? { modules_to_save: ['score'] } : {}),
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
  };
  writeSafetensors(join(dir, ADAPTER_WEIGHTS), namedTensors(layout, flat));
  writeDurably(join(dir, ADAPTER_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

const configSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  target_modules: z.array(z.enum(LORA_TARGETS)).min(1),
  bias: z.literal('none').default('none'),
  use_rslora: z.literal(false).default(false),
  use_dora: z.literal(false).default(false),
});

/**
 * Read an adapter for the model `model`.
 * @throws EngineError (bad data) naming what is missing, malformed or made for another model.
 */
export function readAdapterDirectory(
  dir: string,
  model: ParameterLayout,
): { layout: AdapterLayout; parameters: Float32Array } {
  requireDirectory(dir, 'the adapter directory');
  const path = join(dir, ADAPTER_CONFIG);
  const text = reading('the adapter configuration', path, () => readFileSync(path, 'utf8'));
  const { r, lora_alpha, target_modules } = parseFile(configSchema, text, path);
  const settings: LoraSettings = { rank: r, alpha: lora_alpha, targets: target_modules };
  const layout = adapterLayout(model, settings);
  const weights = join(dir, ADAPTER_WEIGHTS);
  const parameters = SafetensorsFile.use(weights, 'the adapter weights', (file) => {
    const known = new Set(layout.entries.map((entry) => entry.name));
    for (const name of file.tensors.keys())
      if (!known.has(name)) throw badData(`${weights}: tensor ${name} is not part of the adapter`);
    return readFlat(file, layout);
  });
  return { layout, parameters };
}
