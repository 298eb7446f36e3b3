import type { Manifests } from './manifests.js';
import type { ArtifactRef, Manifest } from './ref.js';

/** One artefact or stage and what it was made from, back to the data that came from outside. */
export interface Lineage {
  /** The artefact asked about; absent at the root of a manifest's lineage. */
  ref?: ArtifactRef;
  /** The stage that made it; absent for what came from outside. */
  manifest?: Manifest;
  /** By the role the stage read them in. Shared ancestors are the same object. */
  parents: Record<string, Lineage>;
}

/** Walks parents of an artefact or a manifest. */
export async function lineage(manifests: Manifests, of: ArtifactRef | Manifest): Promise<Lineage> {
  const finished = new Map<string, Lineage>();
  const entered = new Set<string>();

  const ofRef = async (ref: ArtifactRef): Promise<Lineage> => {
    const known = finished.get(ref.sha256);
    if (known) return known;
    const node: Lineage = { ref, parents: {} };
    // A stage that returns its input unchanged would otherwise be its own ancestor.
    if (entered.has(ref.sha256)) return node;
    entered.add(ref.sha256);
    const manifest = await manifests.producerOf(ref);
    if (manifest) {
      node.manifest = manifest;
      await expand(node, manifest);
    }
    finished.set(ref.sha256, node);
    return node;
  };

  const expand = async (node: Lineage, manifest: Manifest): Promise<void> => {
    for (const [role, parent] of Object.entries(manifest.parents)) node.parents[role] = await ofRef(parent);
  };

  if ('sha256' in of) return ofRef(of);
  const root: Lineage = { manifest: of, parents: {} };
  await expand(root, of);
  return root;
}
