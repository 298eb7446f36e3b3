/** A job from its submission to its end, against a server that speaks the Jobs API. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Deadlines, followJob, type Supervision } from '../../activities/ray/follow-job.js';
import { RayJobsApi } from '../../activities/ray/jobs-api.js';
import type { JobEvent } from '../../activities/ray/log-tail.js';
import type { TrainingResult } from '../../activities/ray/training-spec.js';
import { line, progress, ScriptedHead } from './scripted-head.js';

const SOON: Deadlines = { poll: 5, start: 400, firstStep: 400, silence: 400, away: 400, stop: 300 };
const LONG: Deadlines = { ...SOON, start: 60_000, firstStep: 60_000, silence: 60_000, away: 60_000 };
const ID = 'rmr1-sft-abc-1';

let head: ScriptedHead;
let events: JobEvent[];
let left: TrainingResult | undefined;

beforeEach(async () => {
  head = await ScriptedHead.start();
  events = [];
  left = undefined;
});
afterEach(() => head.close());

const result = (step = 10): TrainingResult => ({
  format: 'rmr1-training-result/1',
  attempt: 1,
  step,
  totalSteps: 10,
  outputs: {},
  seconds: 1,
});

async function submit(): Promise<RayJobsApi> {
  const api = new RayJobsApi({ address: head.address });
  await api.submit({
    submissionId: ID,
    entrypoint: 'x',
    workingDir: 'gcs://p.zip',
    environment: {},
    metadata: {},
    cpus: 1,
    gpus: 0,
  });
  return api;
}

async function follow(more: Partial<Supervision> = {}): Promise<Awaited<ReturnType<typeof followJob>>> {
  return followJob({
    api: await submit(),
    submissionId: ID,
    result: () => Promise.resolve(left),
    onEvent: (event) => events.push(event),
    signal: new AbortController().signal,
    whenAborted: () => 'stop',
    askToStop: () => Promise.resolve(),
    needs: { cpus: 1, gpus: 0 },
    deadlines: LONG,
    ...more,
  });
}

/** Each look at the job moves it one entry on; the last one stays. */
function script(...moves: ((job: { status: string; log: string; exitCode?: number }) => void)[]): void {
  let at = 0;
  head.onLook = (job) => moves[Math.min(at++, moves.length - 1)]!(job);
}

describe('a job that goes well', () => {
  it('is done once its result says the last step; events come once each, however the log grows', async () => {
    const log = [
      'loading…\n',
      line({ type: 'started', totalSteps: 10, resumedAt: 0, parameters: 5 }),
      progress(1),
    ];
    script(
      (job) => (job.status = 'PENDING'),
      (job) => Object.assign(job, { status: 'RUNNING', log: log.slice(0, 2).join('') }),
      (job) => (job.log = log.join('').slice(0, -7)),
      (job) => (job.log = log.join('')),
      (job) => {
        left = result();
        Object.assign(job, { status: 'SUCCEEDED', log: `${log.join('')}${progress(2)}bye\n`, exitCode: 0 });
      },
    );
    expect(await follow()).toEqual({ status: 'done', result: result() });
    expect(events.map((event) => (event.type === 'progress' ? event.metrics.step : event.type))).toEqual([
      'started',
      1,
      2,
    ]);
  });

  it('is done even where Ray calls it failed: the result counts', async () => {
    left = result();
    script((job) => Object.assign(job, { status: 'FAILED', exitCode: 1 }));
    expect((await follow()).status).toBe('done');
  });
});

describe('a job that Ray calls successful', () => {
  it.each([
    [undefined, 'no result'],
    [result(7), 'step 7 of 10'],
  ])('is lost where it left %o', async (given, said) => {
    left = given;
    script((job) => Object.assign(job, { status: 'SUCCEEDED', exitCode: 0 }));
    await expect(follow()).rejects.toMatchObject({
      type: 'TrainerLost',
      message: expect.stringContaining(said) as string,
    });
  });
});

describe('a job that fails', () => {
  const failed = (type: string, message: string) => line({ type: 'failed', error: { type, message } });
  it.each([
    [64, failed('BadJob', 'no such thing'), 'TrainerRefused', 'no such thing'],
    [65, failed('BadData', 'line 3'), 'TrainerRefused', 'line 3'],
    [70, failed('DiskFull', 'no space left'), 'DiskFull', 'no space left'],
    [70, failed('Fenced', 'attempt 2 has it'), 'Fenced', 'attempt 2'],
    [137, 'Killed\n', 'TrainerLost', 'exit code 137): Killed'],
  ])('with exit code %i is %s', async (exitCode, log, type, said) => {
    script((job) => Object.assign(job, { status: 'FAILED', exitCode, log }));
    await expect(follow()).rejects.toMatchObject({ type, message: expect.stringContaining(said) as string });
  });

  it('without ever having run names what Ray says', async () => {
    script((job) => Object.assign(job, { status: 'FAILED', message: 'runtime env setup failed' }));
    await expect(follow()).rejects.toThrow(/TrainerLost|runtime env setup failed/);
  });

  it('and is preempted resumes', async () => {
    script((job) => Object.assign(job, { status: 'FAILED', exitCode: 75 }));
    expect(await follow()).toEqual({ status: 'preempted' });
  });
});

