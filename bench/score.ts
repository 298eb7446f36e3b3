/** `rmr1 score` on 40,000 verdicts: the whole command, from start to exit, and reading and scoring alone. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readVerdicts } from '../activities/evaluation/read-verdicts.js';
import type { VerdictRecord } from '../benchmarks/index.js';
import { expectedItems, scoreVerdicts } from '../benchmarks/index.js';
import { projectRoot } from '../infra/environment.js';
import { type BenchResult, machine, median, versions } from './result.js';

const VERDICTS = 40_000;
const ROUNDS = 7;

export async function run(): Promise<BenchResult[]> {
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-bench-score-'));
  try {
    const file = join(dir, 'verdicts.jsonl');
    await writeFile(file, manyVerdicts().join(''));
    const command = await rounds(async () => {
      const args = [join(projectRoot(), 'dist/client/cli.js'), 'score', '--benchmark', 'rmb', '--json'];
      await promisify(execFile)(process.execPath, [...args, '--verdicts', file]);
    });
    const alone = await rounds(async () => {
      const { records } = await readVerdicts([file], { benchmark: 'rmb' });
      scoreVerdicts('rmb', records);
    });
    return [result('the whole command', command), result('reading and scoring', alone)];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** RMB's sections over and over, one pair or list of three after another. */
function manyVerdicts(): string[] {
  const paths = expectedItems('rmb').map(([section]) => {
    const [kind, side] = section.split('-') as [string, string];
    return `${kind === 'bon' ? 'BoN_set' : 'Pairwise_set'}/${side[0]!.toUpperCase()}${side.slice(1)}/S1`;
  });
  return Array.from({ length: VERDICTS }, (_, index) => {
    const subset = paths[index % paths.length]!;
    const id = String(Math.floor(index / 3));
    const record: VerdictRecord = {
      benchmark: 'rmb',
      subset,
      id: subset.startsWith('BoN') ? id : String(index),
      ...(subset.startsWith('BoN') && { group: id, rival: String(index % 3) }),
      gold: index % 7 < 3 ? 'A' : 'B',
      verdict: (['A', 'B', 'A', 'none', 'B'] as const)[index % 5]!,
    };
    return `${JSON.stringify(record)}\n`;
  });
}

async function rounds(once: () => Promise<void>): Promise<number[]> {
  const seconds: number[] = [];
  await once();
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now();
    await once();
    seconds.push((performance.now() - began) / 1_000);
  }
  return seconds;
}

function result(name: string, seconds: number[]): BenchResult {
  return {
    name: 'score',
    case: `${VERDICTS.toLocaleString('en-US')} verdicts, ${name}`,
    ratio: null,
    goal: 1,
    ours: median(seconds),
    peer: null,
    unit: 's',
    runs: { ours: seconds },
    machine: machine(),
    versions: versions(),
  };
}
