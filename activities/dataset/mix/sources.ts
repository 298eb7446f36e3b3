/** The data sets of RM-R1's training mix (arXiv 2505.02387, appendix B) and how their records become pairs. */

export interface MixSource {
  name: string;
  /** Data set on the hub. */
  hub: string;
  /** Pairs that the mix takes; absent: all. */
  take?: number;
  /** Pairs that the paper has from it, by category, to compare with. */
  published: Record<string, number>;
  /** A row as a record of preference pairs; undefined for rows that the mix leaves out. */
  record(row: Record<string, unknown>): Record<string, unknown> | undefined;
}

/** Left out by the paper: its preferred answers follow a pattern that a judge can learn instead of reasons. */
const LEFT_OUT = 'magpie_ultra';
/** Skywork's sources whose pairs are about safety. */
const SAFETY = new Set(['wildguard']);

/** Skywork-Reward-Preference-80K-v0.2: both exchanges as messages, `source` names where a pair comes from. */
const skywork: MixSource = {
  name: 'skywork',
  hub: 'Skywork/Skywork-Reward-Preference-80K-v0.2',
  published: {
    'chat/magpie_pro_llama3.1': 29_682,
    'chat/offsetbias': 8504,
    'chat/helpsteer2': 7221,
    'safety/wildguard': 6709,
    'chat/magpie_pro': 2030,
  },
  record({ chosen, rejected, source }) {
    if (source === LEFT_OUT) return undefined;
    // Named in the data set without the underscore, in the paper with it.
    const name = typeof source === 'string' ? source.replace('offset_bias', 'offsetbias') : 'unknown';
    return { chosen, rejected, category: `${SAFETY.has(name) ? 'safety' : 'chat'}/${name}` };
  },
};

/** Code-Preference-Pairs: a task, a right program and one with a bug. */
const code: MixSource = {
  name: 'code',
  hub: 'Vezora/Code-Preference-Pairs',
  take: 8000,
  published: { 'reasoning/code': 8000 },
  record: ({ input, accepted, rejected }) => ({
    prompt: input,
    chosen: accepted,
    rejected,
    category: 'reasoning/code',
  }),
};

/** Math-Step-DPO-10K: solutions that part at one step; `initial_reason_steps` is what both begin with. */
const math: MixSource = {
  name: 'math',
  hub: 'xinlai/Math-Step-DPO-10K',
  take: 10_000,
  published: { 'reasoning/math': 10_000 },
  record: ({ prompt, initial_reason_steps: begin, full_chosen: chosen, full_rejected: rejected }) => ({
    prompt,
    chosen: joined(begin, chosen),
    rejected: joined(begin, rejected),
    category: 'reasoning/math',
  }),
};

/** Both parts where they are text; anything else is left for the reader of records to complain about. */
function joined(begin: unknown, rest: unknown): unknown {
  return typeof begin === 'string' && typeof rest === 'string' ? begin + rest : rest;
}

export const MIX_SOURCES: readonly MixSource[] = [skywork, code, math];
