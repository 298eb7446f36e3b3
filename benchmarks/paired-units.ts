/** Verdicts as units that two judges can be compared on: what a benchmark counts, with what it shares its luck with. */
import type { BenchmarkName } from './names.js';
import { itemKey } from './item.js';
import type { Judgement } from './judgement.js';
import { outcomeOf, outcomeRules } from './outcome.js';
import { REWARDBENCH_SUBSETS } from './rewardbench.js';
import { domainOf } from './rm-bench.js';
import { listKey, rmbSectionOf } from './rmb.js';
import { clusterOf, isRight, sectionOf } from './score.js';
import type { VerdictRecord } from './verdict-record.js';

/** One thing that is right or wrong: an item in one order, or a best-of-N list. */
export interface Unit {
  /** Joins the judges. */
  key: string;
  /** Units of one cluster (prompt, pair) are resampled together. */
  cluster: string;
  /** The part of the benchmark whose mean enters `section` with `weight`. */
  stratum: string;
  section: string;
  weight: number;
  outcome: number;
}

/** What two judges judged alike. */
export interface JoinedUnits {
  /** Units of both, in the order of the second judge. */
  shared: { first: Unit; second: Unit }[];
  /** Units that only one of them judged. */
  onlyFirst: number;
  onlySecond: number;
}

/**
 * Two judges' units, joined by key.
 * @throws RangeError where they share no unit, or a unit stands twice
 */
export function joinUnits(
  first: readonly Unit[],
  second: readonly Unit[],
  [nameOfFirst, nameOfSecond]: readonly [string, string] = ['the first judge', 'the second judge'],
): JoinedUnits {
  const earlier = byKey(first, nameOfFirst);
  const later = byKey(second, nameOfSecond);
  const shared: JoinedUnits['shared'] = [];
  for (const [key, unit] of later) {
    const other = earlier.get(key);
    if (other) shared.push({ first: other, second: unit });
  }
  if (shared.length === 0) throw new RangeError('the two judges have no judged item in common');
  return {
    shared,
    onlyFirst: earlier.size - shared.length,
    onlySecond: later.size - shared.length,
  };
}

function byKey(units: readonly Unit[], name: string): Map<string, Unit> {
  const map = new Map<string, Unit>();
  for (const unit of units) {
    if (map.has(unit.key)) throw new RangeError(`${name} judged ${unit.key} twice`);
    map.set(unit.key, unit);
  }
  return map;
}

/** Units of a benchmark's verdicts; conventions as in `scoreVerdicts` without options. */
export function unitsOfRecords(benchmark: BenchmarkName, records: readonly VerdictRecord[]): Unit[] {
  const rules = outcomeRules([]);
  const lists = new Map<string, Unit>();
  const units: Unit[] = [];
  for (const record of records) {
    const { subset, id, gold, group } = record;
    const outcome = outcomeOf(record, rules);
    const key = `${gold} ${itemKey(record)}`;
    const cluster = `${subset}/${id}`;
    if (benchmark === 'rewardbench') {
      const known = REWARDBENCH_SUBSETS.get(subset);
      // Earlier preference sets are no part of the score.
      if (!known) continue;
      const weight = known.weight ?? known.items;
      units.push({ key, cluster, stratum: subset, section: known.section, weight, outcome });
    } else if (benchmark === 'rm-bench') {
      const domain = domainOf(subset);
      units.push({ key, cluster, stratum: domain, section: domain, weight: 1, outcome });
    } else {
      const section = rmbSectionOf(subset)!;
      if (group === undefined) {
        units.push({ key, cluster, stratum: section, section, weight: 1, outcome });
        continue;
      }
      const list = listKey(subset, group);
      const known = lists.get(`${gold} ${list}`);
      // A list is right only if its best answer beats every other.
      if (known) known.outcome = Math.min(known.outcome, outcome === 1 ? 1 : 0);
      else {
        const unit: Unit = {
          key: `${gold} ${list}`,
          cluster: list,
          stratum: section,
          section,
          weight: 1,
          outcome: outcome === 1 ? 1 : 0,
        };
        lists.set(unit.key, unit);
        units.push(unit);
      }
    }
  }
  return units;
}

/** Units of a run's own held-out pairs; the score is the mean of the sections. */
export function unitsOfJudgements(judgements: readonly Judgement[]): Unit[] {
  return judgements.map((judgement) => {
    const section = sectionOf(judgement.category);
    return {
      key: `${judgement.gold} ${judgement.pairId}`,
      cluster: clusterOf(judgement),
      stratum: section,
      section,
      weight: 1,
      outcome: isRight(judgement) ? 1 : 0,
    };
  });
}
