/** The section of an item, for interim figures. */
import type { ItemIdentity } from '../../benchmarks/index.js';
import { domainOf, REWARDBENCH_SUBSETS, rmbSectionOf } from '../../benchmarks/index.js';

export function sectionOfItem({ benchmark, subset }: ItemIdentity): string {
  switch (benchmark) {
    case 'rewardbench':
      return REWARDBENCH_SUBSETS.get(subset)?.section ?? 'Prior Sets';
    case 'rm-bench':
      return domainOf(subset);
    case 'rmb':
      return rmbSectionOf(subset) ?? subset;
  }
}
