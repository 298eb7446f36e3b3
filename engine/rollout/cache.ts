/** Key-value caches between runs of the decode graph: rows that go on, side by side with rows that join. */
import { tensor, type Tensors } from '../onnx/index.js';
import { headDim, type DecoderConfig } from '../model/parameters.js';
import { cacheNames } from './blocks.js';

/** Cached keys and values, see `decodeGraph`; all rows have `past` slots. */
export interface Cache {
  tensors: Tensors;
  past: number;
}

/** What of a row of a cache is in use: its first `prompt` slots and its last `generated` ones. */
export interface UsedSlots {
  source: number;
  prompt: number;
  generated: number;
}

/**
 * One cache of the rows `going` of `old`, in their order, and all rows of `joining` behind them, part by part. Slots of a
 * prompt stay at the beginning, those of generated tokens move to the end; what lies between is zero and must be masked.
 * @param past slots of the result: at least those in use of each row. What a part has beyond them is left out.
 */
export function joinCaches(
  config: DecoderConfig,
  old: Cache,
  going: readonly UsedSlots[],
  joining: readonly Cache[],
  past: number,
): Cache {
  const d = headDim(config);
  const { kvHeads } = config;
  const tensors: Tensors = {};
  for (let layer = 0; layer < config.layers; layer += 1) {
    const names = cacheNames(layer);
    // Keys lie transposed: a line of slots for each dimension. Values have a line for each head, with whole vectors.
    for (const { name, lines, unit } of [
      { name: names.key, lines: kvHeads * d, unit: 1 },
      { name: names.value, lines: kvHeads, unit: d },
    ]) {
      const added = joining.map(({ tensors }) => tensors[name]!.dims[0]!);
      const rows = added.reduce((sum, count) => sum + count, going.length);
      const out = new Float32Array(rows * lines * past * unit);
      const copy = (from: Cache, row: number, to: number, start: number, end: number, at: number): void => {
        const source = from.tensors[name]!.data as Float32Array;
        for (let line = 0; line < lines; line += 1) {
          const begin = (row * lines + line) * from.past;
          out.set(
            source.subarray((begin + start) * unit, (begin + end) * unit),
            ((to * lines + line) * past + at) * unit,
          );
        }
      };
      going.forEach(({ source, prompt, generated }, to) => {
        copy(old, source, to, 0, prompt, 0);
        copy(old, source, to, old.past - generated, old.past, past - generated);
      });
      let to = going.length;
      joining.forEach((part, index) => {
        for (let row = 0; row < added[index]!; row += 1)
          copy(part, row, to++, 0, Math.min(part.past, past), 0);
      });
      const shape = name === names.key ? [rows, kvHeads, d, past] : [rows, kvHeads, past, d];
      tensors[name] = tensor('float32', out, shape);
    }
  }
  return { tensors, past };
}
