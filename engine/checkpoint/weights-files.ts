/** The weights of a model directory: one safetensors file, or several with an index. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { badData, reading } from '../errors.js';
import { SafetensorsFile } from './safetensors.js';

/** Tensors by name, wherever they lie. */
export interface TensorSource {
  /** Names the file in errors. */
  readonly path: string;
  /** Of all tensors, whichever file they lie in. */
  names(): Iterable<string>;
  /** See `SafetensorsFile.read`. */
  read(name: string, shape?: readonly number[], out?: Float32Array): Float32Array;
}

const indexSchema = z.looseObject({
  weight_map: z.record(z.string(), z.string().regex(/^[^/\\]+\.safetensors$/)),
});

/**
 * Open `path` or, where it is missing, the shards that `path.index.json` names; use them and close them.
 * @throws EngineError (bad data) naming what is missing or malformed
 */
export function useWeights<T>(path: string, use: (source: TensorSource) => T): T {
  const indexPath = `${path}.index.json`;
  if (existsSync(path) || !existsSync(indexPath)) return SafetensorsFile.use(path, 'the weights file', use);
  const map = readIndex(indexPath);
  const files = new Map<string, SafetensorsFile>();
  try {
    for (const name of new Set(Object.values(map)))
      files.set(name, SafetensorsFile.open(join(dirname(path), name), 'the weights file'));
    return use({
      path: indexPath,
      names: () => Object.keys(map),
      read: (name, shape, out) => {
        const file = map[name] === undefined ? undefined : files.get(map[name]);
        if (!file) throw badData(`${indexPath} has no tensor ${name}`);
        return file.read(name, shape, out);
      },
    });
  } finally {
    for (const file of files.values()) file.close();
  }
}

function readIndex(path: string): Record<string, string> {
  let json: unknown;
  try {
    json = JSON.parse(reading('the index of the weights', path, () => readFileSync(path, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) throw badData(`${path} is not JSON`, error);
    throw error;
  }
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success)
    throw badData(`${path}: ${parsed.error.issues[0]?.path.join('.') ?? 'weight_map'} is malformed`);
  return parsed.data.weight_map;
}
