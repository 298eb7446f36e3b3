/** The exported judge in a plain onnxruntime session, far from the engine: the same logits, the same judgement. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { writeModelFiles, type LoadedModel } from '../../engine/checkpoint/model-directory.js';
import { hashId } from '../../engine/data/random.js';
import { ONNX_FILE, writeOnnxDirectory } from '../../engine/export/onnx-directory.js';
import type { Architecture } from '../../engine/job.js';
import { initializeParameters } from '../../engine/model/initialize.js';
import { headDim, parameterLayout } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { Decoder } from '../../engine/rollout/decoder.js';
import { withScalarHead } from '../../engine/model/scalar-head.js';
import { cleanEnvironment, runCommand } from '../support/command.js';
import { referenceLogits, referenceLogp } from './support/reference-llama.js';
import { tinyModel, writeTinyTokenizer } from './support/tiny-model.js';

const root = mkdtempSync(join(tmpdir(), 'engine-onnx-'));
afterAll(() => rmSync(root, { recursive: true }));
const tokenizerDir = writeTinyTokenizer(join(root, 'tokenizer'));

/** A tiny decoder whose distributions are far from uniform, biases and norms included. */
function model(change: Partial<Architecture> = {}): LoadedModel {
  const tiny = tinyModel(tokenizerDir);
  const layout = parameterLayout({ ...tiny.layout.config, ...change });
  const parameters = initializeParameters(layout, 3).map((value, i) =>
    i < layout.decaySize ? value * 10 : value + 0.2 * Math.sin(i),
  );
  return { ...tiny, layout, parameters };
}

/** Export, and load the one ONNX file from a directory where nothing else is. */
async function exported(name: string, source: LoadedModel) {
  const [dir, out, alone] = ['model', 'export', 'alone'].map((part) => join(root, `${name}-${part}`)) as [
    string,
    string,
    string,
  ];
  mkdirSync(dir);
  writeModelFiles(dir, source);
  writeOnnxDirectory(out, dir, source);
  mkdirSync(alone);
  copyFileSync(join(out, ONNX_FILE), join(alone, 'judge.onnx'));
  const session = await InferenceSession.create(join(alone, 'judge.onnx'));
  return { session, out };
}

const int64 = (values: readonly number[], dims: number[]) =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);

type Cache = Record<string, Tensor>;

/** One run over `rows` of new tokens; `mask` covers cached and new ones. */
async function step(
  session: InferenceSession,
  { layout: { config } }: LoadedModel,
  rows: readonly (readonly number[])[],
  mask: readonly (readonly number[])[],
  cache?: Cache,
) {
  const [batch, width] = [rows.length, rows[0]!.length];
  const total = mask[0]!.length;
  // A token's position is the number of real tokens before it.
  const positions = mask.flatMap((row) =>
    row
      .map((_, i) => Math.max(0, row.slice(0, i + 1).reduce((sum, one) => sum + one, 0) - 1))
      .slice(total - width),
  );
  const feeds: Record<string, Tensor> = {
    input_ids: int64(rows.flat(), [batch, width]),
    attention_mask: int64(mask.flat(), [batch, total]),
    position_ids: int64(positions, [batch, width]),
  };
  for (let layer = 0; layer < config.layers; layer += 1)
    for (const kind of ['key', 'value'])
      feeds[`past_key_values.${layer}.${kind}`] =
        cache?.[`present.${layer}.${kind}`] ??
        new Tensor('float32', new Float32Array(0), [batch, config.kvHeads, 0, headDim(config)]);
  const { logits, ...next } = await session.run(feeds);
  expect(logits!.dims).toEqual([batch, width, config.vocabSize]);
  expect(next['present.0.key']!.dims).toEqual([batch, config.kvHeads, total, headDim(config)]);
  return { logits: logits!.data as Float32Array, cache: next };
}

const tokens = (length: number) => Array.from({ length }, (_, i) => 5 + ((i * 7 + length) % 20));

