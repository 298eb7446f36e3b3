/** The scalar head of reward models: its loss and gradients against PyTorch, and scores that packing does not change. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { LoraSettings } from '../../engine/job.js';
import { packSequences } from '../../engine/data/packing.js';
import { bradleyTerryLoss } from '../../engine/loss/bradley-terry.js';
import { gradients } from '../../engine/autodiff/gradients.js';
import { adapterLayout } from '../../engine/model/adapter.js';
import type { DecoderConfig, FlatLayout } from '../../engine/model/parameters.js';
import { parameterLayout, view } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { createSession, GraphBuilder, tensor } from '../../engine/onnx/index.js';
import { preferenceBatch } from '../../engine/trainer/reward.js';
import { goldenParameters, relativeError } from './golden-parameters.js';

interface Preference {
  name: string;
  config: DecoderConfig;
  pairs: [number[], number[]][];
  loss: number;
  margins: number[];
  gradients: Record<string, number[]>;
  lora?: LoraSettings;
}
const { preferences } = JSON.parse(readFileSync(new URL('golden/golden.json', import.meta.url), 'utf8')) as {
  preferences: Preference[];
};

/** As in golden.test.ts. */
const TOLERANCE = 5e-6;

function runtimeOf({ config, lora }: Preference, recompute = false): Promise<TrainingRuntime> {
  const layout = parameterLayout(config);
  const options = { threads: 1, recompute };
  if (!lora) return TrainingRuntime.create(layout, goldenParameters(layout), options);
  const adapter = { layout: adapterLayout(layout, lora), frozen: goldenParameters(layout) };
  return TrainingRuntime.create(layout, goldenParameters(adapter.layout), { ...options, adapter });
}

const encoded = ({ pairs }: Preference) =>
  pairs.map(([chosen, rejected], index) => ({
    id: String(index),
    chosen: Int32Array.from(chosen),
    rejected: Int32Array.from(rejected),
  }));

/** All pairs of a case, packed into rows as training packs them. */
function batchesOf(c: Preference, maxTokens: number) {
  const pairs = encoded(c);
  const sizes = pairs.map(({ chosen, rejected }) => chosen.length + rejected.length + 1);
  return packSequences(sizes, maxTokens).map((rows) => ({ rows, batch: preferenceBatch(rows, pairs, 0) }));
}

describe.each(preferences.map((c) => [c.name, c] as const))('%s', (_, c) => {
  it.each([false, true])(
    'agrees with PyTorch in loss and every gradient; recompute %s',
    async (recompute) => {
      const runtime = await runtimeOf(c, recompute);
      const trained: FlatLayout = runtime.trained;
      let loss = 0;
      const margins = new Float32Array(c.pairs.length);
      for (const { rows, batch } of batchesOf(c, 1024)) {
        const part = await runtime.gradReward(batch, c.pairs.length);
        loss += part.loss;
        rows.placements.forEach(({ sequence }, index) => (margins[sequence] = part.margins[index]!));
      }
      expect(loss).toBeCloseTo(c.loss, 5);
      expect(relativeError(margins, c.margins)).toBeLessThan(TOLERANCE);
      expect(Object.keys(c.gradients).sort()).toEqual(trained.entries.map(({ name }) => name).sort());
      for (const entry of trained.entries) {
        const error = relativeError(view(runtime.gradient, entry), c.gradients[entry.name]!);
        expect(error, entry.name).toBeLessThan(TOLERANCE);
      }
      await runtime.release();
    },
  );

  it('gives an answer the score it has beside others, alone', async () => {
    const runtime = await runtimeOf(c);
    const alone: number[] = [];
    for (const { chosen } of encoded(c)) {
      const tokens = Int32Array.from([...chosen, 0]);
      const at = Int32Array.of(chosen.length - 1);
      alone.push((await runtime.scores({ rows: 1, length: tokens.length, tokens, at }))[0]!);
    }
    for (const { rows, batch } of batchesOf(c, 1024)) {
      const together = await runtime.scores(batch);
      rows.placements.forEach(({ sequence }, index) =>
        expect(together[index]).toBeCloseTo(alone[sequence]!, 5),
      );
    }
    await runtime.release();
  });
});

it('the loss is −log σ(margin), and finite where σ is not to be told from zero', async () => {
  const margins = [0, 2, -3, 60, -200];
  const g = new GraphBuilder();
  const at = g.input('margins', 'float32', [margins.length]);
  const weights = g.constant(
    'float32',
    [margins.length],
    margins.map(() => 1),
  );
  const loss = bradleyTerryLoss(g, at, weights);
  g.output('loss', loss);
  g.output('slope', gradients(g, loss, [at])[0]!);
  const session = await createSession(g, { threads: 1 });
  const result = await session.run({
    margins: tensor('float32', Float32Array.from(margins), [margins.length]),
  });
  const expected = margins.map((m) => (m > 0 ? Math.log1p(Math.exp(-m)) : Math.log1p(Math.exp(m)) - m));
  expect((result['loss']!.data as Float32Array)[0]).toBeCloseTo(
    expected.reduce((a, b) => a + b),
    3,
  );
  const slopes = result['slope']!.data as Float32Array;
  margins.forEach((m, i) => expect(slopes[i]).toBeCloseTo(-1 / (1 + Math.exp(m)), 5));
  await session.release();
});
