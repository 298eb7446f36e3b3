import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { SafetensorsFile, writeSafetensors } from '../../engine/checkpoint/safetensors.js';
import { EngineError } from '../../engine/errors.js';

const root = mkdtempSync(join(tmpdir(), 'safetensors-'));
afterAll(() => rmSync(root, { recursive: true }));
const path = join(root, 'damaged.safetensors');

const tensors = [
  { name: 'a', shape: [2, 3], data: Float32Array.from([1, 2, 3, 4, 5, 6]) },
  { name: 'b', shape: [4], data: Float32Array.from([7, 8, 9, 10]) },
];
writeSafetensors(join(root, 'whole.safetensors'), tensors);
const whole = readFileSync(join(root, 'whole.safetensors'));
const headerEnd = 8 + Number(whole.readBigUInt64LE());

/** Opens and reads everything. */
function readAll(bytes: Uint8Array): Float32Array[] {
  writeFileSync(path, bytes);
  return SafetensorsFile.use(path, 'the file', (file) => [...file.names()].map((name) => file.read(name)));
}

const withHeader = (json: string, length = Buffer.byteLength(json)): Buffer => {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([size, Buffer.from(json), whole.subarray(headerEnd)]);
};

it('a damaged file is read or refused with a data error, whatever the damage', () => {
  expect(readAll(whole)).toEqual(tensors.map(({ data }) => data));
  const damaged = fc.oneof(
    fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
    fc.array(fc.tuple(fc.nat(headerEnd - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((changes) => {
      const copy = Buffer.from(whole);
      for (const [at, value] of changes) copy[at] = value;
      return copy;
    }),
    fc.json().map((json) => withHeader(json)),
  );
  fc.assert(
    fc.property(damaged, (bytes) => {
      try {
        readAll(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
      }
    }),
    { numRuns: 400, seed: 3 },
  );
});

it('a header that is huge, overlaps, leaves holes or ends beyond the file is refused, saying so', () => {
  const entry = (from: number, to: number) => ({
    dtype: 'F32',
    shape: [(to - from) / 4],
    data_offsets: [from, to],
  });
  const header = (a: object, b: object) => withHeader(JSON.stringify({ a, b }));
  expect(() => readAll(withHeader('{}', 2 ** 40))).toThrow(/header of 1099511627776 bytes/);
  expect(() => readAll(withHeader('{}', 4000))).toThrow(/cut off inside its header/);
  expect(() => readAll(header(entry(0, 24), entry(20, 40)))).toThrow(/overlaps another or leaves a hole/);
  expect(() => readAll(header(entry(0, 20), entry(24, 40)))).toThrow(/overlaps another or leaves a hole/);
  expect(() => readAll(header(entry(0, 24), entry(24, 400)))).toThrow(/cut off: 400 bytes/);
  expect(() => readAll(header(entry(0, 24), { ...entry(24, 40), shape: [5] }))).toThrow(
    /cannot fill 16 bytes/,
  );
  expect(() => readAll(header(entry(0, 24), { ...entry(24, 40), dtype: 'Q4' }))).toThrow(/unknown dtype Q4/);
});
