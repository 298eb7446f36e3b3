/** Versions that decide what a stage produces. Raise one when its output changes: old artefacts are then not reused. */
export const VERSIONS = {
  dataset: '1',
  world: '1',
  engine: '1',
  ray: '1',
  pretrained: '1',
  distill: '2',
  evaluation: '1',
  report: '1',
} as const;
