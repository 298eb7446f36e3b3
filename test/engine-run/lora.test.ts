import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readAdapterDirectory, writeAdapterFiles } from '../../engine/checkpoint/adapter-directory.js';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { optimizerSchema, type EngineEvent, type GrpoJob, type SupervisedJob } from '../../engine/job.js';
import { adapterLayout, initializeAdapter } from '../../engine/model/adapter.js';
import { mergeAdapter } from '../../engine/model/merge-adapter.js';
import { view } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { Decoder } from '../../engine/rollout/decoder.js';
import { grpoJob, result, runProcess, runWithKills, supervisedJob } from './support/jobs.js';
import { tinyModel } from './support/tiny-model.js';

const root = mkdtempSync(join(tmpdir(), 'lora-'));
afterAll(() => rmSync(root, { recursive: true }));

const lora = { rank: 4, alpha: 8, targets: ['q_proj' as const, 'v_proj' as const, 'down_proj' as const] };
const fast = { optimizer: optimizerSchema.parse({ learningRate: 1e-2 }) };
const atStep = (step: number) => (event: EngineEvent) =>
  event.type === 'progress' && event.metrics.step === step;

async function sameAfterKills(name: string, make: (dir: string) => SupervisedJob | GrpoJob, step: number) {
  const whole = make(join(root, `${name}-whole`));
  const end = await runProcess(whole, join(root, `${name}-whole`));
  expect(end, end.stderr).toMatchObject({ code: 0 });
  const killed = make(join(root, `${name}-killed`));
  expect(await runWithKills(killed, join(root, `${name}-killed`), [atStep(step)])).toBe(1);
  expect(result(killed.outputDir)).toEqual(result(whole.outputDir));
  const adapter = (job: { outputDir: string }) =>
    readFileSync(join(job.outputDir, 'adapter', 'adapter_model.safetensors'));
  expect(adapter(killed).equals(adapter(whole))).toBe(true);
  return whole;
}

describe('a job with adapters', () => {
  it('of SFT leaves the frozen weights alone, and its merged model is the base plus the adapter', async () => {
    const job = await sameAfterKills(
      'sft',
      (dir) => {
        // LoRA on weights of nothing learns little; the point is what is left where.
        const start = grpoJob(dir).model;
        return supervisedJob(dir, { model: start, lora, recompute: true, epochs: 1 });
      },
      4,
    );
    const base = readModelDirectory((job.model as { path: string }).path);
    const merged = readModelDirectory(join(job.outputDir, 'model'));
    const adapter = readAdapterDirectory(join(job.outputDir, 'adapter'), base.layout);
    expect(adapter.layout.settings).toEqual(lora);
    expect(adapter.parameters.some((value, i) => i > 0 && value !== adapter.parameters[0])).toBe(true);
    const again = await mergeAdapter(base.layout, base.parameters, adapter.layout, adapter.parameters, 1);
    expect(merged.parameters).toEqual(again);
    for (const entry of base.layout.entries) {
      const same = Buffer.from(view(base.parameters, entry).slice().buffer).equals(
        Buffer.from(view(merged.parameters, entry).slice().buffer),
      );
      expect(same, entry.name).toBe(!/[qv]_proj|down_proj/.test(entry.name));
    }
  });

  it('of GRPO resumes to the same bytes, with rollouts from the adapted model', async () => {
    // A model that knows the form, so that some verdicts are right and some wrong.
    const taught = supervisedJob(join(root, 'taught'), { epochs: 12, ...fast });
    expect(await runProcess(taught, join(root, 'taught'))).toMatchObject({ code: 0 });
    const model = { from: 'directory' as const, path: join(taught.outputDir, 'model') };
    const job = await sameAfterKills(
      'grpo',
      (dir) => grpoJob(dir, { model, lora, ...fast, steps: 4, maxNewTokens: 30, temperature: 1.3 }),
      3,
    );
    const lines = readFileSync(join(job.outputDir, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const steps = lines.map((line) => JSON.parse(line) as { kl: number; informativeGroups: number });
    expect(Math.max(...steps.map((step) => step.informativeGroups))).toBeGreaterThan(0);
    // In the first update policy and reference are the same model but for rounding; later the adapter moves away.
    expect(steps.at(-1)!.kl).toBeGreaterThan(steps[0]!.kl);
  });
});

it('an adapter for another model, or of a kind not understood, is refused', () => {
  const { layout } = tinyModel();
  const dir = join(root, 'refused');
  const written = adapterLayout(layout, lora);
  mkdirSync(dir);
  writeAdapterFiles(dir, written, initializeAdapter(written, 1));
  const wide = { ...layout, entries: layout.entries.map((e) => ({ ...e, shape: [e.shape[0]!, 7] })) };
  expect(() => readAdapterDirectory(dir, wide)).toThrow(/has shape/);
  const config = join(dir, 'adapter_config.json');
  writeFileSync(config, readFileSync(config, 'utf8').replace('"use_dora": false', '"use_dora": true'));
  expect(() => readAdapterDirectory(dir, layout)).toThrow(/use_dora/);
});

it('rollouts of an adapted model score their tokens as the training graph does', async () => {
  const { layout, parameters } = tinyModel('', 9);
  const adapter = adapterLayout(layout, { ...lora, rank: 8 });
  const trained = initializeAdapter(adapter, 2).map((value, i) => value + 0.05 * Math.sin(i));
  const decoder = new Decoder({ layout, adapter }, 1);
  const prompt = { tokens: [4, 6, 8, 9, 7], key: 1 };
  const [completion] = await decoder.generate({ parameters, adapter: trained }, [prompt], {
    samples: 1,
    temperature: 0.9,
    maxNewTokens: 24,
    batchSize: 4,
    seed: 1,
    step: 1,
    stops: [1],
  });
  const runtime = await TrainingRuntime.create(layout, trained, {
    threads: 1,
    adapter: { layout: adapter, frozen: parameters },
  });
  const tokens = Int32Array.from([...prompt.tokens, ...completion!.tokens]);
  const batch = { rows: 1, length: tokens.length, tokens };
  const scored = await runtime.logprobs(batch, { temperature: 0.9 });
  const plain = await runtime.logprobs(batch, { temperature: 0.9, params: parameters });
  let moved = 0;
  completion!.logps.forEach((logp, i) => {
    expect(Math.abs(logp - scored[prompt.tokens.length + i]!)).toBeLessThan(2e-6);
    moved = Math.max(moved, Math.abs(logp - plain[prompt.tokens.length + i]!));
  });
  expect(moved, 'the adapter must matter').toBeGreaterThan(1e-3);
  await decoder.release();
  await runtime.release();
});
