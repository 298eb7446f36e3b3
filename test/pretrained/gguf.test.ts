import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { EngineError } from '../../engine/errors.js';
import { dequantise, storedBytes } from '../../engine/import/dequantise.js';
import { GgufFile } from '../../engine/import/gguf-file.js';
import { ggufName, importGguf } from '../../engine/import/gguf-model.js';
import { initializeParameters } from '../../engine/model/initialize.js';
import { headDim, parameterLayout, view } from '../../engine/model/parameters.js';
import { renderPrompt } from '../../engine/tokenizer/chat.js';
import { floats, METADATA, type StoredTensor, TOKENS, writeGguf } from './support/gguf-writer.js';

const root = mkdtempSync(join(tmpdir(), 'gguf-'));
afterAll(() => rmSync(root, { recursive: true }));

const layout = parameterLayout({
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 64,
  maxLength: 128,
  ropeTheta: 100_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
  vocabSize: TOKENS.length,
});
const parameters = initializeParameters(layout, 3);

/** The permutation of llama.cpp's converter: reshape [heads, 2, dim/2, in], swap the middle axes. */
function interleave(data: Float32Array, heads: number, columns: number): Float32Array {
  const dim = data.length / columns / heads;
  const out = new Float32Array(data.length);
  for (let head = 0; head < heads; head += 1)
    for (let half = 0; half < 2; half += 1)
      for (let i = 0; i < dim / 2; i += 1) {
        const from = (head * dim + (half * dim) / 2 + i) * columns;
        out.set(data.subarray(from, from + columns), (head * dim + 2 * i + half) * columns);
      }
  return out;
}

function tensors(): StoredTensor[] {
  return layout.entries.map((entry) => {
    const data = view(parameters, entry).slice();
    const rotated = /[qk]_proj/.test(entry.name);
    const heads = entry.shape[0]! / headDim(layout.config);
    const stored = rotated ? interleave(data, heads, entry.shape[1]!) : data;
    return { name: ggufName(entry.name), type: 0, shape: [...entry.shape], bytes: floats(stored) };
  });
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(root, name);
  writeFileSync(path, bytes);
  return path;
}

describe('a GGUF file', () => {
  it('becomes the model that it was converted from, with its tokenizer and chat template', async () => {
    const dir = join(root, 'model');
    await importGguf(write('whole.gguf', writeGguf(METADATA, tensors())), dir);
    const model = readModelDirectory(dir);
    expect(model.layout.config).toEqual(layout.config);
    expect(model.parameters).toEqual(parameters);
    const { tokenizer } = model;
    const text = ' hello <|im_end|> 42 ü';
    expect(tokenizer.decode(tokenizer.encode(text), { keepSpecial: true })).toBe(text);
    expect(tokenizer.encode(' he')).toEqual([TOKENS.indexOf('Ġhe')]);
    expect(tokenizer.encode('42'), 'digits stand alone').toHaveLength(2);
    expect(tokenizer.encode(' ²'), 'and so do numbers that are no ASCII digits').toHaveLength(3);
    expect(tokenizer.endOfText).toBe(TOKENS.indexOf('<|im_end|>'));
    expect(renderPrompt(tokenizer.config, [{ role: 'user', content: 'hi' }])).toBe(
      '<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('of a kind that would run wrongly is refused, naming why', async () => {
    const refused = async (change: Record<string, string | number | { float: number }>) =>
      importGguf(write('refused.gguf', writeGguf({ ...METADATA, ...change }, tensors())), join(root, 'no'));
    await expect(refused({ 'general.architecture': 'gemma' })).rejects.toThrow(/gemma/);
    await expect(refused({ 'llama.rope.scaling.type': 'yarn' })).rejects.toThrow(/rope scaling/);
    await expect(refused({ 'tokenizer.ggml.pre': 'other' })).rejects.toThrow(/gpt2\/other/);
    await expect(refused({ 'llama.embedding_length': 'wide' })).rejects.toThrow(/not of the type number/);
    await expect(refused({ 'llama.feed_forward_length': 96 })).rejects.toThrow(/has shape/);
    const [first, ...rest] = tensors();
    const unknown = writeGguf(METADATA, [{ ...first!, type: 14 }, ...rest]);
    await expect(GgufFile.open(write('type.gguf', unknown))).rejects.toThrow(/GGML type 14/);
  });

  it('that is cut off or damaged gives a data error, never a crash or a hang', async () => {
    const whole = writeGguf(METADATA, tensors());
    const damaged = fc.oneof(
      fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
      fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((changes) => {
        const copy = Buffer.from(whole);
        for (const [at, value] of changes) copy[at] = value;
        return copy;
      }),
    );
    await fc.assert(
      fc.asyncProperty(damaged, async (bytes) => {
        try {
          await importGguf(write('damaged.gguf', bytes), join(root, 'damaged'));
        } catch (error) {
          expect(error).toBeInstanceOf(EngineError);
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });
});

describe('dequantisation', () => {
  const half = (bits: number) => [bits & 255, bits >> 8];
  const TWO = half(0x4000);
  const MINUS_THREE = half(0xc200);

  it('follows the block formulas', () => {
    const q8 = dequantise(8, Uint8Array.from([...TWO, ...Array.from({ length: 32 }, (_, i) => i)]), 32, 't');
    expect([...q8]).toEqual(Array.from({ length: 32 }, (_, i) => 2 * i));
    const nibbles = Array.from({ length: 16 }, (_, i) => i | ((15 - i) << 4));
    const q41 = dequantise(3, Uint8Array.from([...TWO, ...MINUS_THREE, ...nibbles]), 32, 't');
    expect([...q41]).toEqual(Array.from({ length: 32 }, (_, i) => (i < 16 ? i : 31 - i) * 2 - 3));
    const q40 = dequantise(2, Uint8Array.from([...TWO, ...nibbles]), 32, 't');
    expect([...q40]).toEqual(Array.from({ length: 32 }, (_, i) => ((i < 16 ? i : 31 - i) - 8) * 2));
    expect(dequantise(1, Uint8Array.from([...TWO, ...MINUS_THREE]), 2, 't')).toEqual(Float32Array.of(2, -3));
  });

  it('refuses tensors that do not fill their blocks', () => {
    expect(() => storedBytes(3, 40, 't')).toThrow(/blocks of 32/);
  });
});
