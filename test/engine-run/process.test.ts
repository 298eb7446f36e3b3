import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineEvent, GenerationOutput, StepMetrics } from '../../engine/job.js';
import { MAIN, generateJob, grpoJob, result, runProcess, supervisedJob } from './support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'engine-process-'));
afterAll(() => rmSync(root, { recursive: true }));
const jsonLines = <T>(path: string): T[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

/** A model that has learned the tiny task. */
let trained: string;
let events: EngineEvent[];
beforeAll(async () => {
  const job = supervisedJob(join(root, 'trained'), { epochs: 30 });
  const end = await runProcess(job, join(root, 'trained'));
  expect(end, end.stderr).toMatchObject({ code: 0 });
  events = end.events;
  trained = join(job.outputDir, 'model');
});

describe('a training process', () => {
  it('reports start, every step, checkpoints and the end, and records the same metrics', () => {
    const total = 30 * 6;
    expect(events[0]).toMatchObject({ type: 'started', totalSteps: total, resumedAt: 0 });
    const steps = events.flatMap((event) => (event.type === 'progress' ? [event.metrics] : []));
    expect(steps.map((metrics) => metrics.step)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    expect(jsonLines<StepMetrics>(join(trained, '../metrics.jsonl'))).toEqual(steps);
    expect(events.filter((event) => event.type === 'checkpoint').length).toBe(total / 3 - 1);
    expect(events.at(-1)).toEqual({ type: 'done', step: total, dir: trained });
  });

  it('lowers the loss', () => {
    const losses = events.flatMap((event) => (event.type === 'progress' ? [event.metrics.loss] : []));
    expect(losses[0]).toBeGreaterThan(2);
    expect(losses.at(-1)).toBeLessThan(0.5);
  });
});

describe('generation', () => {
  const outputs = async (name: string, change: object) => {
    const job = generateJob(join(root, name), trained, change);
    const end = await runProcess(job, join(root, name));
    expect(end, JSON.stringify(end.events)).toMatchObject({ code: 0 });
    return readFileSync(join(job.outputDir, 'outputs.jsonl'), 'utf8');
  };

  it('writes what the model learned, in input order', async () => {
    const text = await outputs('greedy', {});
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as GenerationOutput);
    expect(lines.map((line) => line.id)).toEqual(Array.from({ length: 30 }, (_, i) => `item-${i}`));
    expect(lines.every((line) => line.finished)).toBe(true);
    expect(
      lines.filter((line) => /<answer> \[\[[AB]\]\] <\/answer>$/.test(line.text)).length,
    ).toBeGreaterThan(25);
  });

  it('samples the same whatever the batch size, several a prompt', async () => {
    const sampled = { temperature: 1.3, samples: 3 };
    const expected = await outputs('b64', { ...sampled, batchSize: 64 });
    expect(await outputs('b7', { ...sampled, batchSize: 7 })).toBe(expected);
    expect(new Set(expected.split('\n')).size).toBe(91);
  });
});

describe('GRPO', () => {
  it('raises the reward of a model that knows the format, and reports the figures of the step', async () => {
    const job = grpoJob(join(root, 'reward'), {
      model: { from: 'directory', path: trained },
      steps: 25,
      promptsPerStep: 10,
      groupSize: 7,
      temperature: 1.6,
      miniBatches: 1,
      checkpointEverySteps: 10,
      optimizer: { ...grpoJob(join(root, 'reward')).optimizer, learningRate: 2e-3, schedule: 'constant' },
    });
    const end = await runProcess(job, join(root, 'reward'));
    expect(end, JSON.stringify(end.events.at(-1))).toMatchObject({ code: 0 });
    const steps = jsonLines<Required<StepMetrics>>(join(job.outputDir, 'metrics.jsonl'));
    const mean = (part: typeof steps) => part.reduce((sum, step) => sum + step.reward, 0) / part.length;
    expect(mean(steps.slice(-5))).toBeGreaterThan(mean(steps.slice(0, 5)) + 0.1);
    for (const step of steps) {
      expect(step.completionTokens).toBeCloseTo(step.tokens / 70, 6);
      expect(step.informativeGroups).toBeGreaterThanOrEqual(0);
      // One update a rollout batch: the policy is the one that sampled, so nothing is clipped.
      expect(step.clipShare).toBe(0);
    }
    // Before the first update policy and reference are one model.
    expect(steps[0]!.kl).toBeLessThan(1e-6);
    expect(steps.at(-1)!.kl).toBeGreaterThan(1e-6);
    const rollouts = jsonLines<{ step: number; reward: number }>(join(job.outputDir, 'rollouts.jsonl'));
    expect(new Set(rollouts.map((line) => line.step))).toEqual(new Set([1, 10, 20, 25]));
    expect(result(job.outputDir).files['tokenizer.json']).toBe(
      result(join(trained, '..')).files['tokenizer.json'],
    );
  });
});

describe('a process that cannot do its job', () => {
  const failure = async (name: string, job: unknown) => {
    const end = await runProcess(job, join(root, name));
    const last = end.events.at(-1);
    return {
      code: end.code,
      ...(last?.type === 'failed' ? last.error : { type: last?.type, message: end.stderr }),
    };
  };

  it('says why in one sentence and exits by the table', async () => {
    const good = supervisedJob(join(root, 'bad'));
    writeFileSync(join(root, 'bad-data.jsonl'), '{"id":"a","prompt":"judge","completion":"so"}\nnonsense\n');
    const cases: [string, unknown, number, RegExp][] = [
      ['json', '{', 64, /is not JSON/],
      ['field', { ...good, bathSize: 4, epochs: -1 }, 64, /epochs: .*; job: Unrecognized key: "bathSize"/],
      ['length', { ...good, maxLength: 100 }, 64, /maxLength 100 is more than the 64 tokens/],
      ['line', { ...good, data: join(root, 'bad-data.jsonl') }, 65, /bad-data.jsonl, line 2: not valid JSON/],
      [
        'model',
        { ...good, model: { from: 'directory', path: join(root, 'none') } },
        65,
        /there is no directory/,
      ],
      [
        'heads',
        {
          ...good,
          model: {
            ...good.model,
            architecture: { ...(good.model as { architecture: object }).architecture, heads: 5 },
          },
        },
        64,
        /hiddenSize 32 must be a multiple of heads 5/,
      ],
      [
        'diverged',
        { ...good, optimizer: { ...good.optimizer, learningRate: 1e30, gradClip: 1e9 } },
        64,
        /training diverged: .*lower the stage's learningRate/,
      ],
      [
        'context',
        grpoJob(join(root, 'bad-grpo'), { maxNewTokens: 60 }),
        64,
        /do not fit into the model's 64 tokens/,
      ],
    ];
    for (const [name, job, code, message] of cases) {
      const end = await failure(`bad-${name}`, job);
      expect(end.message, name).toMatch(message);
      expect(end.message).not.toMatch(/\n/);
      expect(end.code, name).toBe(code);
    }
  });

  it('names a cut-off weights file', async () => {
    const job = supervisedJob(join(root, 'cut'), { epochs: 1 });
    await runProcess(job, join(root, 'cut'));
    const model = join(job.outputDir, 'model');
    truncateSync(join(model, 'model.safetensors'), 5000);
    const end = await failure('cut', { ...job, model: { from: 'directory', path: model } });
    expect(end).toMatchObject({
      code: 65,
      message: expect.stringMatching(/model.safetensors is cut off/) as string,
    });
  });

  it('reports a full disk as such and leaves no half checkpoint', async () => {
    const dir = join(root, 'full');
    const job = supervisedJob(dir);
    writeFileSync(join(dir, 'job.json'), JSON.stringify(job));
    // A limit on file sizes fails a write in the middle of the weights, as a full disk does.
    const script = `trap '' XFSZ; ulimit -f 16; exec "$0" "$1" "$2"`;
    const child = spawn('bash', ['-c', script, process.execPath, MAIN, join(dir, 'job.json')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const code = await new Promise((done) => child.on('close', done));
    expect(code).toBe(70);
    const last = JSON.parse(out.trim().split('\n').at(-1)!) as EngineEvent;
    expect(last).toMatchObject({ type: 'failed', error: { type: 'DiskFull' } });
    expect(readdirSync(join(job.outputDir, 'checkpoints'))).toEqual([]);
  });
});

describe('an engine without its parent', () => {
  it('ends when its parent is killed (−9)', async () => {
    const dir = join(root, 'orphan');
    writeFileSync(join(dir, '../orphan.json'), JSON.stringify(supervisedJob(dir, { epochs: 2000 })));
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `require('child_process').fork(${JSON.stringify(MAIN)}, [${JSON.stringify(join(root, 'orphan.json'))}],
           { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }).on('message', ({ type }) => console.log(type))`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let out = '';
    parent.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes('progress')) parent.kill('SIGKILL');
    });
    // The engine holds the other end of this pipe: it closes once both processes are gone.
    await new Promise((gone) => parent.stdout.on('close', gone));
    const steps = jsonLines(join(dir, 'out', 'metrics.jsonl')).length;
    expect(steps).toBeLessThan(12_000);
  });

  it('speaks lines of JSON on standard output when it was started by hand', async () => {
    const dir = join(root, 'by-hand');
    const job = supervisedJob(dir, { epochs: 1 });
    writeFileSync(join(dir, 'job.json'), JSON.stringify(job));
    const child = spawn(process.execPath, [MAIN, join(dir, 'job.json')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const code = await new Promise((done) => child.on('close', done));
    const lines = out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as EngineEvent).type);
    expect(code).toBe(0);
    expect(lines[0]).toBe('started');
    expect(lines.at(-1)).toBe('done');
  });
});
