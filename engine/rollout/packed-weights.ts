/**
 * Matrices of larger models as constants of the decode graph. The kernels then read a copy in their own order, made once
 * when the graph is loaded, instead of reordering every matrix for every token: two to three times as fast for few rows.
 * Their sums are the same for any number of rows and threads, so they need no factors.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSession, type GraphSession, type SessionSettings, type Tensors } from '../onnx/index.js';
import type { ExternalData } from '../onnx/types.js';
import type { ParameterLayout } from '../model/parameters.js';
import type { Cut } from './blocks.js';
import { decodeGraph, type Choosing } from './decode-graph.js';
import { packedFactors } from './prepared-weights.js';

const WEIGHTS = 'weights.bin';
/** Constants begin at a page, so that the file can be mapped. */
const PAGE = 4_096;

/**
 * The decode graph with the matrices of `prepared` inside; they travel through a temporary file, because a graph in
 * memory would hold them four times over while it is loaded.
 */
export async function packedDecodeSession(
  layout: ParameterLayout,
  choosing: Choosing,
  prepared: Tensors,
  cut: Cut,
  settings: SessionSettings,
): Promise<GraphSession> {
  const dir = mkdtempSync(join(tmpdir(), 'rmr1-decode-'));
  try {
    const places = writeFactors(join(dir, WEIGHTS), layout, prepared, cut);
    const file = join(dir, 'decode.onnx');
    return await createSession(decodeGraph(layout, choosing, places), { ...settings, file });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Factors of a matrix follow each other, which makes them the whole transposed matrix. @returns where each lies */
function writeFactors(
  path: string,
  layout: ParameterLayout,
  prepared: Tensors,
  cut: Cut,
): Map<string, ExternalData> {
  const places = new Map<string, ExternalData>();
  const file = openSync(path, 'w');
  try {
    let end = 0;
    for (const [block, names] of packedFactors(layout, cut)) {
      const offset = Math.ceil(end / PAGE) * PAGE;
      end = offset;
      for (const name of names) {
        const { buffer, byteOffset, byteLength } = prepared[name]!.data as Float32Array;
        const bytes = new Uint8Array(buffer, byteOffset, byteLength);
        for (let at = 0; at < byteLength;) at += writeSync(file, bytes, at, byteLength - at, end + at);
        end += byteLength;
      }
      places.set(block, { file: WEIGHTS, offset, length: end - offset });
    }
  } finally {
    closeSync(file);
  }
  return places;
}
