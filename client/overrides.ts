/** `--set key=value` → recipe overrides. */
import { parse } from 'yaml';
import { ClientError } from './errors.js';

/**
 * Values are YAML scalars or flow lists: `5`, `1.0e-4`, `true`, `cosine`, `[sft, grpo]`.
 * @throws ClientError `Usage` naming every value that is not YAML.
 */
export function parseOverrides(settings: readonly string[] = []): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    const key = setting.slice(0, equals);
    const text = setting.slice(equals + 1);
    try {
      overrides[key] = parse(text) as unknown;
    } catch (error) {
      problems.push(`${key}: '${text}' is not a YAML value (${firstLine((error as Error).message)})`);
    }
  }
  if (problems.length > 0) throw new ClientError('Usage', `--set cannot be used: ${problems.join('; ')}.`);
  return overrides;
}

const firstLine = (text: string): string => text.split('\n')[0]?.replace(/:$/, '') ?? '';

/** Step counts for a pipeline that runs through every stage in a minute; its judge has learnt nothing to speak of. */
export const SHORT_OVERRIDES: Record<string, unknown> = {
  'data.world': { train: 200, validation: 20, test: 20, matrix: 2 },
  'base.documents': 256,
  'base.checkpointEverySteps': 4,
  'distill.pairs': 64,
  'sft.epochs': 1,
  'sft.checkpointEverySteps': 2,
  'grpo.steps': 2,
  'grpo.promptsPerStep': 4,
  'grpo.groupSize': 4,
  'grpo.checkpointEverySteps': 1,
};
