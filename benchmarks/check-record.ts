/** Does a verdict record name an item of its benchmark? Schemas cannot tell: which fields belong depends on it. */
import type { Convention } from './conventions.js';
import { PRIOR_SETS, REWARDBENCH_SUBSETS } from './rewardbench.js';
import { RM_BENCH_SUBSETS } from './rm-bench.js';
import { rmbSectionOf } from './rmb.js';
import type { VerdictRecord } from './verdict-record.js';

export interface RecordProblem {
  field: string;
  /** What is wrong and how to mend it. */
  message: string;
}

/** The first problem of a record that its schema let pass; undefined where it can be scored. */
export function checkRecord(
  record: VerdictRecord,
  conventions: readonly Convention[] = [],
): RecordProblem | undefined {
  switch (record.benchmark) {
    case 'rewardbench':
      return rewardBenchSubset(record.subset, conventions) ?? noStyles(record) ?? noList(record);
    case 'rm-bench':
      return rmBenchSubset(record.subset) ?? styles(record) ?? noList(record);
    case 'rmb':
      return noStyles(record) ?? rmbFields(record);
  }
}

function rewardBenchSubset(subset: string, conventions: readonly Convention[]): RecordProblem | undefined {
  if (REWARDBENCH_SUBSETS.has(subset)) return undefined;
  if ((PRIOR_SETS as readonly string[]).includes(subset)) {
    if (conventions.includes('prior-sets')) return undefined;
    const message = `"${subset}" is a prior set; ask for the convention prior-sets, or leave these records out`;
    return { field: 'subset', message };
  }
  const known = [...REWARDBENCH_SUBSETS.keys()].join(', ');
  return { field: 'subset', message: `"${subset}" is no subset of RewardBench; they are ${known}` };
}

function rmBenchSubset(subset: string): RecordProblem | undefined {
  if (RM_BENCH_SUBSETS.has(subset)) return undefined;
  const known = [...RM_BENCH_SUBSETS.keys()].join(', ');
  return { field: 'subset', message: `"${subset}" is no subset of RM-Bench; they are ${known}` };
}

function styles(record: VerdictRecord): RecordProblem | undefined {
  for (const field of ['chosenStyle', 'rejectedStyle'] as const) {
    if (record[field] === undefined)
      return { field, message: 'is missing; RM-Bench needs the style of both answers, 0, 1 or 2' };
  }
  return undefined;
}

function noStyles(record: VerdictRecord): RecordProblem | undefined {
  for (const field of ['chosenStyle', 'rejectedStyle'] as const) {
    if (record[field] !== undefined)
      return { field, message: 'belongs to RM-Bench only; leave it out, or mend the benchmark' };
  }
  return undefined;
}

function noList(record: VerdictRecord): RecordProblem | undefined {
  for (const field of ['group', 'rival'] as const) {
    if (record[field] !== undefined)
      return { field, message: 'belongs to best-of-N lists of RMB only; leave it out' };
  }
  return undefined;
}

function rmbFields(record: VerdictRecord): RecordProblem | undefined {
  const section = rmbSectionOf(record.subset);
  if (!section) {
    const message = `"${record.subset}" is no category path of RMB, such as "Pairwise_set/Helpfulness/Chat/Discussion" or "BoN_set/Harmlessness/S2"`;
    return { field: 'subset', message };
  }
  if (section.startsWith('pairwise')) return noList(record);
  for (const field of ['group', 'rival'] as const) {
    if (record[field] === undefined)
      return { field, message: 'is missing; best-of-N needs the list (group) and its loser (rival)' };
  }
  return undefined;
}
