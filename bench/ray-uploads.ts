/**
 * What checkpoints cost a job on Ray: how long training stands still for each to be written to the node's disk, and which
 * share of their way to the store it works through. A model of ten million parameters, all weights: 120 MB a checkpoint.
 */
import { LogTail } from '../activities/ray/log-tail.js';
import { rayRecords, type TrainingSpec, trainingSpecSchema } from '../activities/ray/training-spec.js';
import { type RayMachine, TINY_ON_RAY } from '../test/on-ray/ray-machine.js';
import { type BenchResult, figure, median } from './result.js';

const STEPS_BETWEEN = 6;
const LARGER = {
  ...TINY_ON_RAY,
  'base.architecture': {
    ...{ hiddenSize: 320, layers: 8, heads: 5, kvHeads: 5, intermediateSize: 864, maxLength: 160 },
  },
  // Its weights need not be good.
  'base.documents': 16,
  'sft.epochs': 1,
};

type ByHand = (job: TrainingSpec) => Promise<{ seconds: number; log: string }>;

export async function measureUploads(on: RayMachine, byHand: ByHand): Promise<BenchResult[]> {
  const { machine: host } = on;
  const before = new Set(await host.store.listKeys('checkpoints/'));
  await (await host.start('sft', { seed: 200, overrides: LARGER }, 'bench-ray-uploads')).result();
  const job = (await host.store.listKeys('checkpoints/')).find(
    (key) => !before.has(key) && key.endsWith('/ray/job.json'),
  );
  if (!job) throw new Error('nothing was trained on Ray');
  const spec = (await host.store.getJson(rayRecords(job.split('/')[1]!).spec(1)))!.value;
  const parsed = trainingSpecSchema.parse(spec);
  if (parsed.kind !== 'sft') throw new Error(`expected a job of SFT, not ${parsed.kind}`);
  const { log } = await byHand({ ...parsed, epochs: 10, checkpointEverySteps: STEPS_BETWEEN });
  const uploads = new LogTail().take(`${log}\n`).flatMap((event) => (event.type === 'stored' ? event : []));
  const sum = (of: 'seconds' | 'waited') => uploads.reduce((total, upload) => total + (upload[of] ?? 0), 0);
  if (uploads.length === 0 || sum('seconds') === 0) throw new Error('the job stored no checkpoints');
  const times = (of: 'seconds' | 'held') => uploads.map((upload) => upload[of] ?? 0);
  return [
    figure('ray', 'share of uploads behind training', 1 - sum('waited') / sum('seconds'), ''),
    {
      ...figure('ray', 'standstill of training a checkpoint', median(times('held')), 's'),
      runs: { ours: times('held') },
    },
    {
      ...figure('ray', 'upload of a checkpoint', median(times('seconds')), 's'),
      runs: { ours: times('seconds') },
    },
  ];
}
