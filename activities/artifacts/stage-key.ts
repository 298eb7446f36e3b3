import { canonicalJson } from './canonical-json.js';
import { sha256Hex } from './hashing.js';
import type { ArtifactRef } from './ref.js';

/** All that decides what a stage will produce. */
export interface StageIdentity {
  stage: string;
  /** What the stage reads, by role. Only content hashes count, so that a copy in another bucket is the same input. */
  inputs: Readonly<Record<string, ArtifactRef | string>>;
  /** The resolved section of the recipe. */
  settings: unknown;
  /** Engine, prompt and format versions. */
  versions: Readonly<Record<string, string>>;
  seed: number;
}

/** sha256 of the canonical JSON of `identity`: two stages with one key would produce the same artefacts. */
export function stageKey(identity: StageIdentity): string {
  const inputs = Object.fromEntries(
    Object.entries(identity.inputs).map(([role, input]) => [
      role,
      typeof input === 'string' ? input : input.sha256,
    ]),
  );
  return sha256Hex(canonicalJson({ ...identity, inputs }));
}
