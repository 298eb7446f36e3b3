/** What of a recipe decides about size: its model, its cluster, where it starts. */
import { DEFAULT_RAY, type Recipe } from '../schema.js';
import type { Cluster } from './accelerator.js';
import { knownShape, type DecoderShape } from './decoder-shape.js';

/** The shape of the model that is trained; undefined where it is known only once it is fetched. */
export function modelOf({ base }: Recipe): DecoderShape | undefined {
  return base.kind === 'pretrained' && 'hub' in base.pretrained ? knownShape(base.pretrained.hub) : undefined;
}

/** The cluster that the stages train on; undefined with the embedded engine. */
export function clusterOf({ engine, ray = DEFAULT_RAY }: Recipe): Cluster | undefined {
  return engine === 'ray' ? ray : undefined;
}

/** Whether reinforcement learning starts from the base itself, without distillation and fine-tuning. */
export function startsFromBase({ coldStart = false }: Recipe): boolean {
  return coldStart;
}
