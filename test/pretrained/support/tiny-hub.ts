/** A small pretrained model, and a hub on this machine that has it. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { bytePairTokenizer } from '../../../activities/dataset/student-tokenizer.js';
import { writeModelFiles } from '../../../engine/checkpoint/model-directory.js';
import { initializeParameters } from '../../../engine/model/initialize.js';
import { parameterLayout } from '../../../engine/model/parameters.js';
import { writeTokenizer } from '../../../engine/tokenizer/tokenizer-files.js';
import { TextTokenizer } from '../../../engine/tokenizer/tokenizer.js';

export const REVISION = 'b'.repeat(40);

/** A Qwen2-like model of two layers with a tokenizer that has read some of the data. */
export function writeTinyModel(dir: string, texts: readonly string[]): void {
  mkdirSync(dir, { recursive: true });
  writeTokenizer(dir, bytePairTokenizer(texts, 700));
  const tokenizer = TextTokenizer.load(dir);
  const layout = parameterLayout({
    hiddenSize: 64,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    intermediateSize: 128,
    maxLength: 1024,
    ropeTheta: 10_000,
    normEpsilon: 1e-6,
    tieEmbeddings: true,
    attentionBias: 'qkv',
    vocabSize: tokenizer.vocabSize,
  });
  writeModelFiles(dir, { layout, parameters: initializeParameters(layout, 1), tokenizer, tokenizerDir: dir });
}

/** @returns the address of a hub that has the files of `dir` as `me/tiny` */
export async function startHub(dir: string): Promise<{ endpoint: string; close: () => Promise<unknown> }> {
  const siblings = readdirSync(dir).map((rfilename) => {
    const content = readFileSync(join(dir, rfilename));
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { rfilename, size: content.length, lfs: { sha256 } };
  });
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://hub').pathname;
    const file = path.replace(`/me/tiny/resolve/${REVISION}/`, '');
    if (path === `/api/models/me/tiny/revision/${REVISION}`)
      response.end(JSON.stringify({ sha: REVISION, siblings }));
    else if (siblings.some(({ rfilename }) => rfilename === file))
      response.end(readFileSync(join(dir, file)));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { endpoint, close: () => new Promise((resolve) => server.close(resolve)) };
}
