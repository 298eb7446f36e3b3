/**
 * Stages on Ray, in parts. `supervision`: SFT through the pipeline, from the start of its activity to its end, against the same job
 * submitted by hand, from its submission to the end that Ray notes. Seeds differ from round to round, because a stage
 * that is finished would be reused; who goes first alternates. `uploads` and `kills`: see `ray-uploads.ts`, `ray-kills.ts`.
 */
import { randomBytes } from 'node:crypto';
import type { ArtifactRef, Manifest } from '../activities/artifacts/ref.js';
import { httpCall } from '../activities/ray/http-call.js';
import { packTrainingCode } from '../activities/ray/code-package.js';
import { RayJobsApi } from '../activities/ray/jobs-api.js';
import { readResult, submissionIdOf } from '../activities/ray/job-on-cluster.js';
import { rayRecords, type TrainingSpec, trainingSpecSchema } from '../activities/ray/training-spec.js';
import { lockedPackages } from '../activities/ray/make-spec.js';
import { type RayMachine, startRayMachine, TINY_ON_RAY } from '../test/on-ray/ray-machine.js';
import { until } from '../test/support/until.js';
import { measureKills } from './ray-kills.js';
import { measureUploads } from './ray-uploads.js';
import { type BenchResult, sideBySide, versions } from './result.js';

const ROUNDS = 3;
/** Long enough for start-up not to be all of it, checkpoints as often as a real stage's. */
const EPOCHS = 60;
const EVERY = 60;
const OVERRIDES = { ...TINY_ON_RAY, 'sft.epochs': EPOCHS, 'sft.checkpointEverySteps': EVERY };

export async function run(parts: string[]): Promise<BenchResult[]> {
  const wanted = (part: string) => parts.length === 0 || parts.includes(part);
  const on = await startRayMachine();
  const results: BenchResult[] = [];
  try {
    await on.machine.startWorker({ RMR1_HEARTBEAT_SECONDS: '30' });
    if (wanted('supervision')) results.push(...(await measureSupervision(on)));
    if (wanted('uploads')) results.push(...(await measureUploads(on, (job) => byHand(on, job))));
    await on.machine.stopWorkers();
    if (wanted('kills')) results.push(...(await measureKills(on)));
  } finally {
    await on.stop();
  }
  const packages = versions(lockedPackages(['ray', 'trl', 'torch']));
  return results.map((result) => ({ ...result, versions: packages }));
}

async function measureSupervision(on: RayMachine): Promise<BenchResult[]> {
  const ours: number[] = [];
  const own: number[] = [];
  const peer: number[] = [];
  // The first job of a head also unpacks the code and fills the file cache.
  const spec = (await supervised(on, { seed: 100, overrides: { ...OVERRIDES, 'sft.epochs': 2 } })).spec;
  const artifacts = {
    model: await outputOf(on, 'base', 'model'),
    traces: await outputOf(on, 'distill', 'traces'),
  };
  const long: TrainingSpec = { ...(spec as Extract<TrainingSpec, { kind: 'sft' }>), epochs: EPOCHS };
  for (let round = 1; round <= ROUNDS; round++) {
    const both = [
      async () => {
        const { seconds, job } = await supervised(on, {
          seed: 100 + round,
          overrides: OVERRIDES,
          artifacts,
        });
        ours.push(seconds);
        own.push(job);
      },
      async () => {
        const job = { ...long, seed: 100 + round, checkpointEverySteps: EVERY };
        peer.push((await byHand(on, job)).seconds);
      },
    ];
    for (const side of round % 2 === 1 ? both : both.reverse()) await side();
  }
  return [
    sideBySide('ray', 'SFT under supervision against the same job by hand', { ours, peer, goal: 1.02 }),
    // The same jobs on both sides: nothing else on the machine shifts it.
    sideBySide('ray', 'the activity of SFT against what Ray notes of its job', {
      ours,
      peer: own,
      goal: null,
    }),
  ];
}

