/** What the schema of a recipe allows and its trainers on Ray cannot do: refused before anything is spent. */
import { UserError } from '../workflows/errors.js';
import type { Recipe, RaySettings } from './schema.js';

/** @throws UserError `InvalidInput` naming every such field and what works in its place. */
export function checkClusterSupport({
  name,
  engine,
  ray,
  grpo,
}: Pick<Recipe, 'name' | 'engine' | 'ray' | 'grpo'>): void {
  if (engine !== 'ray' || !ray) return;
  const problems = [...(ray.grpoTrainer === 'verl' ? verlProblems(ray, grpo) : [])];
  if (problems.length > 0)
    throw new UserError('InvalidInput', `Recipe '${name}' cannot be run: ${problems.join('; ')}.`);
}

/** verl trains whole models on GPUs, with two of the schedules. */
function verlProblems(
  { gpusPerNode }: RaySettings,
  { lora, schedule, promptsPerStep, miniBatches }: Recipe['grpo'],
): string[] {
  return [
    ...(gpusPerNode === 0
      ? [
          "ray.gpusPerNode is 0, but verl trains on GPUs: give those of a node, or set ray.grpoTrainer to 'trl'",
        ]
      : []),
    ...(lora ? ["grpo.lora is trained by TRL: leave it out, or set ray.grpoTrainer to 'trl'"] : []),
    ...(schedule === 'constant' || schedule === 'cosine'
      ? []
      : [`grpo.schedule is '${schedule}', which verl does not have: set it to 'constant' or 'cosine'`]),
    ...(promptsPerStep % miniBatches === 0
      ? []
      : [
          `grpo.miniBatches is ${miniBatches}, which does not divide the ${promptsPerStep} prompts of a step, as verl needs it`,
        ]),
  ];
}
