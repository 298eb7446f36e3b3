import { tensor, type Tensors } from '../onnx/session.js';
import type { BatchLayout, GrpoBatch } from './batch.js';
import { filledUp } from './preference-inputs.js';

interface Completion {
  tokens: number[];
  advantage: number;
}

/**
 * The completions of a batch as the inputs `members`, `sequenceAdvantages` and `sequenceWeights` of the GSPO graph.
 * @param sequences completions of the whole optimiser batch
 * @param least completions that the graph has places for in any case
 * @returns the tensors and, as `count`, their number of sequences
 */
export function sequenceInputs(
  layout: BatchLayout,
  batch: Omit<GrpoBatch, 'refLogprobs'>,
  sequences: number,
  least = 0,
): { count: number } & Record<'members' | 'sequenceAdvantages' | 'sequenceWeights', Tensors[string]> {
  const completions = new Map<string, Completion>();
  const { rows, length, weights, segments, advantages } = batch;
  for (let row = 0; row < rows; row += 1) {
    for (let t = 1; t < length; t += 1) {
      const at = row * length + t;
      if (weights[at] === 0) continue;
      const key = `${row}/${segments ? segments[at] : ''}`;
      const advantage = advantages.length === rows ? advantages[row]! : advantages[at]!;
      const completion = completions.get(key) ?? { tokens: [], advantage };
      // Index t is about predicting token t, which is position t − 1 of the time-major graph.
      completion.tokens.push((t - 1) * layout.rows + row);
      completions.set(key, completion);
    }
  }
  const count = filledUp(Math.max(completions.size, least));
  const positions = layout.rows * layout.length;
  const members = new Float32Array(count * positions);
  const own = new Float32Array(count);
  const shares = new Float32Array(count);
  [...completions.values()].forEach(({ tokens, advantage }, index) => {
    for (const token of tokens) members[index * positions + token] = 1 / tokens.length;
    own[index] = advantage;
    shares[index] = 1 / sequences;
  });
  return {
    count,
    members: tensor('float32', members, [count, positions]),
    sequenceAdvantages: tensor('float32', own, [count]),
    sequenceWeights: tensor('float32', shares, [count]),
  };
}