describe('a cluster', () => {
  it('that forgot the job after its head was restarted has lost it', async () => {
    script(
      (job) => (job.status = 'RUNNING'),
      () => head.jobs.clear(),
    );
    await expect(follow()).rejects.toMatchObject({
      type: 'TrainerLost',
      message: expect.stringContaining('restarted') as string,
    });
  });

  it('that refuses connections for a while has not lost the job', async () => {
    const port = Number(new URL(head.address).port);
    let away = false;
    script(
      (job) => (job.status = 'RUNNING'),
      (job) => {
        if (!away) {
          away = true;
          void head.close().then(() => setTimeout(() => void head.reopen(port), 60));
          return;
        }
        left = result();
        Object.assign(job, { status: 'SUCCEEDED', exitCode: 0 });
      },
    );
    expect((await follow()).status).toBe('done');
    expect(away).toBe(true);
  });

  it('that is away does not hide a result that the job left meanwhile', async () => {
    script((job) => {
      job.status = 'RUNNING';
      left = result();
      void head.close();
    });
    expect((await follow()).status).toBe('done');
    await head.reopen(0);
  });

  it('that stays away costs the attempt', async () => {
    script((job) => {
      job.status = 'RUNNING';
      void head.close();
    });
    await expect(follow({ deadlines: { ...LONG, away: 60 } })).rejects.toMatchObject({ type: 'TrainerLost' });
    await head.reopen(0);
  });

  it('with fewer GPUs than the stage reserves is too small', async () => {
    script((job) => (job.status = 'PENDING'));
    const small = follow({ deadlines: SOON, needs: { cpus: 1, gpus: 8 } });
    await expect(small).rejects.toMatchObject({
      type: 'RayTooSmall',
      message: expect.stringContaining('has 0 GPUs and 2 CPUs, the stage reserves 8 and 1') as string,
    });
    expect(head.stops).toEqual([ID]);
  });

  it('whose resources others hold lets the job wait, then submits it again', async () => {
    script((job) => (job.status = 'PENDING'));
    await expect(follow({ deadlines: SOON })).rejects.toMatchObject({ type: 'TrainerLost' });
  });
});

describe('a silent job', () => {
  it('is stopped, also where it prints what is no event', async () => {
    script((job) => Object.assign(job, { status: 'RUNNING', log: `${job.log || progress(1)}still here\n` }));
    await expect(follow({ deadlines: { ...LONG, silence: 150 } })).rejects.toMatchObject({
      type: 'TrainerLost',
      message: expect.stringContaining('silent') as string,
    });
    expect(head.stops).toEqual([ID]);
  });
});

describe('when the activity is aborted', () => {
  it('the job is asked to stop and is waited for', async () => {
    const abort = new AbortController();
    let asked = false;
    script(
      (job) => {
        job.status = 'RUNNING';
        abort.abort();
      },
      (job) => {
        if (asked) Object.assign(job, { status: 'FAILED', exitCode: 75 });
      },
    );
    const askToStop = () => {
      asked = true;
      return Promise.resolve();
    };
    expect(await follow({ signal: abort.signal, askToStop })).toEqual({ status: 'preempted' });
    expect(head.stops).toEqual([]);
  });

  it('a job whose steps are long has the time to end the one it is in', async () => {
    const abort = new AbortController();
    let looks = 0;
    script((job) => {
      Object.assign(job, { status: 'RUNNING', log: progress(1).replace('"seconds":0.001', '"seconds":60') });
      abort.abort();
      if (++looks > 5) Object.assign(job, { status: 'FAILED', exitCode: 75 });
    });
    expect(await follow({ signal: abort.signal, deadlines: { ...LONG, stop: 0 } })).toEqual({
      status: 'preempted',
    });
    expect(head.stops).toEqual([]);
    expect(looks).toBe(6);
  });

  it('a job that does not stop by itself is stopped by Ray', async () => {
    const abort = new AbortController();
    script((job) => {
      if (head.stops.length === 0) job.status = 'RUNNING';
      abort.abort();
    });
    expect(await follow({ signal: abort.signal, deadlines: { ...LONG, stop: 50 } })).toEqual({
      status: 'preempted',
    });
    expect(head.stops).toEqual([ID]);
  });

  it('the job is left to work on where only the worker goes', async () => {
    const abort = new AbortController();
    script((job) => {
      job.status = 'RUNNING';
      abort.abort();
    });
    expect(await follow({ signal: abort.signal, whenAborted: () => 'leave' })).toEqual({ status: 'left' });
    expect(head.stops).toEqual([]);
  });
});
