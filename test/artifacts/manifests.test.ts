import { describe, expect, test } from 'vitest';
import type { ArtifactRef, Manifest } from '../../activities/artifacts/ref.js';
import { stageKey } from '../../activities/artifacts/stage-key.js';
import { vandalise } from './raw-bucket.js';
import { freshKey, useStore } from './shared-store.js';

const s3 = useStore();

function manifest(
  stage: string,
  outputs: Record<string, ArtifactRef>,
  parents: Record<string, ArtifactRef> = {},
  changes: Partial<Manifest> = {},
): Manifest {
  return {
    key: freshKey(),
    stage,
    outputs,
    parents,
    settings: { epochs: 3 },
    seed: 7,
    metrics: { loss: 0.25 },
    cost: { usd: 0, inputTokens: 10, outputTokens: 20, seconds: 1.5 },
    codeCommit: 'abc',
    startedBy: 'test',
    workflowId: 'w',
    attempt: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    ...changes,
  };
}

describe('a finished stage', () => {
  test('is found by its key, by any client', async () => {
    const m = manifest('sft', { model: await s3.store.putBytes('model', freshKey()) });
    expect(await s3.store.readManifest('sft', m.key)).toBeUndefined();
    expect(await s3.store.publishManifest(m)).toEqual({ status: 'created', manifest: m });
    expect(await s3.another().readManifest('sft', m.key)).toEqual(m);
  });

  test('finished twice keeps its first manifest', async () => {
    const first = manifest('sft', { model: await s3.store.putBytes('model', freshKey()) });
    const second = { ...first, outputs: { model: await s3.store.putBytes('model', freshKey()) }, attempt: 2 };
    await s3.store.publishManifest(first);
    expect(await s3.store.publishManifest(second)).toEqual({ status: 'exists', manifest: first });
    expect(await s3.store.readManifest('sft', first.key)).toEqual(first);
  });

  test('finished by 20 attempts at once has one manifest, and all learn which', async () => {
    const model = await s3.store.putBytes('model', freshKey());
    const base = manifest('grpo', { model });
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, attempt) => s3.another().publishManifest({ ...base, attempt })),
    );
    expect(results.filter(({ status }) => status === 'created')).toHaveLength(1);
    expect(new Set(results.map((result) => result.manifest.attempt)).size).toBe(1);
  });

  test('is not declared before its outputs are stored', async () => {
    const stored = await s3.store.putBytes('model', freshKey());
    const never = {
      ...stored,
      uri: stored.uri.replace(stored.sha256, 'd'.repeat(64)),
      sha256: 'd'.repeat(64),
    };
    const m = manifest('sft', { model: never });
    await expect(s3.store.publishManifest(m)).rejects.toMatchObject({
      type: 'ArtifactMissing',
      message: expect.stringContaining('"model"') as string,
    });
    expect(await s3.store.readManifest('sft', m.key)).toBeUndefined();
  });

  test('whose output was cut short in the store is not declared', async () => {
    const stored = await s3.store.putBytes('model', freshKey());
    await vandalise(s3.settings, stored.uri.split(`${s3.settings.prefix}/`)[1] ?? '', 'short');
    await expect(s3.store.publishManifest(manifest('sft', { model: stored }))).rejects.toMatchObject({
      type: 'ArtifactMissing',
    });
  });

  test('whose manifest is rubbish is an error, not an unfinished stage', async () => {
    const key = freshKey();
    await vandalise(s3.settings, `manifests/sft/${key}.json`, '{"key":1}');
    await expect(s3.store.readManifest('sft', key)).rejects.toMatchObject({ type: 'CorruptArtifact' });
  });
});

describe('lineage', () => {
  test('leads from the model back to the data, once per shared ancestor', async () => {
    const { store } = s3;
    const pairs = await store.putBytes('pairs', freshKey());
    const traces = await store.putBytes('traces', freshKey());
    const sft = await store.putBytes('model', freshKey());
    const grpo = await store.putBytes('model', freshKey());
    await store.publishManifest(manifest('distill', { traces }, { pairs }));
    await store.publishManifest(manifest('sft', { model: sft }, { traces }));
    const last = manifest('grpo', { model: grpo }, { policy: sft, pairs });
    await store.publishManifest(last);

    const root = await store.lineage(grpo);
    expect(root.manifest?.stage).toBe('grpo');
    const policy = root.parents['policy'];
    expect(policy?.manifest?.stage).toBe('sft');
    const distilled = policy?.parents['traces'];
    expect(distilled?.manifest?.stage).toBe('distill');
    expect(distilled?.parents['pairs']?.ref).toEqual(pairs);
    expect(distilled?.parents['pairs']?.manifest).toBeUndefined();
    expect(root.parents['pairs']).toBe(distilled?.parents['pairs']);
    expect((await store.lineage(last)).parents['policy']?.ref).toEqual(sft);
  });

  test('of a stage that returned its input ends', async () => {
    const same = await s3.store.putBytes('traces', freshKey());
    await s3.store.publishManifest(manifest('filter', { traces: same }, { traces: same }));
    const root = await s3.store.lineage(same);
    expect(root.parents['traces']).toEqual({ ref: same, parents: {} });
  });
});

describe('the key of a stage', () => {
  const base = {
    stage: 'sft',
    inputs: { traces: 'a'.repeat(64) },
    settings: { lr: 1e-3, schedule: { warmup: 10, decay: 'linear' } },
    versions: { engine: '1' },
    seed: 1,
  };

  test('does not depend on the order of fields or on where an input is stored', () => {
    const ref = (uri: string): ArtifactRef => ({ uri, sha256: 'a'.repeat(64), bytes: 1, kind: 'traces' });
    const reordered = {
      seed: 1,
      versions: { engine: '1' },
      settings: { schedule: { decay: 'linear', warmup: 10 }, lr: 1e-3 },
      inputs: { traces: ref('s3://one/x') },
      stage: 'sft',
    };
    expect(stageKey(reordered)).toBe(stageKey(base));
    expect(stageKey({ ...reordered, inputs: { traces: ref('s3://two/y') } })).toBe(stageKey(base));
  });

  test('changes with every part that decides the outcome', () => {
    const keys = [
      base,
      { ...base, stage: 'grpo' },
      { ...base, inputs: { traces: 'b'.repeat(64) } },
      { ...base, inputs: { pairs: 'a'.repeat(64) } },
      { ...base, settings: { ...base.settings, lr: 2e-3 } },
      { ...base, versions: { engine: '2' } },
      { ...base, seed: 2 },
    ].map(stageKey);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('refuses a setting that has no JSON form, naming it', () => {
    expect(() => stageKey({ ...base, settings: { lr: Number.NaN } })).toThrow(/settings\.lr is NaN/);
  });
});
