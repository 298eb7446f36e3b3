import type { SharedOptions } from '../options.js';
import { parseOverrides } from '../overrides.js';
import { steer } from './with-run.js';

export interface CorrectOptions extends SharedOptions {
  set?: string[];
  data?: string;
  budget?: number;
}

export async function run(options: CorrectOptions, id?: string): Promise<void> {
  const overrides = parseOverrides(options.set);
  const data = options.data === undefined ? undefined : (await upload(options.data)).ref;
  await steer(options, id, (handle) =>
    handle.correct({
      ...(Object.keys(overrides).length > 0 ? { overrides } : {}),
      ...(data ? { data } : {}),
      ...(options.budget === undefined ? {} : { budgetUsd: options.budget }),
    }),
  );
}

async function upload(file: string) {
  const { uploadPairs } = await import('../upload.js');
  return uploadPairs(file);
}
