/**
 * The engine process: `node dist/engine/main.js JOB.json`.
 *
 * Events go to the supervisor over IPC, or to standard output as one JSON object a line where there is none.
 * A `stop` message, SIGTERM and SIGINT end a training job after the running step, with a checkpoint.
 */
import { readFileSync } from 'node:fs';
import { badJob, exitCode, reading, toEngineError } from './errors.js';
import { EXIT, engineJobSchema, type EngineCommand, type EngineEvent, type EngineJob } from './job.js';
import { endWhenAbandoned } from './supervisor-silence.js';
import { TrainerTrace } from './trace/trainer-trace.js';
import { runGenerate } from './trainer/generate.js';
import { runGrpo } from './trainer/grpo.js';
import type { EngineIo, JobEnd } from './trainer/io.js';
import { runReward } from './trainer/reward.js';
import { runSupervised } from './trainer/supervised.js';

function readJob(path: string | undefined): EngineJob {
  if (path === undefined) throw badJob('no job given: start the engine with the path of a job file');
  const text = reading('the job file', path, () => readFileSync(path, 'utf8'));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw badJob(`${path} is not JSON`, error);
  }
  const parsed = engineJobSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'job'}: ${issue.message}`);
  throw badJob(`${path}: ${problems.join('; ')}`);
}

/** Events in order, to the parent or to standard output; `flush` waits until all are handed over. */
class Reporter {
  private pending: Promise<void> = Promise.resolve();

  emit(event: EngineEvent): void {
    const sent = new Promise<void>((resolve) => {
      // A parent that is gone cannot listen; the disconnect handler ends the process.
      if (process.send) process.send(event, undefined, undefined, () => resolve());
      else process.stdout.write(`${JSON.stringify(event)}\n`, () => resolve());
    });
    this.pending = this.pending.then(() => sent);
  }

  flush(): Promise<void> {
    return this.pending;
  }
}

function run(job: EngineJob, io: EngineIo): Promise<JobEnd> {
  switch (job.kind) {
    case 'supervised':
      return runSupervised(job, io);
    case 'grpo':
      return runGrpo(job, io);
    case 'reward':
      return runReward(job, io);
    case 'generate':
      return runGenerate(job, io);
  }
}

async function main(): Promise<number> {
  const reporter = new Reporter();
  let stopRequested = false;
  const stop = () => {
    stopRequested = true;
  };
  process.on('message', (command: EngineCommand) => {
    if (command.type === 'stop') stop();
  });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Without its parent nobody would collect what is trained: end at once, the last checkpoint stands.
  process.on('disconnect', () => process.exit(EXIT.failed));
  endWhenAbandoned();
  let trace: TrainerTrace | undefined;
  try {
    const job = readJob(process.argv[2]);
    trace = await TrainerTrace.begin(`trainer ${job.kind}`, (span) => reporter.emit({ type: 'span', span }));
    const io: EngineIo = {
      emit: (event) => reporter.emit(event),
      get stopRequested() {
        return stopRequested;
      },
      breathe: () => new Promise((resolve) => setImmediate(resolve)),
      trace,
    };
    const end = await run(job, io);
    trace?.end();
    return end === 'done' ? EXIT.done : EXIT.preempted;
  } catch (error) {
    const known = toEngineError(error);
    trace?.end(known);
    reporter.emit({ type: 'failed', error: { type: known.type, message: known.message } });
    // The stack is for the log; the event carries the sentence for people.
    if (known.type === 'EngineFailed') process.stderr.write(`${(error as Error)?.stack ?? String(error)}\n`);
    return exitCode(known);
  } finally {
    await reporter.flush();
  }
}

process.exit(await main());
