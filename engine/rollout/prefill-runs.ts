/** Which prompts are read together: those of similar length, so that little of what is computed is padding. */
import { bucketOf, type Prompt } from './rows.js';

/** Largest attention matrix of one run, in elements. */
const RUN_ELEMENTS = 1 << 26;
/** Most that a prompt is filled up, as a share of the shortest one of its run. */
const PADDING = 1 / 8;

/**
 * Prompts in their order, by rising length, cut where the shortest one of a run would be filled up too far or where the
 * attention matrix of `heads` heads would become too large.
 */
export function prefillRuns(prompts: readonly Prompt[], heads: number): { some: Prompt[]; width: number }[] {
  const runs: { some: Prompt[]; width: number }[] = [];
  for (const prompt of prompts) {
    const width = bucketOf(prompt);
    const last = runs.at(-1);
    if (
      last &&
      width <= bucketOf(last.some[0]!) * (1 + PADDING) &&
      (last.some.length + 1) * heads * width * width <= RUN_ELEMENTS
    ) {
      last.some.push(prompt);
      last.width = width;
    } else runs.push({ some: [prompt], width });
  }
  return runs;
}
