/**
 * A model served on the cluster: what the job is asked to do, and the records by which it, its holders and whoever
 * releases it talk. `infra/ray/rmr1_ray/serve.py` checks the specification against `serving-spec.schema.json`, made from
 * this schema.
 */
import { z } from 'zod';
import { canonicalJson } from '../artifacts/canonical-json.js';
import { sha256Hex } from '../artifacts/hashing.js';
import { artifactRefSchema, type ArtifactRef } from '../artifacts/ref.js';

export const servingSpecSchema = z.strictObject({
  format: z.literal('rmr1-serving/1'),
  serverKey: z.string().regex(/^[0-9a-f]{64}$/),
  attempt: z.int().positive(),
  model: artifactRefSchema,
  name: z.string().min(1).describe('of the model in requests'),
  gpus: z.int().nonnegative().describe('GPUs that hold the model together, on one node; 0: CPU'),
  precision: z.enum(['float32', 'bfloat16']),
  maxModelLen: z.int().positive().optional().describe("tokens of prompt and answer; default: the model's"),
  leaseSeconds: z.number().positive().describe('it ends where the lease was not renewed for so long'),
  drainSeconds: z.int().nonnegative().describe('that requests under way have when it ends'),
});
export type ServingSpec = z.infer<typeof servingSpecSchema>;

/** Where a server is found; `url` is null while it has no process that serves. */
export const serverAddressSchema = z.object({
  url: z.url().nullable(),
  key: z.string().optional(),
});

/** Whose server it is: a stage of a run has one for each model that it asks. */
export interface ServerOwner {
  runId: string;
  stage: 'distill' | 'evaluate';
  model: ArtifactRef;
}

/** Names the servers of an owner, whatever attempt. */
export function serverKeyOf({ runId, stage, model }: ServerOwner): string {
  return sha256Hex(Buffer.from(canonicalJson({ runId, stage, model: model.sha256 })));
}

/** What a model is called at a server: by its content, so that no server of another model can be taken for its. */
export function servedName({ sha256 }: Pick<ArtifactRef, 'sha256'>): string {
  return `rmr1-${sha256.slice(0, 16)}`;
}

export const serverRecords = (serverKey: string) => {
  const root = `servers/${serverKey}`;
  return {
    /** The newest job and where it runs. */
    job: `${root}/job.json`,
    spec: (attempt: number) => `${root}/attempt-${attempt}/spec.json`,
    /** The job says where it serves. */
    address: (attempt: number) => `${root}/attempt-${attempt}/address.json`,
    /** Whoever uses the server changes it again and again; unchanged for the lease, the job ends. */
    hold: (attempt: number) => `${root}/attempt-${attempt}/hold.json`,
    /** Its presence asks the job to finish what it was asked and end. */
    stop: (attempt: number) => `${root}/attempt-${attempt}/stop.json`,
  };
};
