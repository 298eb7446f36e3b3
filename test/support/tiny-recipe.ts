/** Recipe overrides that make every stage real but small: seconds each, and still many checkpoints. */
export const TINY: Record<string, unknown> = {
  'data.world': { train: 64, validation: 8, test: 8, matrix: 1 },
  'base.architecture': {
    hiddenSize: 48,
    layers: 2,
    heads: 3,
    kvHeads: 3,
    intermediateSize: 128,
    maxLength: 160,
  },
  'base.documents': 64,
  'distill.pairs': 48,
  'distill.shardSize': 16,
  'sft.epochs': 30,
  'sft.checkpointEverySteps': 5,
  // Few groups disagree at this size: all are learned from, so that every step has a gradient.
  'grpo.objective': 'grpo',
  'grpo.steps': 30,
  'grpo.promptsPerStep': 4,
  'grpo.groupSize': 4,
  'grpo.checkpointEverySteps': 2,
  'grpo.maxNewTokens': 24,
  'evaluate.maxNewTokens': 16,
};

/** The same as `--set` arguments of the command. */
export function asSettings(overrides: Record<string, unknown>): string[] {
  return Object.entries(overrides).flatMap(([path, value]) => ['--set', `${path}=${JSON.stringify(value)}`]);
}
