/** A GGUF file: metadata by `@huggingface/gguf`, tensors read and dequantised one at a time. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { gguf } from '@huggingface/gguf';
import { badData, reading } from '../errors.js';
import { dequantise, storedBytes } from './dequantise.js';

/** Where one tensor lies, and how it is quantised. */
export interface GgufTensor {
  type: number;
  /** Row-major, outermost first (GGUF lists the innermost first). */
  shape: number[];
  /** In the file. */
  begin: number;
  bytes: number;
}

/** Types that metadata is asked for, by name. */
export type Kind = { string: string; number: number; boolean: boolean; strings: string[]; numbers: number[] };

/** A GGUF file: its metadata and its tensors, which are read one by one. */
export class GgufFile {
  private constructor(
    readonly path: string,
    private readonly metadata: ReadonlyMap<string, unknown>,
    readonly tensors: ReadonlyMap<string, GgufTensor>,
  ) {}

  /** @throws EngineError (bad data) when the file is missing, not GGUF, cut off, or its tensors overlap its end. */
  static async open(path: string): Promise<GgufFile> {
    const bytes = checkMagic(path);
    let parsed: Awaited<ReturnType<typeof gguf>>;
    try {
      parsed = await gguf(path, { allowLocalFile: true });
    } catch (error) {
      throw badData(`${path} is not a readable GGUF file: ${(error as Error).message}`, error);
    }
    const tensors = new Map<string, GgufTensor>();
    for (const { name, dtype, shape, offset } of parsed.tensorInfos) {
      const dimensions = shape.map(Number).reverse();
      const size = storedBytes(
        dtype,
        dimensions.reduce((product, n) => product * n, 1),
        name,
      );
      const begin = Number(parsed.tensorDataOffset) + Number(offset);
      if (!(begin >= 0 && begin + size <= bytes))
        throw badData(`${path} is cut off: tensor ${name} ends at byte ${begin + size} of ${bytes}`);
      if (tensors.has(name)) throw badData(`${path}: tensor ${name} is there twice`);
      tensors.set(name, { type: dtype, shape: dimensions, begin, bytes: size });
    }
    return new GgufFile(path, new Map(Object.entries(parsed.metadata)), tensors);
  }

  /** A metadata value, undefined where absent. @throws EngineError (bad data) where it has another type. */
  find<K extends keyof Kind>(key: string, kind: K): Kind[K] | undefined {
    const found = this.metadata.get(key);
    const value = typeof found === 'bigint' ? Number(found) : found;
    if (value === undefined) return undefined;
    const fits =
      kind === 'strings' || kind === 'numbers'
        ? Array.isArray(value) && value.every((item) => typeof item === kind.slice(0, -1))
        : typeof value === kind;
    if (!fits) throw badData(`${this.path}: metadata ${key} is not of the type ${kind}`);
    return value as Kind[K];
  }

  /** As `find`, for values that must be there. */
  get<K extends keyof Kind>(key: string, kind: K): Kind[K] {
    const value = this.find(key, kind);
    if (value === undefined) throw badData(`${this.path} has no metadata ${key}`);
    return value;
  }

  /** @throws EngineError (bad data) when the tensor is absent or has another shape. */
  read(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.tensors.get(name);
    if (!tensor) throw badData(`${this.path} has no tensor ${name}`);
    if (tensor.shape.join() !== shape.join())
      throw badData(
        `${this.path}: tensor ${name} has shape [${tensor.shape.join(', ')}], the model needs [${shape.join(', ')}]`,
      );
    const stored = new Uint8Array(tensor.bytes);
    const file = openSync(this.path, 'r');
    try {
      for (let at = 0; at < stored.length;) {
        const got = readSync(file, stored, at, stored.length - at, tensor.begin + at);
        if (got === 0) throw badData(`${this.path} became shorter while it was read`);
        at += got;
      }
    } finally {
      closeSync(file);
    }
    return dequantise(
      tensor.type,
      stored,
      shape.reduce((product, n) => product * n, 1),
      name,
    );
  }
}

/** @returns size of the file */
function checkMagic(path: string): number {
  const file = reading('the GGUF file', path, () => openSync(path, 'r'));
  try {
    const magic = Buffer.alloc(4);
    readSync(file, magic, 0, 4, 0);
    if (magic.toString('latin1') !== 'GGUF') throw badData(`${path} is not a GGUF file`);
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}
