import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { EngineEvent, TrainingJob } from '../../engine/job.js';
import {
  grpoJob,
  newestCheckpoint,
  result,
  rewardJob,
  runProcess,
  runWithKills,
  supervisedJob,
} from './support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'engine-resume-'));
afterAll(() => rmSync(root, { recursive: true }));

const atStep = (step: number) => (event: EngineEvent) =>
  event.type === 'progress' && event.metrics.step === step;
const atCheckpoint = (step: number) => (event: EngineEvent) =>
  event.type === 'checkpoint' && event.step === step;
/** Random, but the same in every run of the test on one day: a failure can be looked at. */
const random = (below: number) =>
  1 +
  Math.floor(
    ((((Math.sin(Math.floor(Date.now() / 86_400_000) * 12.9898) * 43758.5453) % 1) + 1) % 1) * below,
  );

async function sameAfterKills(
  name: string,
  make: (dir: string) => TrainingJob,
  kills: ((event: EngineEvent) => boolean)[],
) {
  const whole = make(join(root, `${name}-whole`));
  const end = await runProcess(whole, join(root, `${name}-whole`));
  expect(end, end.stderr).toMatchObject({ code: 0 });
  const killed = make(join(root, `${name}-killed`));
  expect(await runWithKills(killed, join(root, `${name}-killed`), kills)).toBe(kills.length);
  expect(result(killed.outputDir)).toEqual(result(whole.outputDir));
}

describe('a killed run', () => {
  it('of SFT ends with the same bytes as one that was not', async () => {
    await sameAfterKills('sft', (dir) => supervisedJob(dir), [atStep(random(11)), atStep(11)]);
  });

  it('of GRPO ends with the same bytes as one that was not', async () => {
    // Steps enough behind the last kill, which a busy machine delivers late.
    const make = (dir: string) => grpoJob(dir, { steps: 14 });
    await sameAfterKills('grpo', make, [atStep(random(6)), atCheckpoint(6)]);
  });
});

describe('a killed run of a reward head', () => {
  it('ends with the same bytes as one that was not', async () => {
    await sameAfterKills('reward', (dir) => rewardJob(dir), [atStep(random(13)), atStep(13)]);
  });
});

describe('a stopped run', () => {
  it('saves the step it was in, exits 75, and goes on elsewhere on another number of threads', async () => {
    const job = supervisedJob(join(root, 'stop'));
    const stopped = await runProcess(job, join(root, 'stop'), (event, child) => {
      if (atStep(4)(event)) child.send({ type: 'stop' });
    });
    expect(stopped.code).toBe(75);
    const saved = stopped.events.at(-1) as Extract<EngineEvent, { type: 'checkpoint' }>;
    expect(saved.type).toBe('checkpoint');
    expect(saved.step).toBeGreaterThanOrEqual(4);
    const moved = { ...job, outputDir: join(root, 'stop', 'elsewhere'), threads: 2, checkpointEverySteps: 5 };
    const end = await runProcess({ ...moved, resumeFrom: saved.dir }, join(root, 'stop'));
    expect(end.events[0]).toMatchObject({ type: 'started', resumedAt: saved.step });
    expect(end.code).toBe(0);
    const whole = supervisedJob(join(root, 'stop-whole'));
    await runProcess(whole, join(root, 'stop-whole'));
    expect(result(moved.outputDir)).toEqual(result(whole.outputDir));
  });

  it('by SIGTERM saves a checkpoint too', async () => {
    const job = grpoJob(join(root, 'term'), { checkpointEverySteps: 100 });
    const end = await runProcess(job, join(root, 'term'), (event, child) => {
      if (atStep(1)(event)) child.kill('SIGTERM');
    });
    expect(end.code).toBe(75);
    expect(newestCheckpoint(job.outputDir)).toBeDefined();
  });

  it('does not resume as another job', async () => {
    const job = supervisedJob(join(root, 'other'), { epochs: 1 });
    await runProcess(job, join(root, 'other'));
    const resumeFrom = newestCheckpoint(job.outputDir);
    const end = await runProcess({ ...job, seed: 99, resumeFrom }, join(root, 'other'));
    expect(end.code).toBe(64);
    expect(end.events.at(-1)).toMatchObject({ type: 'failed', error: { type: 'EngineBadJob' } });
  });
});
