/** A GGUF file with every tensor widened to float32: the same weights that the other sides compute with. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { GgufFile } from '../../engine/import/gguf-file.js';

const ALIGNMENT = 32;
/** Bytes of the fixed-size metadata types by their codes in the GGUF specification; 8 is a string, 9 an array. */
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
const STRING = 8;
const ARRAY = 9;
const FLOAT32 = 0;

/** Write the tensors of `source` to `target`, metadata unchanged. */
export async function writeFloatGguf(source: string, target: string): Promise<void> {
  const bytes = readFileSync(source);
  const file = await GgufFile.open(source);
  const end = metadataEnd(bytes);
  const infos: Buffer[] = [];
  let offset = 0;
  const padded = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  const sizes = [...file.tensors].map(([name, { shape }]) => {
    const size = 4 * shape.reduce((product, n) => product * n, 1);
    const numbers = Buffer.alloc(4 + 8 * shape.length + 4 + 8);
    numbers.writeUInt32LE(shape.length, 0);
    // The innermost dimension comes first.
    [...shape].reverse().forEach((n, i) => numbers.writeBigUInt64LE(BigInt(n), 4 + 8 * i));
    numbers.writeUInt32LE(FLOAT32, 4 + 8 * shape.length);
    numbers.writeBigUInt64LE(BigInt(offset), 8 + 8 * shape.length);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(name)));
    infos.push(length, Buffer.from(name), numbers);
    offset += padded(size);
    return size;
  });
  const head = Buffer.concat([bytes.subarray(0, end), ...infos]);
  const out = openSync(target, 'w');
  try {
    writeSync(out, Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length)]));
    [...file.tensors].forEach(([name, { shape }], i) => {
      const data = file.read(name, shape);
      writeSync(out, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      writeSync(out, Buffer.alloc(padded(sizes[i]!) - sizes[i]!));
    });
  } finally {
    closeSync(out);
  }
}

/** Where the description of the tensors begins. */
function metadataEnd(bytes: Buffer): number {
  const count = Number(bytes.readBigUInt64LE(16));
  let at = 24;
  const skipString = (): void => {
    at += 8 + Number(bytes.readBigUInt64LE(at));
  };
  const skipValue = (type: number): void => {
    if (type === STRING) return skipString();
    if (type !== ARRAY) {
      at += SIZES[type]!;
      return;
    }
    const [inner, items] = [bytes.readUInt32LE(at), Number(bytes.readBigUInt64LE(at + 4))];
    at += 12;
    for (let i = 0; i < items; i += 1) skipValue(inner);
  };
  for (let i = 0; i < count; i += 1) {
    skipString();
    at += 4;
    skipValue(bytes.readUInt32LE(at - 4));
  }
  return at;
}
