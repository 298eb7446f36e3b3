/**
 * The safetensors format: 8 bytes little-endian header length, JSON header {name: {dtype, shape, data_offsets}},
 * then the raw row-major data without holes. Written as F32; read as F32, F16 or BF16.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { badData, reading } from '../errors.js';
import { writeDurably } from './files.js';
import { halfToFloat } from './half.js';

/** A named float32 tensor; `data.length` is the product of `shape`. */
export interface Tensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

/** Where one tensor lies in a file; offsets are from the start of the data section. */
export interface TensorInfo {
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

const BYTES_PER_ELEMENT: Record<string, number> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};
/** The limit of the reference implementation; a longer header is a sign of a file that is something else. */
const MAX_HEADER_BYTES = 100_000_000;

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Write tensors to `path` (F32, in the given order) and force them to disk.
 * @returns SHA-256 of the file in hex. The same tensors always give the same bytes.
 */
export function writeSafetensors(
  path: string,
  tensors: readonly Tensor[],
  metadata: Record<string, string> = { format: 'pt' },
): string {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    if (elements(shape) !== data.length)
      throw new Error(`tensor ${name} has ${data.length} values but shape [${shape.join(', ')}]`);
    if (Object.hasOwn(header, name)) throw new Error(`tensor ${name} is given twice`);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  // Spaces after the JSON keep the data 8-byte aligned, as the reference writer does.
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return writeDurably(path, [
    length,
    padded,
    ...tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]);
}

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

function parseHeader(json: string, dataBytes: number, path: string): Map<string, TensorInfo> {
  let header: unknown;
  try {
    header = JSON.parse(json);
  } catch (error) {
    throw badData(`${path} is not a safetensors file: its header is not JSON`, error);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw badData(`${path} is not a safetensors file: its header is not an object`);
  const infos = new Map<string, TensorInfo>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const entry = entrySchema.safeParse(value);
    if (!entry.success) throw badData(`${path}: the header entry of tensor ${name} is malformed`);
    const { dtype, shape } = entry.data;
    const [begin, end] = entry.data.data_offsets;
    const size = BYTES_PER_ELEMENT[dtype];
    if (size === undefined) throw badData(`${path}: tensor ${name} has the unknown dtype ${dtype}`);
    if (end - begin !== elements(shape) * size)
      throw badData(
        `${path}: tensor ${name} of shape [${shape.join(', ')}] and dtype ${dtype} cannot fill ${end - begin} bytes`,
      );
    infos.set(name, { dtype, shape, begin, end });
  }
  let expected = 0;
  for (const [name, { begin, end }] of [...infos].sort(
    ([, a], [, b]) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== expected)
      throw badData(`${path}: the data of tensor ${name} overlaps another or leaves a hole`);
    expected = end;
  }
  if (expected > dataBytes)
    throw badData(
      `${path} is cut off: ${expected} bytes of tensor data are announced, ${dataBytes} are there`,
    );
  if (expected < dataBytes)
    throw badData(`${path} has ${dataBytes - expected} bytes that belong to no tensor`);
  return infos;
}

let halfTable: Float32Array | undefined;

function expandHalf(words: Uint16Array, out: Float32Array): void {
  halfTable ??= Float32Array.from({ length: 0x10000 }, (_, bits) => halfToFloat(bits));
  for (let i = 0; i < words.length; i++) out[i] = halfTable[words[i]!]!;
}

/** bfloat16 is the upper half of a float32. */
function expandBrainFloat(words: Uint16Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
}

/** A safetensors file open for reading. The header is checked on opening; data is read tensor by tensor. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private readonly file: number,
    private readonly dataStart: number,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
  ) {}

  /** @throws EngineError (bad data) when the file is missing, cut off, or its header is inconsistent. */
  static open(path: string, what = 'the tensor file'): SafetensorsFile {
    const file = reading(what, path, () => openSync(path, 'r'));
    try {
      const bytes = fstatSync(file).size;
      const prefix = Buffer.alloc(8);
      if (bytes < 8) throw badData(`${path} is cut off: it has ${bytes} bytes`);
      readSync(file, prefix, 0, 8, 0);
      const length = Number(prefix.readBigUInt64LE());
      if (length > MAX_HEADER_BYTES)
        throw badData(`${path} is not a safetensors file: header of ${length} bytes`);
      if (8 + length > bytes) throw badData(`${path} is cut off inside its header`);
      const header = Buffer.alloc(length);
      readSync(file, header, 0, length, 8);
      const tensors = parseHeader(header.toString('utf8'), bytes - 8 - length, path);
      return new SafetensorsFile(path, file, 8 + length, tensors);
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  /** Names of all tensors. */
  names(): Iterable<string> {
    return this.tensors.keys();
  }

  /** Open, use and close. */
  static use<T>(path: string, what: string, use: (file: SafetensorsFile) => T): T {
    const file = SafetensorsFile.open(path, what);
    try {
      return use(file);
    } finally {
      file.close();
    }
  }

  /**
   * Read a tensor as float32 into `out` (or a new array); F16 and BF16 are widened.
   * @throws EngineError (bad data) when it is absent, of another shape than `shape`, or not a float tensor.
   */
  read(name: string, shape?: readonly number[], out?: Float32Array): Float32Array {
    const info = this.tensors.get(name);
    if (info === undefined) throw badData(`${this.path} has no tensor ${name}`);
    if (
      shape !== undefined &&
      (shape.length !== info.shape.length || shape.some((s, i) => s !== info.shape[i]))
    )
      throw badData(
        `${this.path}: tensor ${name} has shape [${info.shape.join(', ')}], the model needs [${shape.join(', ')}]`,
      );
    const count = elements(info.shape);
    const target = out ?? new Float32Array(count);
    if (target.length !== count)
      throw new Error(`tensor ${name} has ${count} values, the target ${target.length}`);
    if (info.dtype === 'F32') {
      this.readBytes(new Uint8Array(target.buffer, target.byteOffset, target.byteLength), info.begin);
    } else if (info.dtype === 'F16' || info.dtype === 'BF16') {
      const words = new Uint16Array(count);
      this.readBytes(new Uint8Array(words.buffer), info.begin);
      (info.dtype === 'F16' ? expandHalf : expandBrainFloat)(words, target);
    } else {
      throw badData(
        `${this.path}: tensor ${name} has dtype ${info.dtype}; only F32, F16 and BF16 can be read`,
      );
    }
    return target;
  }

  private readBytes(out: Uint8Array, offset: number): void {
    for (let at = 0; at < out.length;) {
      const length = Math.min(out.length - at, 1 << 30);
      const got = readSync(this.file, out, at, length, this.dataStart + offset + at);
      if (got === 0) throw badData(`${this.path} became shorter while it was read`);
      at += got;
    }
  }

  /** Give the file handle back; nothing can be read afterwards. */
  close(): void {
    closeSync(this.file);
  }
}
