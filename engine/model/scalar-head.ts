/** A language model as the start of a reward model: the same trunk, a fresh scalar head in place of the output projection. */
import { fillNormal } from './initialize.js';
import { parameterLayout, SCORE_WEIGHT, view, type ParameterLayout } from './parameters.js';

/** Standard deviation of a fresh head, as of all matrices. */
const INITIAL_STD = 0.02;

export interface Weights {
  layout: ParameterLayout;
  /** All weights in one vector, ordered by `layout`. */
  parameters: Float32Array;
}

/** `model` with a scalar head seeded by `seed`; a model that has one stays as it is. */
export function withScalarHead<T extends Weights>(model: T, seed: number): T {
  const { config, entries } = model.layout;
  if (config.scalarHead) return model;
  const layout = parameterLayout({ ...config, scalarHead: true });
  const parameters = new Float32Array(layout.size);
  const before = new Map(entries.map((entry) => [entry.name, entry]));
  for (const entry of layout.entries) {
    const source = before.get(entry.name);
    if (source) view(parameters, entry).set(view(model.parameters, source));
    else fillNormal(view(parameters, entry), seed, SCORE_WEIGHT, INITIAL_STD);
  }
  return { ...model, layout, parameters };
}