/** A stage of a run: seconds of its activity, by the run's history, and of its job, by Ray's; what the job was asked. */
async function supervised(
  on: RayMachine,
  input: { seed: number; overrides: Record<string, unknown>; artifacts?: Record<string, ArtifactRef> },
): Promise<{ seconds: number; job: number; spec: TrainingSpec }> {
  const { machine: host } = on;
  const before = new Set(await host.store.listKeys('manifests/sft/'));
  const handle = await host.start('sft', input, `bench-ray-${input.seed}`);
  await handle.result();
  const { events } = await handle.fetchHistory();
  const started = events?.findLast(
    ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType?.name === 'trainModel',
  );
  const ended = events?.find(
    ({ activityTaskCompletedEventAttributes: completed }) =>
      completed !== undefined &&
      completed !== null &&
      String(completed.scheduledEventId) === String(started?.eventId),
  );
  const key = (await host.store.listKeys('manifests/sft/')).find((each) => !before.has(each));
  const stageKey = key?.slice(key.lastIndexOf('/') + 1, -'.json'.length);
  const record = stageKey && (await host.store.getJson(rayRecords(stageKey).spec(1)));
  if (!started || !ended || !record) throw new Error(`run ${handle.workflowId} trained nothing on Ray`);
  const { start, end } = (await timesOf(on.ray.address, submissionIdOf('sft', stageKey, 1)))!;
  return {
    job: (end - start) / 1000,
    seconds: milliseconds(ended.eventTime) / 1000 - milliseconds(started.eventTime) / 1000,
    spec: trainingSpecSchema.parse(record.value),
  };
}

/** What the one finished stage of that name made. */
async function outputOf({ machine: host }: RayMachine, stage: string, output: string): Promise<ArtifactRef> {
  const [key] = await host.store.listKeys(`manifests/${stage}/`);
  return ((await host.store.getJson(key!))!.value as Manifest).outputs[output]!;
}

interface Timestamp {
  seconds?: unknown;
  nanos?: number | null;
}

function milliseconds(time: Timestamp | null | undefined): number {
  return Number(String(time?.seconds)) * 1000 + (time?.nanos ?? 0) / 1e6;
}

/** The job alone: nobody reads its log, prunes its checkpoints or takes its model over. */
async function byHand(on: RayMachine, job: TrainingSpec): Promise<{ seconds: number; log: string }> {
  const { store, s3 } = on.machine;
  const spec = { ...job, stageKey: randomBytes(32).toString('hex'), attempt: 1 };
  const records = rayRecords(spec.stageKey);
  await store.putJson(records.spec(1), spec);
  const api = new RayJobsApi({ address: on.ray.address });
  const code = await packTrainingCode();
  await api.ensurePackage(code.name, code.zip);
  const submissionId = `by-hand-${spec.stageKey.slice(0, 12)}`;
  const { endpoint, bucket, region } = s3.settings;
  const began = Date.now();
  await api.submit({
    submissionId,
    entrypoint: 'python -m rmr1_ray',
    workingDir: `gcs://${code.name}`,
    environment: {
      RMR1_S3_ENDPOINT: endpoint ?? '',
      RMR1_S3_BUCKET: bucket,
      RMR1_S3_PATH_STYLE: 'true',
      AWS_REGION: region,
      RMR1_SPEC: records.spec(1),
      PYTHONUNBUFFERED: '1',
    },
    metadata: {},
    cpus: 1,
    gpus: 0,
  });
  const { end } = await until(
    'the end of the job by hand',
    () => timesOf(on.ray.address, submissionId),
    300,
    1000,
  );
  if (!(await readResult(store, spec.stageKey, 1))) throw new Error('the job by hand left no result');
  return { seconds: (end - began) / 1000, log: (await api.log(submissionId)) ?? '' };
}

/** When Ray took the job and saw it end, in ms; undefined while it runs. */
async function timesOf(
  address: string,
  submissionId: string,
): Promise<{ start: number; end: number } | undefined> {
  const { text } = await httpCall(`${address}/api/jobs/${submissionId}`, {
    method: 'GET',
    headers: {},
    timeoutMs: 30_000,
  });
  const { start_time: start, end_time: end } = JSON.parse(text) as {
    start_time: number;
    end_time: number | null;
  };
  return end === null ? undefined : { start, end };
}
