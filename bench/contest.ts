/** Sides of a comparison measured in turn: every round all of them do the same work, ratios are those of a round. */
import { Contender, type Prepared } from './contender.js';
import { type BenchResult, machine, median } from './result.js';

export interface Side {
  name: string;
  script: string;
  python?: string;
  cwd?: string;
  request: object;
  /** How many times this side's speed ours should reach. */
  goal?: number;
  /** Where this side does something else in the same rounds: its own units in a round, and what is counted of each. */
  apart?: { work: number; amount: number };
}

export interface Contest {
  name: string;
  case: string;
  /** Ours is the first. */
  sides: Side[];
  /** Units of work in a round, and what is counted of each of them. */
  work: number;
  amount: number;
  unit: string;
  rounds: number;
}

export interface Measured {
  side: Side;
  prepared: Prepared;
  /** What was counted per second, round by round. */
  rates: number[];
  peakMiB: number | undefined;
  /** What the last round gave. */
  last: Record<string, unknown>;
}

const note = (message: string): void => void process.stderr.write(`${message}\n`);

/**
 * Measure all sides. Another side that cannot be started is left out, and named on standard error.
 * @throws where ours cannot be started
 */
export async function measure(contest: Contest): Promise<Measured[]> {
  const running: { contender: Contender; measured: Measured }[] = [];
  try {
    for (const side of contest.sides) {
      try {
        const { contender, prepared } = await Contender.start(side.name, side, side.request);
        running.push({ contender, measured: { side, prepared, rates: [], peakMiB: undefined, last: {} } });
        await contender.work(1);
      } catch (error) {
        if (side === contest.sides[0]) throw error;
        note(`${contest.name} (${contest.case}): left out ${(error as Error).message}`);
        running.splice(
          running.findIndex(({ measured }) => measured.side === side),
          1,
        );
      }
    }
    for (let round = 0; round < contest.rounds; round += 1) {
      for (const { contender, measured } of running) {
        const { work, amount } = measured.side.apart ?? contest;
        const { seconds, ...last } = await contender.work(work);
        measured.rates.push((work * amount) / seconds);
        measured.last = last;
        note(`  round ${round + 1}, ${measured.side.name}: ${seconds.toFixed(2)} s`);
      }
    }
    for (const { contender, measured } of running) measured.peakMiB = contender.peakMiB();
    return running.map(({ measured }) => measured);
  } finally {
    for (const { contender } of running) await contender.stop();
  }
}

/** One result for each of the others: rates and the median of the rounds' ratios. */
export function compare(contest: Contest, [ours, ...others]: Measured[]): BenchResult[] {
  return others
    .filter(({ side }) => !side.apart)
    .map(({ side, prepared, rates, peakMiB }) => {
      const ratio = median(ours!.rates.map((rate, round) => rate / rates[round]!));
      return {
        name: contest.name,
        case: `${contest.case}, against ${side.name}`,
        ratio,
        goal: side.goal ?? null,
        ...(side.goal === undefined ? {} : { met: ratio >= side.goal }),
        ours: median(ours!.rates),
        peer: median(rates),
        unit: contest.unit,
        runs: { ours: ours!.rates, peer: rates },
        peakMiB: { ours: ours!.peakMiB, peer: peakMiB },
        machine: machine(),
        versions: { ...ours!.prepared.versions, ...prepared.versions },
      };
    });
}
