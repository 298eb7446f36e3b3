import fc from 'fast-check';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { writeDirectory } from '../../engine/checkpoint/files.js';
import { formatLlamaConfig, parseLlamaConfig } from '../../engine/checkpoint/llama-config.js';
import { readModelDirectory, writeModelFiles } from '../../engine/checkpoint/model-directory.js';
import { SafetensorsFile, writeSafetensors } from '../../engine/checkpoint/safetensors.js';
import {
  readCheckpoint,
  writeCheckpoint,
  type TrainingState,
} from '../../engine/checkpoint/training-checkpoint.js';
import { tinyModel, writeTinyTokenizer } from './support/tiny-model.js';

const root = mkdtempSync(join(tmpdir(), 'engine-checkpoint-'));
afterAll(() => rmSync(root, { recursive: true }));
let dir = root;
let count = 0;
beforeEach(() => mkdirSync((dir = join(root, String(count++)))));

/** A file in the format, with any header. */
function writeRaw(header: unknown, data: Uint8Array): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const path = join(dir, 'raw.safetensors');
  writeFileSync(path, Buffer.concat([length, json, data]));
  return path;
}

describe('safetensors', () => {
  it('gives back what was written, to the bit', () => {
    const tensor = fc.record({
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 5 }), (specs) => {
        const tensors = specs.map(({ shape, seed }, i) => ({
          name: `tensor.${i}`,
          shape,
          data: Float32Array.from(
            { length: shape.reduce((a, b) => a * b, 1) },
            (_, k) => Math.sin(seed + k) * 10 ** (k % 9),
          ),
        }));
        const path = join(dir, 'round.safetensors');
        const first = writeSafetensors(path, tensors);
        expect(writeSafetensors(path, tensors)).toBe(first);
        SafetensorsFile.use(path, 'file', (file) => {
          expect([...file.tensors.keys()]).toEqual(tensors.map((t) => t.name));
          for (const { name, shape, data } of tensors) expect(file.read(name, shape)).toEqual(data);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('aligns the data to 8 bytes', () => {
    const path = join(dir, 'a.safetensors');
    writeSafetensors(path, [{ name: 'x', shape: [1], data: Float32Array.of(1) }]);
    expect(Number(readFileSync(path).readBigUInt64LE()) % 8).toBe(0);
  });

  it('reads half precision and bfloat16', () => {
    const words = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x3f80, 0xbf80, 0x4049);
    const header = {
      half: { dtype: 'F16', shape: [6], data_offsets: [0, 12] },
      brain: { dtype: 'BF16', shape: [3], data_offsets: [12, 18] },
    };
    SafetensorsFile.use(writeRaw(header, new Uint8Array(words.buffer)), 'file', (file) => {
      expect([...file.read('half')]).toEqual([1, -2, 65504, 2 ** -24, -0, Infinity]);
      expect([...file.read('brain')]).toEqual([1, -1, 3.140625]);
    });
  });

  it('refuses damaged files with the reason', () => {
    const entry = (shape: number[], begin: number, end: number, dtype = 'F32') => ({
      dtype,
      shape,
      data_offsets: [begin, end],
    });
    const cases: [unknown, number, RegExp][] = [
      [{ x: entry([2], 0, 8) }, 4, /cut off: 8 bytes of tensor data/],
      [{ x: entry([2], 0, 8) }, 12, /4 bytes that belong to no tensor/],
      [{ x: entry([3], 0, 8) }, 8, /cannot fill 8 bytes/],
      [{ x: entry([1], 4, 8) }, 8, /overlaps another or leaves a hole/],
      [{ x: entry([2], 0, 8), y: entry([2], 4, 12) }, 12, /overlaps/],
      [{ x: entry([2], 8, 0) }, 8, /cannot fill/],
      [{ x: entry([1], 0, 4, 'F12') }, 4, /unknown dtype F12/],
      [{ x: { shape: [1] } }, 4, /header entry of tensor x is malformed/],
      ['[1]', 0, /header is not an object/],
      ['{"x"', 0, /header is not JSON/],
    ];
    for (const [header, bytes, message] of cases)
      expect(() => SafetensorsFile.open(writeRaw(header, new Uint8Array(bytes)))).toThrow(message);
    const path = join(dir, 'short');
    writeFileSync(path, 'abc');
    expect(() => SafetensorsFile.open(path)).toThrow(/cut off: it has 3 bytes/);
    writeFileSync(path, 'this is a text file and no tensor file at all');
    expect(() => SafetensorsFile.open(path)).toThrow(/not a safetensors file/);
    expect(() => SafetensorsFile.open(join(dir, 'none'), 'the weights')).toThrow(/the weights is missing/);
    const integers = writeRaw({ x: entry([1], 0, 4, 'I32') }, new Uint8Array(4));
    SafetensorsFile.use(integers, 'file', (file) => {
      expect(() => file.read('x')).toThrow(/dtype I32; only F32, F16 and BF16/);
      expect(() => file.read('y')).toThrow(/no tensor y/);
      expect(() => file.read('x', [2])).toThrow(/shape \[1\], the model needs \[2\]/);
    });
  });
});

describe('directories', () => {
  it('appear whole or not at all, and leftovers of a killed writer go', () => {
    const target = join(dir, 'step-1');
    mkdirSync(join(dir, '.step-1.writing-999999'));
    expect(() =>
      writeDirectory(target, (temporary) => {
        writeFileSync(join(temporary, 'half'), 'x');
        throw new Error('disk full');
      }),
    ).toThrow('disk full');
    expect(readdirSync(dir)).toEqual([]);
    writeDirectory(target, (temporary) => writeFileSync(join(temporary, 'a'), '1'));
    writeDirectory(target, (temporary) => writeFileSync(join(temporary, 'b'), '2'));
    expect(readdirSync(dir)).toEqual(['step-1']);
    expect(readdirSync(target)).toEqual(['b']);
  });
});

describe('config.json', () => {
  const shape = { architecture: tinyModel().layout.config, vocabSize: 40 };

  it('round-trips, with the names transformers knows', () => {
    const { vocabSize, ...architecture } = tinyModel().layout.config;
    const text = formatLlamaConfig({ architecture, vocabSize }, { bos: undefined, eos: 1, pad: 0 });
    expect(parseLlamaConfig(text, 'c')).toEqual({ architecture, vocabSize });
    expect(JSON.parse(text)).toMatchObject({
      architectures: ['LlamaForCausalLM'],
      rms_norm_eps: 1e-5,
      eos_token_id: 1,
    });
  });

  it('refuses models the engine would run wrongly, naming the field', () => {
    const base = JSON.parse(formatLlamaConfig(shape, { bos: undefined, eos: 1, pad: 0 })) as object;
    const parse = (change: object) => () =>
      parseLlamaConfig(JSON.stringify({ ...base, ...change }), 'config.json');
    expect(parse({ architectures: ['GemmaForCausalLM'] })).toThrow(/architectures is "GemmaForCausalLM"/);
    expect(parse({ mlp_bias: true })).toThrow(/mlp_bias/);
    expect(parse({ use_sliding_window: true })).toThrow(/use_sliding_window/);
    expect(parse({ rope_scaling: { rope_type: 'yarn', factor: 8 } })).toThrow(/rope_scaling is "yarn"/);
    expect(parse({ rope_scaling: { rope_type: 'llama3' } })).toThrow(/rope_scaling.factor/);
    expect(parse({ hidden_act: 'gelu' })).toThrow(/hidden_act/);
    expect(parse({ head_dim: 63 })).toThrow(/head_dim is 63/);
    expect(parse({ num_key_value_heads: 3 })).toThrow(/num_key_value_heads/);
    expect(parse({ hidden_size: undefined })).toThrow(/hidden_size/);
    expect(
      parse({
        rope_scaling: { rope_type: 'default' },
        rope_theta: undefined,
        rope_parameters: { rope_theta: 5000 },
      }),
    ).not.toThrow();
  });
});

describe('model directory', () => {
  const model = () => tinyModel(writeTinyTokenizer(join(dir, 'tokenizer')));

  it('is read as it was written, byte for byte', () => {
    const original = model();
    const first = join(dir, 'first');
    const second = join(dir, 'second');
    writeDirectory(first, (temporary) => writeModelFiles(temporary, original));
    const loaded = readModelDirectory(first);
    expect(loaded.parameters).toEqual(original.parameters);
    expect(loaded.layout).toEqual(original.layout);
    writeDirectory(second, (temporary) => writeModelFiles(temporary, loaded));
    for (const name of readdirSync(first))
      expect(readFileSync(join(second, name)).equals(readFileSync(join(first, name))), name).toBe(true);
    expect(readdirSync(first).sort()).toEqual(
      [
        'config.json',
        'generation_config.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
      ].sort(),
    );
  });

  it('says what is missing or does not fit', () => {
    const good = join(dir, 'good');
    writeDirectory(good, (temporary) => writeModelFiles(temporary, model()));
    const broken = (change: (path: string) => void) => {
      const path = join(dir, 'broken');
      rmSync(path, { recursive: true, force: true });
      cpSync(good, path, { recursive: true });
      change(path);
      return () => readModelDirectory(path);
    };
    const config = JSON.parse(readFileSync(join(good, 'config.json'), 'utf8')) as Record<string, unknown>;
    const withConfig = (change: object) =>
      broken((path) => writeFileSync(join(path, 'config.json'), JSON.stringify({ ...config, ...change })));
    expect(broken((path) => rmSync(join(path, 'config.json')))).toThrow(/model configuration is missing/);
    expect(broken((path) => rmSync(join(path, 'model.safetensors')))).toThrow(/weights file is missing/);
    expect(broken((path) => rmSync(join(path, 'tokenizer.json')))).toThrow(/tokenizer.json is missing/);
    expect(withConfig({ vocab_size: 5 })).toThrow(/vocab_size is 5, but the tokenizer/);
    expect(withConfig({ intermediate_size: 64 })).toThrow(/has shape .*, the model needs/);
    expect(withConfig({ num_hidden_layers: 3 })).toThrow(/has no tensor model.layers.2/);
    expect(withConfig({ num_hidden_layers: 1 })).toThrow(/model.layers.1.* is not part of the model/);
    expect(() => readModelDirectory(join(dir, 'nowhere'))).toThrow(/there is no directory/);
  });
});

describe('training checkpoint', () => {
  const { layout, parameters } = tinyModel();
  const state: TrainingState = {
    kind: 'supervised',
    step: 3,
    updates: 3,
    seed: 1,
    fingerprint: 'f',
    parameters,
    m: parameters.map((x) => x * 2),
    v: parameters.map((x) => x * x),
    records: { 'metrics.jsonl': '{"step":1}\n' },
  };
  const target = () => join(dir, 'step-3');

  it('gives the state back to the bit', () => {
    writeCheckpoint(target(), layout, state);
    expect(readCheckpoint(target(), layout, 'f')).toEqual(state);
  });

  it('of another job is refused', () => {
    writeCheckpoint(target(), layout, state);
    expect(() => readCheckpoint(target(), layout, 'g')).toThrow(/written by another job/);
  });

  it('with a flipped bit in any file is refused', () => {
    writeCheckpoint(target(), layout, state);
    for (const name of readdirSync(target()).filter((n) => n !== 'state.json')) {
      const path = join(target(), name);
      const bytes = readFileSync(path);
      bytes[bytes.length - 3]! ^= 1;
      writeFileSync(path, bytes);
      expect(() => readCheckpoint(target(), layout, 'f')).toThrow(/is corrupt/);
      bytes[bytes.length - 3]! ^= 1;
      writeFileSync(path, bytes);
    }
    expect(readCheckpoint(target(), layout, 'f').step).toBe(3);
  });

  it('that is incomplete is refused', () => {
    writeCheckpoint(target(), layout, state);
    rmSync(join(target(), 'optimizer.safetensors'));
    expect(() => readCheckpoint(target(), layout, 'f')).toThrow(/optimizer.safetensors is missing/);
    rmSync(join(target(), 'state.json'));
    expect(() => readCheckpoint(target(), layout, 'f')).toThrow(/not a complete checkpoint/);
    expect(existsSync(target())).toBe(true);
  });
});