describe('an exported judge', () => {
  it('gives the logits of the reference, and the log-probabilities of the engine', async () => {
    const source = model();
    const { session } = await exported('logits', source);
    const ids = tokens(23);
    const { logits } = await step(session, source, [ids], [ids.map(() => 1)]);
    const { vocabSize } = source.layout.config;
    const reference = referenceLogits(source.layout, source.parameters, ids);
    const largest = Math.max(...reference.flatMap((row) => [...row].map(Math.abs)));
    reference.forEach((row, t) =>
      row.forEach((value, i) =>
        expect(Math.abs(logits[t * vocabSize + i]! - value)).toBeLessThan(1e-5 * largest),
      ),
    );
    await session.release();
  });

  it.each([
    ['an untied head', { tieEmbeddings: false }],
    ['biases, as Qwen2', { attentionBias: 'qkv' }],
    ['biases, as Llama, and a head size of its own', { attentionBias: 'qkvo', headDim: 8 }],
    [
      'scaled rotary embeddings',
      {
        ropeScaling: {
          type: 'llama3',
          factor: 8,
          lowFrequencyFactor: 1,
          highFrequencyFactor: 4,
          originalMaxLength: 16,
        },
      },
    ],
  ] as [string, Partial<Architecture>][])('is the same with %s', async (name, change) => {
    const source = model(change);
    const { session } = await exported(name.replaceAll(/\W/g, '-'), source);
    const ids = tokens(19);
    const { logits } = await step(session, source, [ids], [ids.map(() => 1)]);
    const { vocabSize } = source.layout.config;
    const runtime = await TrainingRuntime.create(source.layout, source.parameters, { threads: 1 });
    const expected = await runtime.logprobs({ rows: 1, length: ids.length, tokens: Int32Array.from(ids) });
    for (let t = 1; t < ids.length; t += 1) {
      const row = Float64Array.from(logits.subarray((t - 1) * vocabSize, t * vocabSize));
      expect(Math.abs(referenceLogp(row, ids[t]!) - expected[t]!)).toBeLessThan(1e-5);
    }
    await runtime.release();
    await session.release();
  });

  it('writes the same greedy judgement from its cache, alone and beside a padded neighbour', async () => {
    const source = model();
    const { session } = await exported('greedy', source);
    const { vocabSize } = source.layout.config;
    const prompts = [tokens(14), tokens(9)];
    const NEW = 24;
    const decoder = new Decoder({ layout: source.layout }, 1);
    const expected = await decoder.generate(
      { parameters: source.parameters },
      prompts.map((prompt, i) => ({ tokens: prompt, key: hashId(`${i}`) })),
      { samples: 1, temperature: 0, maxNewTokens: NEW, batchSize: 8, seed: 1, step: 0, stops: [] },
    );
    await decoder.release();
    const best = (logits: Float32Array, row: number, width: number) => {
      const end = (row + 1) * width * vocabSize;
      const last = logits.subarray(end - vocabSize, end);
      return last.indexOf(Math.max(...last));
    };
    for (const members of [[0], [1], [0, 1]]) {
      const width = Math.max(...members.map((i) => prompts[i]!.length));
      let rows = members.map((i) => [
        ...Array.from({ length: width - prompts[i]!.length }, () => 0),
        ...prompts[i]!,
      ]);
      let mask = members.map((i) =>
        Array.from({ length: width }, (_, t) => Number(t >= width - prompts[i]!.length)),
      );
      const written = members.map((): number[] => []);
      let cache: Cache | undefined;
      for (let n = 0; n < NEW; n += 1) {
        const out = await step(session, source, rows, mask, cache);
        const next = members.map((_, row) => best(out.logits, row, rows[0]!.length));
        next.forEach((token, row) => written[row]!.push(token));
        rows = next.map((token) => [token]);
        mask = mask.map((row) => [...row, 1]);
        cache = out.cache;
      }
      expect(written).toEqual(members.map((i) => [...expected[i]!.tokens]));
    }
    expect(new Set(expected.flatMap((completion) => [...completion.tokens])).size).toBeGreaterThan(3);
    await session.release();
  });

  it('is one file of standard operators, the same bytes again, with its tokenizer beside it', async () => {
    const source = model();
    const { session, out } = await exported('files', source);
    await session.release();
    const bytes = readFileSync(join(out, ONNX_FILE));
    expect(bytes.includes('com.microsoft')).toBe(false);
    expect(bytes.includes('SimplifiedLayerNormalization')).toBe(false);
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['config.json', 'onnx', 'tokenizer.json']));
    const again = join(root, 'files-again');
    writeOnnxDirectory(again, join(root, 'files-model'), source);
    expect(readFileSync(join(again, ONNX_FILE)).equals(bytes)).toBe(true);
  });

  it('is no reward model', () => {
    const source = withScalarHead(model(), 1);
    expect(() => writeOnnxDirectory(join(root, 'scores'), 'scorer', source)).toThrow(/reward model/);
  });

  it('comes from `rmr1 export`, which replaces nothing', async () => {
    const source = model();
    const dir = join(root, 'command-model');
    mkdirSync(dir);
    writeModelFiles(dir, source);
    const out = join(root, 'command');
    const ask = (to: string) =>
      runCommand(['export', '--model', dir, '--out', to, '--json'], cleanEnvironment({ RMR1_HOME: root }));
    const end = await ask(out);
    expect(end, end.stderr).toMatchObject({ code: 0 });
    const { file } = JSON.parse(end.stdout) as { file: string };
    const session = await InferenceSession.create(file);
    expect(session.outputNames).toContain('logits');
    await session.release();
    const kept = join(root, 'kept');
    mkdirSync(kept);
    writeFileSync(join(kept, 'thesis.txt'), 'years of work');
    expect(await ask(kept)).toMatchObject({ code: 2 });
    expect(readFileSync(join(kept, 'thesis.txt'), 'utf8')).toBe('years of work');
  });
});
