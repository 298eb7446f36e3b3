/** The accelerator that estimates are made for, and how much of it a trainer gets. */

/** NVIDIA's data sheet of the H100 SXM: dense bf16, HBM3. */
export const H100 = {
  name: 'H100 80 GB',
  flopsPerSecond: 989e12,
  bytesPerSecond: 3.35e12,
  memoryBytes: 80e9,
} as const;

/**
 * Assumed, not measured: nothing here ever ran on a GPU. Published runs of models of this size reach 35 to 50 % of the
 * peak in training; decoding is bound by memory and reaches about half of its bandwidth.
 */
export const ASSUMED_SHARES = { training: 0.4, prefill: 0.5, decoding: 0.5 } as const;

/** What of a Ray cluster a stage gets; the fields of a recipe's section `ray`. */
export interface Cluster {
  nodes: number;
  gpusPerNode: number;
  /** Samples that go through a device at once. */
  samplesPerDevice: number;
  /** GPUs that hold one copy of the model for rollouts. */
  tensorParallel: number;
  /** Share of a GPU's memory that the rollout engine may take. */
  gpuMemoryForRollouts: number;
}

/** GPUs of the whole cluster. */
export function worldSize({ nodes, gpusPerNode }: Pick<Cluster, 'nodes' | 'gpusPerNode'>): number {
  return nodes * gpusPerNode;
}
