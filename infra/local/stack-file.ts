import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './json-file.js';
import { withLock } from './lock.js';

const processRecordSchema = z.object({
  pid: z.int(),
  startedAt: z.string(),
  logFile: z.string(),
  ports: z.array(z.int()),
  /** A folder outside the home that goes with the process. */
  scratch: z.string().optional(),
});
/** A process of the stack as noted on disk, enough to find and end it from another program. */
export type ProcessRecord = z.infer<typeof processRecordSchema>;

const serviceSchema = processRecordSchema.extend({
  name: z.string(),
  entry: z.string(),
  /** What the service said when it was ready, e.g. its address. */
  ready: z.unknown().optional(),
});
/** A worker or other Node process of the stack. */
export type ServiceRecord = z.infer<typeof serviceSchema>;

const stackSchema = z.object({
  version: z.literal(1),
  temporal: z
    .object({
      address: z.string(),
      namespace: z.string(),
      uiUrl: z.string().optional(),
      external: z.boolean(),
    })
    .optional(),
  s3: z
    .object({
      endpoint: z.string().optional(),
      region: z.string(),
      bucket: z.string(),
      prefix: z.string().optional(),
      forcePathStyle: z.boolean(),
      accessKeyId: z.string().optional(),
      secretAccessKey: z.string().optional(),
      external: z.boolean(),
    })
    .optional(),
  oracle: z.object({ baseUrl: z.string() }).optional(),
  /** The head that `rmr1 up --ray` started. */
  ray: z.object({ address: z.string() }).optional(),
  /** Servers of ours, by part; noted before they are healthy, so that an interrupted start can be cleaned up. */
  servers: z.object({
    temporal: processRecordSchema.optional(),
    s3: processRecordSchema.optional(),
    ray: processRecordSchema.optional(),
  }),
  services: z.array(serviceSchema),
});
/** Content of `<home>/stack.json`. Holds the keys of the local S3: only its owner may read it. */
export type StackState = z.infer<typeof stackSchema>;

const EMPTY: StackState = { version: 1, servers: {}, services: [] };

/** `<home>/stack.json`: read by anyone, changed under a lock. */
export class StackFile {
  readonly path: string;

  constructor(private readonly home: string) {
    this.path = join(home, 'stack.json');
  }

  /** The state, empty where there is none or none this version can read. */
  async read(): Promise<StackState> {
    const parsed = stackSchema.safeParse(await readJsonFile(this.path));
    return parsed.success ? parsed.data : structuredClone(EMPTY);
  }

  /** Applies `change` to the present state; changes from several processes do not overwrite each other. */
  async update(change: (state: StackState) => void): Promise<StackState> {
    return withLock(join(this.home, 'stack.json.lock'), async () => {
      const state = await this.read();
      change(state);
      await writeJsonFile(this.path, state);
      return state;
    });
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}
