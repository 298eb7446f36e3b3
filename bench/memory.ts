/**
 * Highest resident memory of every side's process: SFT steps of SmolLM2-135M with adapters, of the small model, GRPO
 * steps and generation, each after a round of the contest that the other benchmarks hold.
 */
import { measure, type Contest, type Measured, type Side } from './contest.js';
import { decodeContest } from './decode.js';
import { GRPO_CASES, grpoContest } from './grpo.js';
import { type BenchResult, figure, machine, median, versions } from './result.js';
import { SFT_CASES, sftContest } from './sft.js';

/** What SmolLM2-135M with adapters may take, and how much more time than without recomputing. */
const GOAL_MIB = 1_500;
const GOAL_TIME = 1.25;

const PARTS: Record<string, () => Promise<BenchResult[]>> = {
  'sft-135m': adapters,
  'sft-4.5m': async () => peaks(await sftContest(SFT_CASES[0]!)),
  'grpo-4.5m': async () => peaks(await grpoContest(GRPO_CASES[0]!)),
  'decode-135m': async () => peaks(await decodeContest('135m', 16)),
};

/** @param parts which; all of them otherwise */
export async function run(parts: readonly string[] = []): Promise<BenchResult[]> {
  const wanted = Object.entries(PARTS).filter(([name]) => parts.length === 0 || parts.includes(name));
  if (wanted.length === 0) throw new Error(`memory has the parts ${Object.keys(PARTS).join(', ')}`);
  const results: BenchResult[] = [];
  for (const [, part] of wanted) results.push(...(await part()));
  return results;
}

async function peaks(contest: Contest): Promise<BenchResult[]> {
  const short = { ...contest, rounds: 1, work: 1, sides: contest.sides.map(withoutGoal) };
  return against(short, await measure(short));
}

const withoutGoal = ({ goal: _, ...side }: Side): Side => side;

/** Every other side's peak beside ours. */
function against(contest: Contest, [ours, ...others]: Measured[]): BenchResult[] {
  return others.map(({ side, peakMiB, prepared }) => ({
    name: 'memory',
    case: `${contest.name}, ${contest.case}, ${ours!.side.name} against ${side.name}`,
    ratio: (ours!.peakMiB ?? NaN) / (peakMiB ?? NaN),
    goal: null,
    ours: ours!.peakMiB ?? NaN,
    peer: peakMiB ?? NaN,
    unit: 'MiB',
    runs: { ours: [ours!.peakMiB ?? NaN], peer: [peakMiB ?? NaN] },
    machine: machine(),
    versions: { ...versions(), ...prepared.versions },
  }));
}

/** Ours with every layer computed twice, against ours without, and the others in both ways. */
async function adapters(): Promise<BenchResult[]> {
  const contest = await sftContest(SFT_CASES[1]!);
  const [ours, eager, , trl] = contest.sides.map(withoutGoal) as [Side, Side, Side, Side];
  const recomputing = (side: Side): Side => ({
    ...side,
    name: `${side.name}, recomputing`,
    request: { ...side.request, recompute: true },
  });
  const measured = await measure({
    ...contest,
    sides: [recomputing(ours), ours, eager, recomputing(eager), trl],
    rounds: 3,
    work: 1,
  });
  const [small, fast] = measured as [Measured, Measured];
  const peak = small.peakMiB ?? NaN;
  const slower = median(small.rates.map((rate, round) => fast.rates[round]! / rate));
  return [
    {
      ...figure('memory', `${contest.case}, ${small.side.name}`, peak, 'MiB', GOAL_MIB),
      met: peak <= GOAL_MIB,
    },
    {
      ...figure('memory', `${contest.case}, time of recomputing`, slower, '× the time without', GOAL_TIME),
      met: slower <= GOAL_TIME,
    },
    ...against({ ...contest, name: 'sft' }, measured),
  ];
}
