/** AdamW and the learning rates of a recipe's section, the same for every engine. */
import { optimizerSchema, type OptimizerSettings } from '../../engine/job.js';

/** What a section says of its optimiser; betas and epsilon are nobody's dial. */
export function optimizerOf(
  section: Omit<OptimizerSettings, 'beta1' | 'beta2' | 'epsilon'>,
): OptimizerSettings {
  return optimizerSchema.strip().parse(section);
}
