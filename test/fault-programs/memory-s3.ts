/** S3 in memory, below the real `Bucket`: conditional writes, versions, listings, and errors as the SDK throws them. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Bucket } from '../../activities/artifacts/bucket.js';
import { ArtifactStore } from '../../activities/artifacts/store.js';

interface Stored {
  body: Buffer;
  etag: string;
  metadata: Record<string, string>;
  modifiedAt: Date;
}
interface Command {
  constructor: { name: string };
  input: {
    Key?: string;
    Prefix?: string;
    Body?: Uint8Array;
    Range?: string;
    IfMatch?: string;
    IfNoneMatch?: string;
    Metadata?: Record<string, string>;
  };
}

/** How a request goes: `fails`: no effect and no answer; `loses`: an effect and no answer; `repeats`: sent twice. */
export type RequestFate = 'works' | 'fails' | 'loses' | 'repeats';

export class MemoryS3 {
  readonly objects = new Map<string, Stored>();
  /** Hears of every write that took effect, before its writer does. */
  onWrite: (key: string, body: Buffer, writer: unknown) => void = () => undefined;
  private versions = 0;

  /** A store of one process; `gate` is asked before each request, and told with `done` when it took effect. */
  store(
    gate: (command: string, key: string) => Promise<{ fate: RequestFate; done?: () => void }>,
    writer?: unknown,
  ) {
    const store = new ArtifactStore({ region: 'memory', bucket: 'rmr1', forcePathStyle: true });
    const bucket = (store as unknown as { bucket: Bucket }).bucket;
    store.close();
    const client = {
      destroy: () => undefined,
      send: async (command: Command) => {
        const name = command.constructor.name.replace(/Command$/, '');
        const { fate, done } = await gate(name, command.input.Key ?? command.input.Prefix ?? '');
        if (fate === 'fails') throw Object.assign(new Error('connection reset'), { code: 'ECONNRESET' });
        const answer = this.serve(name, command.input, 1, writer);
        done?.();
        if (fate === 'loses') throw Object.assign(new Error('connection reset'), { code: 'ECONNRESET' });
        return fate === 'repeats' ? this.serve(name, command.input, 2, writer) : answer;
      },
    };
    Object.assign(bucket, { client });
    return store;
  }

  private serve(name: string, input: Command['input'], attempts: number, writer: unknown): unknown {
    const key = input.Key ?? '';
    const stored = this.objects.get(key);
    switch (name) {
      case 'PutObject': {
        const lost = input.IfNoneMatch ? stored : input.IfMatch && stored?.etag !== input.IfMatch;
        if (lost) throw failure('PreconditionFailed', 412, attempts);
        const body = Buffer.from(input.Body ?? []);
        // As on S3: the same content has the same ETag.
        const etag = `"${createHash('md5').update(body).digest('hex')}"`;
        this.objects.set(key, {
          body,
          etag,
          metadata: input.Metadata ?? {},
          modifiedAt: new Date(Date.now() + ++this.versions),
        });
        this.onWrite(key, body, writer);
        return { ETag: etag };
      }
      case 'GetObject': {
        if (!stored) throw failure('NoSuchKey', 404, attempts);
        const last = Number(/^bytes=0-(\d+)$/.exec(input.Range ?? '')?.[1] ?? Infinity);
        return { ...describe(stored), Body: Readable.from([stored.body.subarray(0, last + 1)]) };
      }
      case 'HeadObject':
        if (!stored) throw failure('NotFound', 404, attempts);
        return describe(stored);
      case 'DeleteObject':
        this.objects.delete(key);
        return {};
      case 'ListObjectsV2':
        return {
          Contents: [...this.objects]
            .filter(([name]) => name.startsWith(input.Prefix ?? ''))
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([Key, { body, etag, modifiedAt }]) => ({
              ...{ Key, Size: body.length, ETag: etag, LastModified: modifiedAt },
            })),
        };
      default:
        throw new Error(`MemoryS3 does not know ${name}.`);
    }
  }
}

function describe({ body, etag, metadata, modifiedAt }: Stored) {
  return { ContentLength: body.length, ETag: etag, Metadata: metadata, LastModified: modifiedAt };
}

function failure(name: string, httpStatusCode: number, attempts: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode, attempts } });
}
