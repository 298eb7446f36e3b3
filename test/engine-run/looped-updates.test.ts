import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { EngineEvent, SupervisedJob } from '../../engine/job.js';
import { grpoJob, result, runProcess, runWithKills, supervisedJob } from './support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'looped-'));
afterAll(() => rmSync(root, { recursive: true }));

describe.each([
  ['of all weights', () => ({})],
  [
    'of adapters',
    () => ({
      model: grpoJob(join(root, 'start')).model,
      lora: { rank: 4, alpha: 8, targets: ['q_proj' as const, 'down_proj' as const] },
    }),
  ],
])('a job %s whose updates go together', (name, change) => {
  const job = (updatesPerRun: number, dir = `${name}-${updatesPerRun}`): SupervisedJob =>
    supervisedJob(join(root, dir), { ...change(), updatesPerRun });

  it('gives the same bytes however many go together, killed and resumed or not', async () => {
    const [single, four, killed] = [job(1), job(4), job(4, `${name}-killed`)];
    for (const each of [single, four]) {
      const end = await runProcess(each, each.outputDir);
      expect(end, end.stderr).toMatchObject({ code: 0 });
    }
    const done = result(single.outputDir);
    expect(result(four.outputDir)).toEqual(done);
    const at5 = (event: EngineEvent) => event.type === 'progress' && event.metrics.step === 5;
    expect(await runWithKills(killed, killed.outputDir, [at5])).toBe(1);
    expect(result(killed.outputDir)).toEqual(done);
  });
});
