/** A Llama forward pass written out in float64 loops: the independent answer that graphs are compared with. */
import { headDim, type ParameterLayout } from '../../../engine/model/parameters.js';

type Matrix = Float64Array[];

/** Logits [tokens][vocab] of a token sequence. */
export function referenceLogits(
  layout: ParameterLayout,
  flat: Float32Array,
  tokens: readonly number[],
): Matrix {
  const { config } = layout;
  const d = headDim(config);
  const read = (name: string): Matrix => {
    const entry = layout.entries.find((e) => e.name === name);
    if (!entry) throw new Error(`no parameter ${name}`);
    const columns = entry.shape.at(-1)!;
    return Array.from({ length: entry.size / columns }, (_, row) =>
      Float64Array.from(flat.subarray(entry.offset + row * columns, entry.offset + (row + 1) * columns)),
    );
  };
  const times = (x: Float64Array, w: Matrix) =>
    Float64Array.from(w, (row) => row.reduce((sum, v, i) => sum + v * x[i]!, 0));
  const norm = (x: Float64Array, name: string) => {
    const scale = read(name)[0]!;
    const rms = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + config.normEpsilon);
    return x.map((v, i) => (v / rms) * scale[i]!);
  };
  const rotate = (x: Float64Array, position: number) => {
    const out = Float64Array.from(x);
    for (let head = 0; head < x.length; head += d)
      for (let i = 0; i < d / 2; i++) {
        const angle = position * config.ropeTheta ** ((-2 * i) / d);
        const a = x[head + i]!;
        const b = x[head + i + d / 2]!;
        out[head + i] = a * Math.cos(angle) - b * Math.sin(angle);
        out[head + i + d / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    return out;
  };
  const add = (a: Float64Array, b: Float64Array) => a.map((v, i) => v + b[i]!);

  const embedding = read('model.embed_tokens.weight');
  let xs = tokens.map((token) => Float64Array.from(embedding[token]!));
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `model.layers.${layer}`;
    const project = (name: string) => read(`${at}.self_attn.${name}_proj.weight`);
    const [wq, wk, wv, wo] = ['q', 'k', 'v', 'o'].map(project) as [Matrix, Matrix, Matrix, Matrix];
    const [gate, up, down] = ['gate', 'up', 'down'].map((name) => read(`${at}.mlp.${name}_proj.weight`)) as [
      Matrix,
      Matrix,
      Matrix,
    ];
    const normed = xs.map((x) => norm(x, `${at}.input_layernorm.weight`));
    const queries = normed.map((x, t) => rotate(times(x, wq), t));
    const keys = normed.map((x, t) => rotate(times(x, wk), t));
    const values = normed.map((x) => times(x, wv));
    xs = xs.map((x, t) => {
      const mixed = new Float64Array(config.hiddenSize);
      for (let head = 0; head < config.heads; head++) {
        const shared = Math.floor(head / (config.heads / config.kvHeads)) * d;
        const scores = keys.slice(0, t + 1).map((key) => {
          let dot = 0;
          for (let i = 0; i < d; i++) dot += queries[t]![head * d + i]! * key[shared + i]!;
          return dot / Math.sqrt(d);
        });
        const top = Math.max(...scores);
        const weights = scores.map((s) => Math.exp(s - top));
        const total = weights.reduce((a, b) => a + b);
        weights.forEach((w, s) => {
          for (let i = 0; i < d; i++) mixed[head * d + i]! += (w / total) * values[s]![shared + i]!;
        });
      }
      const middle = add(x, times(mixed, wo));
      const h = norm(middle, `${at}.post_attention_layernorm.weight`);
      const gated = times(h, gate).map((v) => v / (1 + Math.exp(-v)));
      const product = times(h, up).map((v, i) => v * gated[i]!);
      return add(middle, times(product, down));
    });
  }
  const head = config.tieEmbeddings ? embedding : read('lm_head.weight');
  return xs.map((x) => times(norm(x, 'model.norm.weight'), head));
}

/** log softmax(logits / temperature)[token]. */
export function referenceLogp(logits: Float64Array, token: number, temperature = 1): number {
  const scaled = logits.map((v) => v / temperature);
  const top = Math.max(...scaled);
  return scaled[token]! - top - Math.log(scaled.reduce((sum, v) => sum + Math.exp(v - top), 0));
}
