import { createServer, type Server } from 'node:http';

/**
 * An S3 that stores and returns objects but ignores `If-Match`, `If-None-Match` and checksums, as some
 * gateways do: two attempts could overwrite each other on it.
 */
export async function carelessS3(): Promise<{ endpoint: string; server: Server }> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const key = new URL(request.url ?? '/', 'http://s3').pathname;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.method === 'PUT') objects.set(key, plainBody(Buffer.concat(chunks), request.headers));
      const body = objects.get(key);
      if (request.method === 'DELETE') objects.delete(key);
      response.setHeader('ETag', `"${objects.size}"`);
      response.statusCode = request.method === 'GET' && !body ? 404 : 200;
      response.end(request.method === 'GET' ? body : undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { endpoint: `http://127.0.0.1:${port}`, server };
}

/** The SDK may send a body in chunks with a checksum behind the last. */
function plainBody(body: Buffer, headers: NodeJS.Dict<string | string[]>): Buffer {
  if (!String(headers['content-encoding'] ?? '').includes('aws-chunked')) return body;
  const start = body.indexOf('\r\n') + 2;
  return body.subarray(start, start + parseInt(body.toString('latin1', 0, start), 16));
}
