import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { GrpoJob, SupervisedJob } from '../../engine/job.js';
import {
  grpoJob,
  newestCheckpoint,
  result,
  startProcess,
  supervisedJob,
  runProcess,
} from '../engine-run/support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'engine-resume-slow-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Several rows of several lengths, matrices wide enough to be shared out between threads, and shared key heads. */
const architecture = {
  hiddenSize: 96,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 256,
  maxLength: 192,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: false,
};

const KILLS = 8;

/**
 * Kill (−9) a job at random moments, whatever it is doing: a step, its records, a checkpoint half written. Each process
 * does up to `most` steps and a random part of another; threads differ from one to the next.
 */
async function runWithRandomKills(job: SupervisedJob | GrpoJob, dir: string, most: number): Promise<number> {
  for (let kills = 0; ;) {
    const resumeFrom = newestCheckpoint(job.outputDir);
    const threads = 1 + (kills % 2);
    let left = kills < KILLS ? Math.ceil(most * Math.random()) : Infinity;
    const { ended } = startProcess(
      { ...job, threads, ...(resumeFrom ? { resumeFrom } : {}) },
      dir,
      (event, child) => {
        if (event.type !== 'progress' || --left > 0) return;
        left = Infinity;
        setTimeout(() => child.kill('SIGKILL'), 1500 * event.metrics.seconds * Math.random());
      },
    );
    const end = await ended;
    if (end.signal === 'SIGKILL') kills += 1;
    else if (end.code === 0) return kills;
    else throw new Error(`engine ended with ${end.code}: ${JSON.stringify(end.events.at(-1))} ${end.stderr}`);
  }
}

async function compare(name: string, most: number, make: (dir: string) => SupervisedJob | GrpoJob) {
  const whole = make(join(root, `${name}-whole`));
  const end = await runProcess({ ...whole, threads: 2 }, join(root, `${name}-whole`));
  expect(end, end.stderr).toMatchObject({ code: 0 });
  const killed = make(join(root, `${name}-killed`));
  const kills = await runWithRandomKills(killed, join(root, `${name}-killed`), most);
  expect(kills).toBeGreaterThan(2);
  expect(result(killed.outputDir)).toEqual(result(whole.outputDir));
  const leftovers = readdirSync(join(killed.outputDir, 'checkpoints')).filter(
    (entry) => !entry.startsWith('step-'),
  );
  expect(leftovers.length).toBeLessThanOrEqual(1);
  return readFileSync(join(whole.outputDir, 'metrics.jsonl'), 'utf8').trim().split('\n').length;
}

describe('a run killed again and again', () => {
  it('of SFT ends with the same bytes', async () => {
    const steps = await compare('sft', 25, (dir) => {
      const job = supervisedJob(dir, { epochs: 20, checkpointEverySteps: 5 });
      return { ...job, model: { ...job.model, architecture } as SupervisedJob['model'] };
    });
    expect(steps).toBe(120);
  });

  it('of GRPO on that model ends with the same bytes', async () => {
    const steps = await compare('grpo', 6, (dir) =>
      grpoJob(dir, {
        model: { from: 'directory', path: join(root, 'sft-whole', 'out', 'model') },
        steps: 30,
        promptsPerStep: 8,
        groupSize: 7,
        miniBatches: 2,
        checkpointEverySteps: 2,
        temperature: 1.2,
        optimizer: { ...grpoJob(dir).optimizer, learningRate: 3e-4 },
      }),
    );
    expect(steps).toBe(30);
  });
});
