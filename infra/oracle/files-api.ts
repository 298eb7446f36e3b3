/** OpenAI's files, in memory. */
import { ApiError } from './api-error.js';

export interface StoredFile {
  id: string;
  bytes: Buffer;
  filename: string;
  purpose: string;
  /** Seconds. */
  createdAt: number;
}

export class Files {
  readonly #files = new Map<string, StoredFile>();
  #serial = 0;

  add(filename: string, purpose: string, bytes: Buffer, seconds: number): StoredFile {
    const file = { id: `file-${String(++this.#serial)}`, bytes, filename, purpose, createdAt: seconds };
    this.#files.set(file.id, file);
    return file;
  }

  /** @throws ApiError 404 */
  get(id: string): StoredFile {
    const file = this.#files.get(id);
    if (!file) throw new ApiError(404, 'not_found', `No such File object: ${id}`);
    return file;
  }

  /** Newest first, after the file `after`. */
  list(after: string | null, purpose: string | null): StoredFile[] {
    const all = [...this.#files.values()]
      .reverse()
      .filter((file) => purpose === null || file.purpose === purpose);
    return after === null ? all : all.slice(all.findIndex(({ id }) => id === after) + 1);
  }

  delete(id: string): void {
    this.get(id);
    this.#files.delete(id);
  }
}

/** A multipart form with `file` and `purpose`. @throws ApiError 400 */
export async function readUpload(
  body: Buffer<ArrayBuffer>,
  contentType: string,
): Promise<{ filename: string; purpose: string; bytes: Buffer }> {
  const form = await new Response(body, { headers: { 'content-type': contentType } })
    .formData()
    .catch(() => undefined);
  const file = form?.get('file');
  const purpose = form?.get('purpose');
  if (!file || typeof file === 'string' || typeof purpose !== 'string') {
    throw new ApiError(400, 'invalid_request', 'Send a multipart form with the fields file and purpose.');
  }
  return { filename: file.name, purpose, bytes: Buffer.from(await file.arrayBuffer()) };
}

export function fileObject(file: StoredFile): object {
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes.length,
    created_at: file.createdAt,
    filename: file.filename,
    purpose: file.purpose,
    status: 'processed',
  };
}
