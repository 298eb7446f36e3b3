/** References to stored artefacts: all that crosses a workflow besides small numbers. */
import { z } from 'zod';

export const ARTIFACT_KINDS = [
  'pairs',
  'items',
  'documents',
  'tokenizer',
  'traces',
  'samples',
  'model',
  'adapter',
  'checkpoint',
  'metrics',
  'outputs',
  'verdicts',
  'scores',
  'ledger',
  'report',
  'stats',
  'recipe',
] as const;

/** Kinds whose object is a listing of further objects, the files of a directory. */
export const DIRECTORY_KINDS = ['tokenizer', 'model', 'adapter', 'checkpoint'] as const;
export type DirectoryKind = (typeof DIRECTORY_KINDS)[number];

/** An immutable object (or, for directories such as models, a file list) named by the hash of its content. */
export const artifactRefSchema = z.strictObject({
  uri: z.string().describe('s3://bucket/key'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().nonnegative(),
  kind: z.enum(ARTIFACT_KINDS),
});
/**
 * A stored artefact, named by its content.
 * @interface
 */
export type ArtifactRef = z.infer<typeof artifactRefSchema>;
export type ArtifactKind = (typeof ARTIFACT_KINDS)[number];

/** Where an artefact came from. Written last, with `If-None-Match: *`; a stage whose manifest exists is not run again. */
export interface Manifest {
  /** Hash of (stage, inputs, resolved settings, versions, seed). */
  key: string;
  stage: string;
  outputs: Record<string, ArtifactRef>;
  /** References this stage read, by role. */
  parents: Record<string, ArtifactRef>;
  settings: unknown;
  seed: number;
  /** Small numbers worth showing without opening an artefact. */
  metrics: Record<string, number>;
  cost: { usd: number; inputTokens: number; outputTokens: number; seconds: number };
  codeCommit: string;
  startedBy: string;
  workflowId: string;
  attempt: number;
  createdAt: string;
}
