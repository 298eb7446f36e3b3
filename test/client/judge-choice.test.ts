/** A judge that is served on the cluster, as the command line names it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { chooseJudge } from '../../client/judge/judge-choice.js';
import { useStore } from '../artifacts/shared-store.js';

const s3 = useStore();

beforeEach(() => {
  const { endpoint = '', bucket, prefix = '', accessKeyId = '', secretAccessKey = '' } = s3.settings;
  vi.stubEnv('RMR1_S3_ENDPOINT', endpoint);
  vi.stubEnv('RMR1_S3_BUCKET', bucket);
  vi.stubEnv('RMR1_S3_PREFIX', prefix);
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
});
afterEach(() => vi.unstubAllEnvs());

test('a directory is stored, so that the cluster can fetch it', async () => {
  const model = join(s3.dir, 'model');
  await mkdir(model, { recursive: true });
  await writeFile(join(model, 'config.json'), '{"max_position_embeddings": 4096}');
  const { settings, sampling, local } = await chooseJudge({
    judge: 'vllm',
    model: [model],
    gpus: 4,
    maxTokens: 99,
  });
  expect(settings).toMatchObject({ kind: 'vllm', gpus: 4, precision: 'bfloat16', promptVersion: 'cor-v1' });
  const stored = (settings as { model: Parameters<typeof s3.store.readListing>[0] }).model;
  expect((await s3.store.readListing(stored)).files.map(({ path }) => path)).toEqual(['config.json']);
  expect(sampling.maxTokens).toBe(99);
  expect(local).toBeUndefined();
});

test('what is no model is refused before anything is stored', async () => {
  await expect(chooseJudge({ judge: 'vllm' })).rejects.toThrow(/--model RUN or --model DIR/);
  await expect(chooseJudge({ judge: 'vllm', model: [s3.dir] })).rejects.toThrow(/is not a model directory/);
});
