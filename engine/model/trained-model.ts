/** What a training graph is made for: a whole decoder, or adapters on a frozen one. */
import type { AdapterLayout } from './adapter.js';
import type { FlatLayout, ParameterLayout } from './parameters.js';

export interface TrainedModel {
  layout: ParameterLayout;
  /** Where present, only the adapter is trained; the decoder's own weights are graph inputs without a gradient. */
  adapter?: AdapterLayout | undefined;
  /** Compute each layer again in the backward pass instead of keeping its activations: less memory, more time. */
  recompute?: boolean | undefined;
}

/** The flat vector that the optimiser changes. */
export const trainables = ({ layout, adapter }: TrainedModel): FlatLayout => adapter ?? layout;
