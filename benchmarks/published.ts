/** The main table of RM-R1 (arXiv 2505.02387): published scores in percent, for comparison with a judge's own. */

export interface PublishedSystem {
  name: string;
  /** ScalarRM: scores; GenRM: judges in words; ReasRM: reasons first. */
  kind: 'ScalarRM' | 'GenRM' | 'GenRM (API)' | 'pointwise GenRM' | 'ReasRM';
  rewardbench: number;
  'rm-bench'?: number;
  rmb: number;
  /** As published, over three benchmarks. */
  average?: number;
}

export const PUBLISHED_SYSTEMS: readonly PublishedSystem[] = [
  system('INF-ORM-Llama3.1-70B', 'ScalarRM', [95.1, 70.9, 70.5, 78.8]),
  system('GPT-4o-0806', 'GenRM (API)', [86.7, 72.5, 73.8, 77.7]),
  system('Self-taught-evaluator-70B', 'GenRM', [90.2, 71.4, 67.0, 76.2]),
  { name: 'DeepSeek-GRM-27B', kind: 'pointwise GenRM', rewardbench: 86.0, rmb: 69.0 },
  system('JudgeLRM', 'ReasRM', [75.2, 64.7, 53.1, 64.3]),
  system('RM-R1-DeepSeek-Distilled-7B', 'ReasRM', [80.1, 72.4, 55.1, 69.2]),
  system('RM-R1-DeepSeek-Distilled-14B', 'ReasRM', [88.9, 81.5, 68.5, 79.6]),
  system('RM-R1-DeepSeek-Distilled-32B', 'ReasRM', [90.9, 83.9, 69.8, 81.5]),
  system('RM-R1-Instruct-7B', 'ReasRM', [85.2, 70.2, 66.4, 73.9]),
  system('RM-R1-Instruct-14B', 'ReasRM', [88.2, 76.1, 69.2, 77.8]),
  system('RM-R1-Instruct-32B', 'ReasRM', [91.4, 79.1, 73.0, 81.2]),
];

function system(
  name: string,
  kind: PublishedSystem['kind'],
  [rewardbench, rmBench, rmb, average]: [number, number, number, number],
): PublishedSystem {
  return { name, kind, rewardbench, 'rm-bench': rmBench, rmb, average };
}
